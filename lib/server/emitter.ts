// SPDX-License-Identifier: Apache-2.0
// A typed list of listeners by event name. Used by the server; a listener that throws is a bug of
// its owner and is not caught here.

export type Listener<T> = (value: T) => void;

/** Calls listeners in the order in which they came. */
export class Emitter<Events extends object> {
  readonly #listeners: { [Name in keyof Events]?: Array<Listener<Events[Name]>> } = {};

  /** Adds a listener; the returned function removes it. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners[name] ?? [];
    this.#listeners[name] = [...listeners, listener];
    return () => {
      this.#listeners[name] = this.#listeners[name]?.filter((one) => one !== listener) ?? [];
    };
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    const listeners = this.#listeners[name];
    if (listeners === undefined) return;
    for (const listener of listeners) listener(value);
  }
}
