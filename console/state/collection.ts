// SPDX-License-Identifier: Apache-2.0
// A list of the manager that pages keep whole: read page by page, then kept by live updates. It
// tells its listeners at most ten times a second, however many updates come.
import type { ApiPage } from "../../lib/model/model.ts";

export type CollectionState = "loading" | "ready" | "failed";

const TELL_MS = 100;

export interface CollectionOptions<T> {
  readonly keyOf: (item: T) => string;
  readonly read: (cursor: string | undefined) => Promise<ApiPage<T>>;
  /** No more than this many are kept; the manager lists what matters first. */
  readonly max: number;
}

/** See the head of this file. */
export class Collection<T> {
  #state: CollectionState = "loading";
  #error: unknown;
  #total = 0;
  #run = 0;
  #items = new Map<string, T>();
  #list: readonly T[] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #options: CollectionOptions<T>;

  constructor(options: CollectionOptions<T>) {
    this.#options = options;
  }

  get state(): CollectionState {
    return this.#state;
  }

  get error(): unknown {
    return this.#error;
  }

  /** How many the manager has; `items` may be fewer while they are read. */
  get total(): number {
    return Math.max(this.#total, this.#items.size);
  }

  /** The same array as long as nothing changed. */
  get items(): readonly T[] {
    this.#list ??= [...this.#items.values()];
    return this.#list;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  /** Reads all pages anew; what is shown stays until its successor is there. */
  async load(): Promise<void> {
    this.#run += 1;
    const run = this.#run;
    const seen = new Set<string>();
    if (this.#state === "failed") this.#turn("loading");
    try {
      let cursor: string | undefined;
      do {
        const { items, next, total } = await this.#options.read(cursor);
        if (run !== this.#run) return;
        this.#total = total;
        for (const item of items) {
          seen.add(this.#options.keyOf(item));
          this.put(item);
        }
        cursor = seen.size < this.#options.max ? next : undefined;
      } while (cursor !== undefined);
      for (const key of [...this.#items.keys()]) if (!seen.has(key)) this.#items.delete(key);
      this.#turn("ready");
    } catch (error) {
      if (run !== this.#run) return;
      this.#error = error;
      this.#turn("failed");
    }
  }

  put(item: T): void {
    const key = this.#options.keyOf(item);
    if (!this.#items.has(key) && this.#items.size >= this.#options.max) return;
    this.#items.set(key, item);
    this.#changed();
  }

  drop(key: string): void {
    if (this.#items.delete(key)) this.#changed();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#run += 1;
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  #turn(state: CollectionState): void {
    this.#state = state;
    this.#changed();
  }

  #changed(): void {
    this.#list = undefined;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const listener of this.#listeners) listener();
    }, TELL_MS);
  }
}
