// SPDX-License-Identifier: Apache-2.0
// What a Windows driver's file must be before Windows would look at it (PE format, Microsoft):
// read from the bytes, so that nothing depends on a tool's opinion.

export interface PeSection {
  readonly name: string;
  readonly isExecutable: boolean;
  readonly isWritable: boolean;
}

export interface PeFile {
  readonly machine: number;
  readonly subsystem: number;
  readonly dllCharacteristics: number;
  readonly hasRelocations: boolean;
  readonly entryInCode: boolean;
  readonly checksum: number;
  readonly sections: readonly PeSection[];
  /** `module!function`, the module in lower case. */
  readonly imports: readonly string[];
}

const CODE = 0x2000_0000;
const WRITE = 0x8000_0000;

/** Reads a 64-bit PE file; throws where it is none. */
export function readPe(bytes: Buffer): PeFile {
  const pe = bytes.readUInt32LE(0x3c);
  if (bytes.toString("latin1", pe, pe + 4) !== "PE\0\0") throw new Error("no PE file");
  const optional = pe + 24;
  if (bytes.readUInt16LE(optional) !== 0x20b) throw new Error("no 64-bit PE file");
  const headers = Array.from({ length: bytes.readUInt16LE(pe + 6) }, (_, index) => {
    const at = optional + bytes.readUInt16LE(pe + 20) + 40 * index;
    return {
      name: bytes.toString("latin1", at, at + 8).replace(/\0+$/, ""),
      size: Math.max(bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 16)),
      address: bytes.readUInt32LE(at + 12),
      offset: bytes.readUInt32LE(at + 20),
      flags: bytes.readUInt32LE(at + 36),
    };
  });
  const place = (address: number): number => {
    const section = headers.find((s) => address >= s.address && address < s.address + s.size);
    if (section === undefined) throw new Error(`no section holds ${address}`);
    return section.offset + address - section.address;
  };
  const entry = bytes.readUInt32LE(optional + 16);
  const directory = (index: number): number => bytes.readUInt32LE(optional + 112 + 8 * index);
  return {
    machine: bytes.readUInt16LE(pe + 4),
    subsystem: bytes.readUInt16LE(optional + 68),
    dllCharacteristics: bytes.readUInt16LE(optional + 70),
    hasRelocations: directory(5) !== 0,
    entryInCode: headers.some(
      (s) => s.flags & CODE && entry >= s.address && entry < s.address + s.size,
    ),
    checksum: bytes.readUInt32LE(optional + 64),
    sections: headers.map(({ name, flags }) => ({
      name,
      isExecutable: (flags & CODE) !== 0,
      isWritable: (flags & WRITE) !== 0,
    })),
    imports: readImports(bytes, place(directory(1)), place),
  };
}

function readImports(bytes: Buffer, table: number, place: (address: number) => number): string[] {
  const text = (at: number): string => bytes.toString("latin1", at, bytes.indexOf(0, at));
  const imports: string[] = [];
  for (let at = table; bytes.readUInt32LE(at + 12) !== 0; at += 20) {
    const module = text(place(bytes.readUInt32LE(at + 12))).toLowerCase();
    let thunk = place(bytes.readUInt32LE(at));
    for (; bytes.readBigUInt64LE(thunk) !== 0n; thunk += 8) {
      const value = bytes.readBigUInt64LE(thunk);
      if (value >> 63n) throw new Error("an import by number");
      imports.push(`${module}!${text(place(Number(value)) + 2)}`);
    }
  }
  return imports;
}

/** Checksum of a PE file as the loader of drivers computes it (imagehlp's CheckSumMappedFile). */
export function peChecksum(bytes: Buffer): number {
  const at = bytes.readUInt32LE(0x3c) + 24 + 64;
  let sum = 0;
  for (let offset = 0; offset < bytes.length; offset += 2) {
    if (offset === at || offset === at + 2) continue;
    sum += offset + 1 < bytes.length ? bytes.readUInt16LE(offset) : (bytes[offset] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ((sum & 0xffff) + (sum >>> 16) + bytes.length) >>> 0;
}
