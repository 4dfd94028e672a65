// SPDX-License-Identifier: Apache-2.0
// JSON for programs that read our output: 64-bit numbers become decimal texts, since most readers
// would round them. Called by the commands with --json.

/** One line of JSON. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? part.toString() : part,
  );
}
