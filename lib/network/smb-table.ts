// SPDX-License-Identifier: Apache-2.0
// A table of what an SMB connection has open, with a limit: the oldest makes room. Used by
// smb-session.ts. What it keeps is told to the limit over all flows.
import type { MemoryLedger } from "./bytes.ts";

/** What an entry costs beside its texts. */
const entryBytes = 400;

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** Entries by key, in the order they were last put. */
export class SmbTable<Value> {
  readonly #ledger: MemoryLedger;
  readonly #entriesMax: number;
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(ledger: MemoryLedger, entriesMax: number) {
    this.#ledger = ledger;
    this.#entriesMax = entriesMax;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Puts an entry with texts of so many characters, and returns the one that had to go. */
  put(key: string, value: Value, characters: number): Value | undefined {
    this.take(key);
    const bytes = entryBytes + 2 * (key.length + characters);
    this.#entries.set(key, { value, bytes });
    this.#ledger.hold(bytes);
    if (this.#entries.size <= this.#entriesMax) return undefined;
    const [oldest] = this.#entries.keys();
    return oldest === undefined ? undefined : this.take(oldest);
  }

  /** Removes an entry and returns it. */
  take(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#ledger.hold(-entry.bytes);
    return entry.value;
  }

  *values(): Iterable<Value> {
    for (const { value } of this.#entries.values()) yield value;
  }

  /** Removes all entries and returns them, oldest first. */
  takeAll(): Array<readonly [key: string, value: Value]> {
    const all = [...this.#entries].map(([key, { value }]) => [key, value] as const);
    for (const [key] of all) this.take(key);
    return all;
  }
}
