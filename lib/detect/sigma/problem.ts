// SPDX-License-Identifier: Apache-2.0
// What is wrong in a rule file, and where. Collected by every parser of this folder: a bad rule is
// a list of problems, never an exception, so that it hides none of the others.

/** An error keeps a rule from being loaded; a warning does not. */
export type ProblemSeverity = "error" | "warning";

/** One thing wrong in a rule file; line and column count from 1. */
export interface SigmaProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: ProblemSeverity;
  /** Title or id of the rule, where it has one. */
  readonly rule: string;
  readonly message: string;
}

/** A problem as one line of text: file:line:column: severity: message. */
export function problemLine(problem: SigmaProblem): string {
  const { file, line, column, severity, message, rule } = problem;
  return `${file}:${line}:${column}: ${severity}: ${message}${rule === "" ? "" : ` (${rule})`}`;
}
