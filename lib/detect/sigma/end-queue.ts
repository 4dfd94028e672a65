// SPDX-License-Identifier: Apache-2.0
// Things that end at some time, the soonest first: a binary heap whose items know their places, so
// that any can be taken out. Called by the correlator, which has one for its windows.

/** An item of the queue; it belongs to one queue at a time. */
export interface Ending {
  /** When it ends, as the queue knows it; only the queue's methods change it. */
  dueMs: number;
  place: number;
}

export class EndQueue<Item extends Ending> {
  readonly #items: Item[] = [];

  /** The item that is due first. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item, dueMs: number): void {
    item.dueMs = dueMs;
    item.place = this.#items.push(item) - 1;
    this.#up(item);
  }

  /** Gives the first item a later time. */
  postponeFirst(dueMs: number): void {
    const [item] = this.#items;
    if (item === undefined) return;
    item.dueMs = dueMs;
    this.#down(item);
  }

  remove(item: Item): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#put(last, item.place);
    this.#up(last);
    this.#down(last);
  }

  #put(item: Item, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }

  #up(item: Item): void {
    for (;;) {
      const place = (item.place - 1) >> 1;
      const parent = this.#items[place];
      if (item.place === 0 || parent === undefined || parent.dueMs <= item.dueMs) return;
      this.#put(parent, item.place);
      this.#put(item, place);
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const child =
        right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left;
      if (child === undefined || child.dueMs >= item.dueMs) return;
      const { place } = child;
      this.#put(child, item.place);
      this.#put(item, place);
    }
  }
}
