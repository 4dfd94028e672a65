// SPDX-License-Identifier: Apache-2.0
// Face of the wire room: the generated layout and the codecs over it. Pure, no I/O.
export * from "./address.ts";
export * from "./block-rule.ts";
export * from "./command.ts";
export * from "./crc32c.ts";
export * from "./event-decode.ts";
export * from "./layout.gen.ts";
export * from "./packet-record.ts";
export * from "./record-body.ts";
export * from "./record-encode.ts";
export * from "./redirector-command.ts";
export * from "./region-layout.ts";
export * from "./region-pages.ts";
export * from "./text.ts";
