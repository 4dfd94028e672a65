// SPDX-License-Identifier: Apache-2.0
// Types of the npm package pcap-parser, as far as the test beside our capture reader uses it.
declare module "pcap-parser" {
  import type { EventEmitter } from "node:events";
  import type { Readable } from "node:stream";

  export interface ParsedPacket {
    readonly header: {
      readonly timestampSeconds: number;
      readonly timestampMicroseconds: number;
      readonly capturedLength: number;
      readonly originalLength: number;
    };
    readonly data: Buffer;
  }

  export function parse(input: Readable | string): EventEmitter;
}
