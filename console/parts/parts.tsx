// SPDX-License-Identifier: Apache-2.0
// The small parts that pages are made of: texts of guests, times, badges, panels, states of lists.
import type { ComponentChildren, JSX } from "preact";
import { utcText } from "../format.ts";
import { failureText, type Loaded, useShared } from "../state/use.tsx";
import { visibleParts, visibleText } from "../text.ts";
import { type PlainKey, sayKind } from "../words/words.ts";

/** A text that a guest, a file or a stranger made: never markup, nothing in it unseen. */
export function GuestText({ text, max = 2000 }: { text: string; max?: number }): JSX.Element {
  const parts = visibleParts(text, max);
  if (parts.length === 1 && parts[0]?.isMark === false) return <bdi>{parts[0].text}</bdi>;
  return (
    <bdi>
      {parts.map(({ text: part, isMark }) => (isMark ? <span class="unseen">{part}</span> : part))}
    </bdi>
  );
}

/** The same on one line, cut by its cell; the whole of it as a hint. */
export function Cut({ text, class: name = "" }: { text: string; class?: string }): JSX.Element {
  return (
    <span class={`cut ${name}`} title={visibleText(text, 1000)}>
      <GuestText text={text} max={400} />
    </span>
  );
}

export function Time({ ms }: { ms: number }): JSX.Element {
  const { format } = useShared();
  return (
    <time dateTime={utcText(ms)} title={utcText(ms)}>
      {format.time(ms)}
    </time>
  );
}

/** A state in a word and a sign; the colour only repeats it. */
export function Badge({ family, value }: { family: string; value: string }): JSX.Element {
  const { say } = useShared();
  return (
    <span class={`badge ${family}-${value}`}>
      <span class="sign" aria-hidden="true" />
      {sayKind(say, family, value)}
    </span>
  );
}

export function Panel(props: {
  title: string;
  hint?: string;
  class?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={`panel ${props.class ?? ""}`}>
      <header>
        <h2>{props.title}</h2>
        {props.hint !== undefined && <p class="hint">{props.hint}</p>}
        {props.aside !== undefined && <div class="aside">{props.aside}</div>}
      </header>
      <div class="body">{props.children}</div>
    </section>
  );
}

/** Nothing is there: says so, and what makes something come. */
export function Empty({ title, hint }: { title: string; hint: string }): JSX.Element {
  return (
    <div class="empty">
      <p>{title}</p>
      <p class="hint">{hint}</p>
    </div>
  );
}

export function Failed({ error, again }: { error: unknown; again: () => void }): JSX.Element {
  const { say } = useShared();
  return (
    <div class="empty failed" role="alert">
      <p>{say("load.failed")}</p>
      <p class="hint">
        <GuestText text={failureText(say, error)} />
      </p>
      <button type="button" onClick={again}>
        {say("load.again")}
      </button>
    </div>
  );
}

export function Loading(): JSX.Element {
  const { say } = useShared();
  return (
    <div class="empty" role="status">
      <p class="hint loading">{say("load.loading")}</p>
    </div>
  );
}

/** Shows what was loaded, or why it was not. */
export function Show<T>(props: {
  loaded: Loaded<T>;
  again: () => void;
  children: (value: T) => ComponentChildren;
}): JSX.Element {
  const { loaded, again, children } = props;
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed error={loaded.error} again={again} />;
  return (
    <>
      {loaded.error !== undefined && <Failed error={loaded.error} again={again} />}
      {children(loaded.value)}
    </>
  );
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly count?: number;
}

/** One of some, as buttons that stay pressed. */
export function Chips(props: {
  label: string;
  choices: readonly Choice[];
  value: string;
  onChoose: (value: string) => void;
}): JSX.Element {
  const { format } = useShared();
  return (
    <fieldset class="chips">
      <legend class="unseen-label">{props.label}</legend>
      {props.choices.map(({ value, label, count }) => (
        <button
          type="button"
          key={value}
          aria-pressed={value === props.value}
          onClick={() => props.onChoose(value)}
        >
          {label}
          {count !== undefined && <span class="number">{format.short(count)}</span>}
        </button>
      ))}
    </fieldset>
  );
}

/** Names and values, side by side. */
export function Facts(props: {
  facts: ReadonlyArray<readonly [word: PlainKey, value: ComponentChildren]>;
}): JSX.Element {
  const { say } = useShared();
  return (
    <dl class="facts">
      {props.facts.map(([word, value]) => (
        <div key={word}>
          <dt>{say(word)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
