// SPDX-License-Identifier: Apache-2.0
// What all importers of indicators share: chunks of bytes in, indicators out, and every entry that
// is none told with its place while the others still load. Memory is bounded whatever comes in.
import type { Indicator } from "../../model/model.ts";

/** An entry that could not be used, and why. */
export interface ImportProblem {
  readonly source: string;
  /** `line 3`, or the JSON path of the entry such as `$.objects[3]`. */
  readonly place: string;
  readonly reason: string;
}

/** Where an importer puts what it reads. */
export interface ImportSink {
  indicator(indicator: Indicator): void;
  /** The source says that this id is revoked or deleted. */
  removed(id: string): void;
  problem(problem: ImportProblem): void;
  /** Something that is well made but is no indicator for us; `what` repeats and can be counted. */
  skipped(what: string): void;
}

/** Reads one file or answer. */
export interface Importer {
  push(chunk: Uint8Array): void;
  /** The input is complete. */
  end(): void;
}

/** Problems kept with their text; all are counted. */
const PROBLEMS_MAX = 100;
const SKIPPED_MAX = 1000;

/** Counts what an import gave, and hands the indicators on. */
export class ImportReport implements ImportSink {
  readonly #take: (indicator: Indicator) => void;
  readonly #drop: (id: string) => void;
  indicators = 0;
  removals = 0;
  /** The first problems. */
  readonly problems: ImportProblem[] = [];
  problemCount = 0;
  /** What was left out by intent, with how many. */
  readonly skips: Map<string, number> = new Map();

  constructor(take: (indicator: Indicator) => void, drop: (id: string) => void = () => {}) {
    this.#take = take;
    this.#drop = drop;
  }

  indicator(indicator: Indicator): void {
    this.indicators++;
    this.#take(indicator);
  }

  removed(id: string): void {
    this.removals++;
    this.#drop(id);
  }

  problem(problem: ImportProblem): void {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  }

  skipped(what: string): void {
    const isRoom = this.skips.size < SKIPPED_MAX || this.skips.has(what);
    const name = isRoom ? what : "other";
    this.skips.set(name, (this.skips.get(name) ?? 0) + 1);
  }
}
