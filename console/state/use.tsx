// SPDX-License-Identifier: Apache-2.0
// The hooks of the console: words, desk, loading, keys. Components use these; nothing here draws.
import { type Context, createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import type { LiveUpdate } from "../../lib/model/model.ts";
import { ApiFailure } from "../api/call.ts";
import { type Format, formatIn } from "../format.ts";
import { type Place, parsePlace } from "../place.ts";
import { type Say, sayIn } from "../words/words.ts";
import type { Collection } from "./collection.ts";
import type { Desk } from "./desk.ts";
import type { Preferences } from "./preferences.ts";

export interface Note {
  readonly id: number;
  readonly text: string;
  readonly isBad: boolean;
}

/** What every component may need. */
export interface Shared {
  readonly say: Say;
  readonly format: Format;
  readonly preferences: Preferences;
  readonly prefer: (change: Partial<Preferences>) => void;
  /** Tells the user something that passes by. */
  readonly tell: (text: string, isBad?: boolean) => void;
}

export const SharedContext: Context<Shared | undefined> = createContext<Shared | undefined>(
  undefined,
);
export const DeskContext: Context<Desk | undefined> = createContext<Desk | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === undefined) throw new TypeError("no shared context");
  return shared;
}

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new TypeError("nobody is signed in");
  return desk;
}

/** Words and figures for the language of the page. */
export function useLanguage({ language }: Preferences): { say: Say; format: Format } {
  const [made, setMade] = useState(() => ({ language, ...makeLanguage(language) }));
  if (made.language === language) return made;
  const next = { language, ...makeLanguage(language) };
  setMade(next);
  return next;
}

function makeLanguage(language: Preferences["language"]): { say: Say; format: Format } {
  return { say: sayIn(language), format: formatIn(language) };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash));
  useEffect(() => {
    const listener = (): void => setPlace(parsePlace(location.hash));
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, []);
  return place;
}

/** Draws again when the collection changed. */
export function useCollection<T>(collection: Collection<T>): Collection<T> {
  const [, turn] = useState(0);
  useEffect(() => collection.listen(() => turn((count) => count + 1)), [collection]);
  return collection;
}

export type Loaded<T> =
  | { readonly state: "loading"; readonly value?: undefined; readonly error?: undefined }
  | { readonly state: "ready"; readonly value: T; readonly error?: unknown }
  | { readonly state: "failed"; readonly error: unknown; readonly value?: undefined };

/**
 * Loads when `key` changes and when told to; what is shown stays while it is loaded again, and
 * also where that fails.
 */
export function useLoad<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
): readonly [Loaded<T>, again: () => void, put: (value: T) => void] {
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly key: string }>({
    ...{ state: "loading", key },
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    const settle = (next: (before: Loaded<T>) => Loaded<T>): void => {
      if (!abort.signal.aborted) setLoaded((before) => ({ ...next(before), key }));
    };
    latest.current(abort.signal).then(
      (value) => settle(() => ({ state: "ready", value })),
      (error: unknown) =>
        settle((before) =>
          before.state === "ready" && turn > 0 ? { ...before, error } : { state: "failed", error },
        ),
    );
    return () => abort.abort();
  }, [key, turn]);
  const again = useCallback(() => setTurn((count) => count + 1), []);
  const put = useCallback((value: T) => setLoaded({ state: "ready", value, key }), [key]);
  return [loaded.key === key ? loaded : { state: "loading" }, again, put];
}

/** Calls `listener` for each live update and after each gap, as it is at that time. */
export function useUpdates(
  listener: (update: LiveUpdate) => void,
  onGap: () => void = () => {},
): void {
  const { live } = useDesk();
  const latest = useRef({ listener, onGap });
  latest.current = { listener, onGap };
  useEffect(() => {
    return live.listen({
      onUpdate: (update) => latest.current.listener(update),
      onGap: () => latest.current.onGap(),
    });
  }, [live]);
}

/** Calls again and again while the page is seen. */
export function useEvery(ms: number, work: () => void): void {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) latest.current();
    }, ms);
    return () => clearInterval(timer);
  }, [ms]);
}

/** What a failure is in words. */
export function failureText(say: Say, error: unknown): string {
  if (!(error instanceof ApiFailure)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return say("load.unreached");
  const place = error.place === undefined ? "" : ` (${error.place})`;
  const code = error.code === "" ? "" : ` [${error.code}]`;
  return `${error.message}${place}${code}`;
}
