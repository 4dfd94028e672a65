// SPDX-License-Identifier: Apache-2.0
// The capture reader beside the npm package pcap-parser: the same packets, times and lengths, on a
// capture of our own and on all classic captures of the corpora where they are.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import pcapParser, { type ParsedPacket } from "pcap-parser";
import { expect, test } from "vitest";
import { CaptureReader } from "../../../lib/network/network.ts";
import { pcap } from "./packets.ts";

const root = resolve(import.meta.dirname, "../../..");
const corpora = join(root, "../shared/corpora");

test("reads what pcap-parser reads in a capture of our own", async () => {
  const bytes = readFileSync(join(root, "test/samples/loopback.pcap"));
  const theirs = await parsed(bytes);
  expect(theirs.length).toBeGreaterThan(40);
  expect(read(bytes)).toEqual(theirs);
});

test("reads what pcap-parser reads in both byte orders", async () => {
  for (const little of [true, false]) {
    const bytes = Buffer.from(pcap([Uint8Array.of(1, 2, 3), Uint8Array.of(4)], little));
    expect(read(bytes)).toEqual(await parsed(bytes));
  }
});

test("a changed time is seen", async () => {
  const bytes = readFileSync(join(root, "test/samples/loopback.pcap"));
  const theirs = await parsed(bytes);
  bytes[28] = (bytes[28] as number) ^ 1;
  expect(read(bytes)).not.toEqual(theirs);
});

test("reads what pcap-parser reads in the corpora", async (context) => {
  if (!existsSync(corpora)) context.skip("no corpora in ../shared/corpora");
  const names = readdirSync(corpora, { recursive: true, encoding: "utf8" });
  let captures = 0;
  for (const name of names.filter((path) => /\.(pcap|trace)$/.test(path))) {
    const bytes = readFileSync(join(corpora, name));
    // Captures of other layouts, and of nanoseconds, are unknown to the other reader.
    if (!/^(d4c3b2a1|a1b2c3d4)$/.test(bytes.toString("hex", 0, 4))) continue;
    captures += 1;
    expect(read(bytes), name).toEqual(await parsed(bytes));
  }
  expect(captures).toBeGreaterThan(0);
});

/** One text a packet, so that a difference shows at once. */
function read(bytes: Uint8Array): string[] {
  const reader = new CaptureReader(bytes);
  const { packet } = reader;
  const texts: string[] = [];
  while (reader.next()) {
    // Of a cut packet we still give what is there, the other reader nothing.
    if (reader.fault !== undefined) break;
    const data = bytes.subarray(packet.start, packet.end);
    texts.push(packetText(packet.timeMs, data, packet.originalBytes));
  }
  return texts;
}

function parsed(bytes: Buffer): Promise<string[]> {
  const texts: string[] = [];
  const parser = pcapParser.parse(Readable.from([bytes]));
  parser.on("packet", ({ header, data }: ParsedPacket) => {
    const timeMs = header.timestampSeconds * 1000 + header.timestampMicroseconds / 1000;
    texts.push(packetText(timeMs, data, header.originalLength));
  });
  return new Promise((resolve, reject) => {
    parser.on("end", () => resolve(texts));
    parser.on("error", reject);
  });
}

function packetText(timeMs: number, data: Uint8Array, originalBytes: number): string {
  const digest = createHash("sha256").update(data).digest("base64");
  return `${timeMs} ${data.length} of ${originalBytes} ${digest}`;
}
