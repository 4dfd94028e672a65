// SPDX-License-Identifier: Apache-2.0
// The filter of a list: "/" goes to it, Escape empties and leaves it.
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { useKeys } from "../state/keys.ts";

export function FilterBox(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hasKey?: boolean;
}): JSX.Element {
  const box = useRef<HTMLInputElement>(null);
  const { label, value, onInput, hasKey = true } = props;
  useKeys(hasKey ? [{ keys: "/", word: "keys.filter", run: () => box.current?.focus() }] : []);
  return (
    <input
      ref={box}
      class="filter"
      type="search"
      maxLength={200}
      aria-label={label}
      placeholder={label}
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        onInput("");
        event.currentTarget.blur();
      }}
    />
  );
}
