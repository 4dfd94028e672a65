// SPDX-License-Identifier: Apache-2.0
// Where a search is written. What may stand at the cursor is proposed by the manager; arrows and
// Tab take it, Enter searches, Escape closes the list.
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { callApi } from "../api/call.ts";
import type { Completion } from "../api/results.ts";
import { useKeys } from "../state/keys.ts";
import { useShared } from "../state/use.tsx";

const WAIT_MS = 120;
const SHOWN_MAX = 10;

export function SearchBox(props: {
  value: string;
  onInput: (value: string) => void;
  onSearch: () => void;
}): JSX.Element {
  const { say } = useShared();
  const id = useId();
  const box = useRef<HTMLInputElement>(null);
  const { value, onInput, onSearch } = props;
  const { items, completion, chosen, choose, ask, close } = useCompletion();
  useKeys([{ keys: "/", word: "keys.search", run: () => box.current?.focus() }]);
  const take = (text: string): void => {
    if (completion === undefined) return;
    onInput(`${value.slice(0, completion.from)}${text}${value.slice(completion.to)}`);
    close();
    const at = completion.from + text.length;
    // After the text stands in the box.
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(at, at);
    });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const item = items[chosen];
    if (event.key === "Enter" && !event.shiftKey && item === undefined) {
      close();
      onSearch();
    } else if (items.length === 0) return;
    else if (event.key === "ArrowDown") choose((chosen + 1) % items.length);
    else if (event.key === "ArrowUp") choose(((chosen + items.length) % (items.length + 1)) - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Tab" && items[0] !== undefined) take((item ?? items[0]).text);
    else if (event.key === "Enter" && item !== undefined) take(item.text);
    else return;
    event.preventDefault();
  };
  return (
    <div class="search-box">
      <input
        ref={box}
        class="code"
        type="text"
        maxLength={10_000}
        spellcheck={false}
        role="combobox"
        aria-label={say("hunt.search")}
        aria-expanded={items.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
        placeholder={say("hunt.placeholder")}
        value={value}
        onInput={(event) => {
          onInput(event.currentTarget.value);
          ask(event.currentTarget.value, event.currentTarget.selectionStart ?? 0);
        }}
        onKeyDown={onKeyDown}
        onBlur={close}
      />
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label={say("hunt.search")}
        hidden={items.length === 0}
      >
        {items.map(({ text, kind, about }, at) => (
          <div
            key={text}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === chosen}
            // Before the box loses the focus.
            onMouseDown={(event) => {
              event.preventDefault();
              take(text);
            }}
          >
            <code>{text}</code>
            <span class="hint">{about === "" ? kind : about}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

function useCompletion(): {
  readonly completion: Completion | undefined;
  readonly items: Completion["items"];
  readonly chosen: number;
  readonly choose: (at: number) => void;
  readonly ask: (query: string, at: number) => void;
  readonly close: () => void;
} {
  const [completion, setCompletion] = useState<Completion | undefined>(undefined);
  const [chosen, choose] = useState(-1);
  const waiting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const run = useRef(0);
  useEffect(() => () => clearTimeout(waiting.current), []);
  const close = (): void => {
    clearTimeout(waiting.current);
    run.current += 1;
    setCompletion(undefined);
    choose(-1);
  };
  const ask = (query: string, at: number): void => {
    close();
    const own = run.current;
    waiting.current = setTimeout(() => {
      callApi("completeSearch", { body: { query, at } }).then(
        (found) => {
          if (own === run.current) setCompletion(found);
        },
        // A search can be written without proposals.
        () => {},
      );
    }, WAIT_MS);
  };
  const items = completion?.items.slice(0, SHOWN_MAX) ?? [];
  return { completion, items, chosen, choose, ask, close };
}
