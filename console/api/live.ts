// SPDX-License-Identifier: Apache-2.0
// The manager's live updates: one stream for all pages. After a break it connects again by
// itself, and whoever listens is told to read its lists anew.
import type { LiveUpdate } from "../../lib/model/model.ts";
import { addressOf } from "./call.ts";

export type LiveState = "connecting" | "live";

export interface LiveListener {
  readonly onUpdate?: (update: LiveUpdate) => void;
  /** Updates were missed: what is shown must be read again. */
  readonly onGap?: () => void;
  readonly onState?: (state: LiveState) => void;
}

/** A browser retries a broken stream by itself, but not one that was refused. */
const RETRY_MS = 3000;

/** See the head of this file. */
export class Live {
  #state: LiveState = "connecting";
  #wasLive = false;
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<LiveListener>();

  open(): void {
    const source = new EventSource(addressOf("liveUpdates"));
    this.#source = source;
    source.onopen = () => this.#opened();
    source.onerror = () => {
      this.#turn("connecting");
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.open(), RETRY_MS);
    };
    source.onmessage = ({ data }) => {
      const update = JSON.parse(String(data)) as LiveUpdate;
      for (const { onUpdate } of this.#listeners) onUpdate?.(update);
    };
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Returns what ends the listening. */
  listen(listener: LiveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#listeners.clear();
  }

  #opened(): void {
    if (this.#wasLive) for (const { onGap } of this.#listeners) onGap?.();
    this.#wasLive = true;
    this.#turn("live");
  }

  #turn(state: LiveState): void {
    this.#state = state;
    for (const { onState } of this.#listeners) onState?.(state);
  }
}
