// SPDX-License-Identifier: Apache-2.0
// Things in the order in which they were last touched. A Map could do it by deleting and setting
// again, but finding its first entry then walks over all that was deleted. Called by the
// correlator, whose longest untouched groups make room.

/** An item of the list; it belongs to one list at a time. */
export interface Touched<Item> {
  older: Item | undefined;
  newer: Item | undefined;
}

export class TouchList<Item extends Touched<Item>> {
  #oldest: Item | undefined;
  #newest: Item | undefined;

  /** The item that was not touched for longest. */
  get oldest(): Item | undefined {
    return this.#oldest;
  }

  /** Puts an item, which must not be in the list, to its newest end. */
  add(item: Item): void {
    item.older = this.#newest;
    item.newer = undefined;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  remove(item: Item): void {
    const { older, newer } = item;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    item.older = undefined;
    item.newer = undefined;
  }

  touch(item: Item): void {
    if (item === this.#newest) return;
    this.remove(item);
    this.add(item);
  }
}
