// SPDX-License-Identifier: Apache-2.0
// Makes one large capture of many small ones, so that we and our peers read the same file. Copies
// follow each other in time, far enough apart that no flow of one goes on in the next.
import { once } from "node:events";
import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { CaptureReader } from "../lib/network/network.ts";

const ethernet = 1;
const fileHeaderBytes = 24;
const packetHeaderBytes = 16;
const magic = 0xa1b2c3d4;
const snapBytes = 262_144;
const apartSeconds = 4000;
const firstSecond = 1_700_000_000;

export interface MergedCapture {
  readonly path: string;
  readonly files: number;
  readonly packets: number;
  /** Packet bytes, headers of the file left out. */
  readonly bytes: number;
}

interface Source {
  readonly bytes: Uint8Array;
  readonly seconds: number;
  readonly startMs: number;
}

/** Writes a classic pcap file of at least `bytesMin` out of all Ethernet captures in folders. */
export async function mergeCaptures(
  folders: readonly string[],
  path: string,
  bytesMin: number,
): Promise<MergedCapture> {
  const sources = folders.flatMap((folder) => capturesIn(folder)).flatMap((file) => open(file));
  if (sources.length === 0) throw new Error(`no Ethernet capture in ${folders.join(", ")}`);
  const file = createWriteStream(path);
  file.write(fileHeader());
  let packets = 0;
  let bytes = 0;
  let second = firstSecond;
  while (bytes < bytesMin) {
    for (const source of sources) {
      const written = block(source, second);
      packets += written.packets;
      bytes += written.bytes.length - written.packets * packetHeaderBytes;
      second += Math.ceil(source.seconds) + apartSeconds;
      if (!file.write(written.bytes)) await once(file, "drain");
    }
  }
  file.end();
  await finished(file);
  return { path, files: sources.length, packets, bytes };
}

function capturesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(pcap|pcapng|cap|trace)(\.gz)?$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

// Captures whose packets lie far apart would make the clock run for years.
const secondsMax = 86_400;

function open(file: string): Source[] {
  const packed = readFileSync(file);
  const bytes = file.endsWith(".gz") ? gunzipSync(packed) : packed;
  const reader = new CaptureReader(bytes);
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = 0;
  while (reader.next()) {
    if (reader.packet.linkType !== ethernet) return [];
    startMs = Math.min(startMs, reader.packet.timeMs);
    endMs = Math.max(endMs, reader.packet.timeMs);
  }
  const seconds = (endMs - startMs) / 1000;
  if (reader.fault !== undefined || endMs === 0 || seconds > secondsMax) return [];
  return [{ bytes, seconds, startMs }];
}

function fileHeader(): Uint8Array {
  const header = new Uint8Array(fileHeaderBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapBytes, true);
  view.setUint32(20, ethernet, true);
  return header;
}

function block(source: Source, second: number): { bytes: Uint8Array; packets: number } {
  const reader = new CaptureReader(source.bytes);
  const parts: Uint8Array[] = [];
  while (reader.next()) {
    const { timeMs, start, end, originalBytes } = reader.packet;
    const header = new Uint8Array(packetHeaderBytes);
    const view = new DataView(header.buffer);
    const micros = Math.round((timeMs - source.startMs) * 1000);
    view.setUint32(0, second + Math.floor(micros / 1e6), true);
    view.setUint32(4, micros % 1e6, true);
    view.setUint32(8, end - start, true);
    view.setUint32(12, originalBytes, true);
    parts.push(header, source.bytes.subarray(start, end));
  }
  return { bytes: Buffer.concat(parts), packets: parts.length / 2 };
}
