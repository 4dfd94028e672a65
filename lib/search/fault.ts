// SPDX-License-Identifier: Apache-2.0
// How a search is refused: what is wrong, at which character, and what may have been meant.
import { UndercroftError } from "../errors/errors.ts";

/**
 * The error of a search that is not valid. `detail.at` counts UTF-16 units from 0; the message
 * counts from 1. `detail.suggestion` replaces the word at that place, where one is known.
 */
export function searchFault(what: string, at: number, suggestion?: string): UndercroftError {
  const hint = suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
  return new UndercroftError(
    "ERR_UC_SEARCH",
    `search, character ${at + 1}: ${what}${hint}`,
    suggestion === undefined ? { at } : { at, suggestion },
  );
}

/** A user's word in a message: bounded. */
export function quoted(word: string): string {
  return `"${word.length > 40 ? `${word.slice(0, 40)}...` : word}"`;
}
