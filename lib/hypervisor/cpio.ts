// SPDX-License-Identifier: Apache-2.0
// Writes the "newc" cpio archive that the Linux kernel unpacks as its first file system. Called by
// initramfs.ts only; pure, knows nothing of guests.

/** One entry of an archive. `mode` is the full st_mode, file type included. */
export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

const trailerName = "TRAILER!!!";

/** Packs entries, in the order given, into one newc archive. */
export function packCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => packEntry(entry, index + 1));
  parts.push(...packEntry({ path: trailerName, mode: 0, content: new Uint8Array(0) }, 0));
  return Buffer.concat(parts);
}

function packEntry(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`, "utf8");
  const isDirectory = (entry.mode & 0o170000) === 0o040000;
  const fields = [
    inode,
    entry.mode,
    0, // uid
    0, // gid
    isDirectory ? 2 : 1, // links
    0, // modification time: fixed, so that equal input gives equal bytes
    entry.content.length,
    0, // device, major and minor
    0,
    0, // device that a special file stands for
    0,
    name.length,
    0, // checksum, unused in this variant
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [
    Buffer.from(header, "ascii"),
    name,
    padding(header.length + name.length),
    entry.content,
    padding(entry.content.length),
  ];
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
