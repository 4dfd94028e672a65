// SPDX-License-Identifier: Apache-2.0
// Reads a zip archive: the event logs of the corpora come packed. Stored and deflated entries only
// (PKWARE's application note, sections 4.3.7, 4.3.12 and 4.3.16). Called by the oracles.
import { inflateRawSync } from "node:zlib";

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const DEFLATED = 8;

export interface ZipEntry {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * The files of an archive.
 * @throws {Error} when it is none
 */
export function* readZip(file: Buffer): Generator<ZipEntry> {
  let end = file.length - END_BYTES;
  while (end >= 0 && file.readUInt32LE(end) !== END_SIGNATURE) end -= 1;
  if (end < 0) throw new Error("no zip archive");
  const count = file.readUInt16LE(end + 10);
  let at = file.readUInt32LE(end + 16);
  for (let index = 0; index < count; index++) {
    if (file.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new Error("a damaged zip archive");
    const [nameBytes = 0, extraBytes = 0, commentBytes = 0] = [28, 30, 32].map((offset) =>
      file.readUInt16LE(at + offset),
    );
    const name = file.toString("utf8", at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes);
    const packedBytes = file.readUInt32LE(at + 20);
    const local = file.readUInt32LE(at + 42);
    const skipped = file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const start = local + LOCAL_BYTES + skipped;
    const packed = file.subarray(start, start + packedBytes);
    const isDeflated = file.readUInt16LE(at + 10) === DEFLATED;
    yield { name, content: isDeflated ? inflateRawSync(packed) : packed };
    at += ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
  }
}
