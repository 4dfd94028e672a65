// SPDX-License-Identifier: Apache-2.0
// Puts IP fragments together again. Called by the decoder for fragments only. Bytes that came
// first win; count, size and age of what waits are bounded, and what is given up is counted.

interface Waiting {
  readonly parts: Array<{ readonly offset: number; readonly bytes: Uint8Array }>;
  totalBytes: number;
  heldBytes: number;
  readonly firstMs: number;
}

const datagramsMax = 1024;
const partsMax = 256;
const heldBytesMax = 4 << 20;
const waitMsMax = 30_000;
const datagramBytesMax = 65_535;

/** Fragments of datagrams that are not complete yet. */
export class FragmentTable {
  readonly #waiting = new Map<string, Waiting>();
  #heldBytes = 0;
  /** Datagrams that were given up for age, size or number. */
  droppedCount = 0;

  /** Adds a fragment; returns the datagram's payload once it is complete. */
  add(
    key: string,
    timeMs: number,
    offset: number,
    isLast: boolean,
    part: Uint8Array,
  ): Uint8Array | undefined {
    if (offset + part.length > datagramBytesMax) {
      this.#drop(key);
      return undefined;
    }
    let entry = this.#waiting.get(key);
    if (entry !== undefined && Math.abs(timeMs - entry.firstMs) > waitMsMax) {
      this.#drop(key);
      entry = undefined;
    }
    if (entry === undefined) {
      entry = { parts: [], totalBytes: -1, heldBytes: 0, firstMs: timeMs };
      this.#waiting.set(key, entry);
    }
    if (entry.parts.length >= partsMax) {
      this.#drop(key);
      return undefined;
    }
    entry.parts.push({ offset, bytes: part.slice() });
    entry.heldBytes += part.length;
    this.#heldBytes += part.length;
    if (isLast && entry.totalBytes < 0) entry.totalBytes = offset + part.length;
    this.#shrink();
    // The sum is the cheap look; overlaps make it too optimistic.
    if (entry.totalBytes < 0 || entry.heldBytes < entry.totalBytes) return undefined;
    const whole = assemble(entry);
    if (whole !== undefined) this.#forget(key);
    return whole;
  }

  #shrink(): void {
    while (this.#waiting.size > datagramsMax || this.#heldBytes > heldBytesMax) {
      const [oldest] = this.#waiting.keys();
      if (oldest === undefined) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    if (this.#forget(key)) this.droppedCount += 1;
  }

  #forget(key: string): boolean {
    const entry = this.#waiting.get(key);
    if (entry === undefined) return false;
    this.#heldBytes -= entry.heldBytes;
    return this.#waiting.delete(key);
  }
}

function assemble(entry: Waiting): Uint8Array | undefined {
  const whole = new Uint8Array(entry.totalBytes);
  const filled = new Uint8Array(entry.totalBytes);
  let missing = entry.totalBytes;
  for (const { offset, bytes } of entry.parts) {
    const end = Math.min(bytes.length, entry.totalBytes - offset);
    for (let index = 0; index < end; index += 1) {
      if (filled[offset + index] !== 0) continue;
      filled[offset + index] = 1;
      whole[offset + index] = bytes[index] as number;
      missing -= 1;
    }
  }
  return missing === 0 ? whole : undefined;
}
