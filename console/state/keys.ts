// SPDX-License-Identifier: Apache-2.0
// Shortcuts: what is bound now, found by the keys that were pressed. The list under "?" is made of
// the same table, so that it cannot say anything else.
import { useEffect, useRef } from "preact/hooks";
import type { PlainKey } from "../words/words.ts";

export interface KeyBinding {
  /** One key, or two after each other: "g o". */
  readonly keys: string;
  readonly word: PlainKey;
  readonly run: () => void;
  readonly isEverywhere?: boolean;
}

const PAIR_MS = 1200;

/** All shortcuts that hold now. */
export class Keys {
  isOn = true;
  readonly #tables = new Set<{ readonly current: readonly KeyBinding[] }>();
  #first = "";
  #firstMs = 0;

  add(table: { readonly current: readonly KeyBinding[] }): () => void {
    this.#tables.add(table);
    return () => this.#tables.delete(table);
  }

  get bindings(): readonly KeyBinding[] {
    return [...this.#tables].flatMap(({ current }) => current);
  }

  /** Runs what the key is bound to. True where it was. */
  press(key: string, nowMs: number): boolean {
    const pair = nowMs - this.#firstMs < PAIR_MS ? `${this.#first} ${key}` : key;
    // Who binds last, the page, goes before who binds first, the shell.
    const all = [...this.bindings].reverse();
    const found = all.find(({ keys }) => keys === pair) ?? all.find(({ keys }) => keys === key);
    this.#first = found === undefined ? key : "";
    this.#firstMs = nowMs;
    found?.run();
    return found !== undefined;
  }
}

export const keys: Keys = new Keys();

/** Listens for the whole console; called once. */
export function listenToKeys(): () => void {
  const listener = (event: KeyboardEvent): void => {
    const { target, key } = event;
    if (!keys.isOn || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented)
      return;
    if (key.length !== 1 || isTypedInto(target) || document.querySelector("dialog[open]")) return;
    if (keys.press(key, event.timeStamp)) event.preventDefault();
  };
  addEventListener("keydown", listener);
  return () => removeEventListener("keydown", listener);
}

function isTypedInto(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]")
  );
}

/** Binds keys while the component is shown. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  const table = useRef(bindings);
  table.current = bindings;
  useEffect(() => keys.add(table), []);
}
