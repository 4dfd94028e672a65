// SPDX-License-Identifier: Apache-2.0
// Big-endian reads and text from packet bytes, for all parsers of this room. A read outside the
// bytes gives zeroes, never an exception; parsers compare lengths before they trust a value.

/** 16 bits, big endian. */
export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** 24 bits, big endian. */
export function u24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | u16(bytes, at + 1);
}

/** 32 bits, big endian, as an unsigned number. */
export function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}

/** Bytes as text, one character a byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  const stop = Math.min(end, bytes.length);
  for (let at = start; at < stop; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(stop, at + 4096)));
  }
  return text;
}

/** Lower-case hex of [start, end). */
export function hexOf(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  for (let at = start; at < end; at += 1) text += hexPairs[bytes[at] as number];
  return text;
}

/** A MAC address in the usual notation. */
export function macText(bytes: Uint8Array, at: number): string {
  const parts: string[] = [];
  for (let index = 0; index < 6; index += 1) parts.push(hexPairs[bytes[at + index] ?? 0] as string);
  return parts.join(":");
}

/** An IPv4 address of four bytes. */
export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** An IPv6 address of sixteen bytes, in its canonical short form. */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && u16(bytes, at + 2 * (start + length)) === 0) length += 1;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  if ((bestStart === 0 && bestLength === 5 && u16(bytes, at + 10) === 0xffff) || bestLength === 6) {
    if (bestStart === 0 && u16(bytes, at + 12) !== 0) {
      return `${bestLength === 5 ? "::ffff:" : "::"}${ipv4Text(bytes, at + 12)}`;
    }
  }
  let text = "";
  for (let group = 0; group < 8; group += 1) {
    if (group === bestStart) {
      text += "::";
      group += bestLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += u16(bytes, at + 2 * group).toString(16);
  }
  return text;
}

/** Told what a parser keeps, for the limit over all flows. */
export interface MemoryLedger {
  /** Bytes that are kept from now on; negative: given back. */
  hold(bytes: number): void;
}

/** A growing store of bytes with a limit; what does not fit is refused as a whole. */
export class ByteStore {
  bytes: Uint8Array = new Uint8Array(0);
  length = 0;
  readonly #bytesMax: number;
  readonly #ledger: MemoryLedger;

  constructor(bytesMax: number, ledger: MemoryLedger) {
    this.#bytesMax = bytesMax;
    this.#ledger = ledger;
  }

  /** Adds [start, end); false when the limit forbids it. */
  append(source: Uint8Array, start: number, end: number): boolean {
    const wanted = this.length + end - start;
    if (wanted > this.#bytesMax) return false;
    if (wanted > this.bytes.length) {
      const grown = new Uint8Array(
        Math.min(this.#bytesMax, Math.max(wanted, 2 * this.length, 256)),
      );
      grown.set(this.bytes.subarray(0, this.length));
      this.#ledger.hold(grown.length - this.bytes.length);
      this.bytes = grown;
    }
    this.bytes.set(source.subarray(start, end), this.length);
    this.length = wanted;
    return true;
  }

  /** Drops the first bytes. */
  consume(count: number): void {
    if (count === 0) return;
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
    if (this.length > 0) return;
    this.#ledger.hold(-this.bytes.length);
    this.bytes = new Uint8Array(0);
  }
}

const hexPairs: readonly string[] = Array.from({ length: 256 }, (_, value) =>
  value.toString(16).padStart(2, "0"),
);
