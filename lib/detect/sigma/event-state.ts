// SPDX-License-Identifier: Apache-2.0
// What is known of the event at hand: triggers seen, values fetched, leaves answered. One object
// for all events; a count of events tells what is of this one, so that nothing has to be cleared.
import type { ScanHits } from "./automaton.ts";
import type { SigmaEvent, SigmaValue } from "./event.ts";
import { foldText } from "./fold.ts";

/** Events until the counts begin anew; twice this must stay a small integer. */
const EPOCHS_MAX = 2 ** 29;

export class EventState implements ScanHits {
  epoch = 0;
  /** Triggers seen, in order. */
  readonly ids: Int32Array;
  count = 0;
  /** By trigger: the epoch it was last seen in. */
  readonly stamps: Int32Array;
  /** By leaf: twice the epoch of the last answer, plus 1 for yes. */
  readonly answers: Int32Array;
  /** By rule: the epoch it was last looked at in. */
  readonly asked: Int32Array;
  #event: SigmaEvent | undefined;
  readonly #fields: readonly string[];
  readonly #values: SigmaValue[];
  readonly #valueEpochs: Int32Array;
  readonly #folded: string[];
  readonly #foldedEpochs: Int32Array;

  constructor(fields: readonly string[], triggers: number, leaves: number, rules: number) {
    this.ids = new Int32Array(triggers);
    this.stamps = new Int32Array(triggers);
    this.answers = new Int32Array(leaves);
    this.asked = new Int32Array(rules);
    this.#fields = fields;
    this.#values = new Array<SigmaValue>(fields.length).fill(undefined);
    this.#valueEpochs = new Int32Array(fields.length);
    this.#folded = new Array<string>(fields.length).fill("");
    this.#foldedEpochs = new Int32Array(fields.length);
  }

  begin(event: SigmaEvent): void {
    this.#event = event;
    this.count = 0;
    this.epoch += 1;
    if (this.epoch < EPOCHS_MAX) return;
    this.epoch = 1;
    for (const table of [this.stamps, this.answers, this.asked]) table.fill(0);
    for (const table of [this.#valueEpochs, this.#foldedEpochs]) table.fill(0);
  }

  /** Lets go of the event and of what was fetched from it. */
  end(): void {
    this.#event = undefined;
  }

  get event(): SigmaEvent {
    if (this.#event === undefined) throw new Error("no event at hand");
    return this.#event;
  }

  /** The value of a field by its number. */
  value(field: number): SigmaValue {
    if (this.#valueEpochs[field] === this.epoch) return this.#values[field];
    const value = this.event.get(this.#fields[field] ?? "");
    this.#values[field] = value;
    this.#valueEpochs[field] = this.epoch;
    return value;
  }

  /** A field's text without case; the field must hold a text. */
  folded(field: number, text: string): string {
    if (this.#foldedEpochs[field] === this.epoch) return this.#folded[field] ?? "";
    const folded = foldText(text);
    this.#folded[field] = folded;
    this.#foldedEpochs[field] = this.epoch;
    return folded;
  }
}
