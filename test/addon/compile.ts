// SPDX-License-Identifier: Apache-2.0
// Compiles the C programs of this folder with gcc into build/test-addon.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = `${ROOT}build/test-addon`;

/** Path of the program made of these sources, which are named from the repository's root. */
export function compile(
  name: string,
  sources: readonly string[],
  flags: readonly string[] = [],
): string {
  mkdirSync(BUILD, { recursive: true });
  const program = `${BUILD}/${name}`;
  const includes = ["core", "core/port-user", "wire"].map(
    (part) => `-I${ROOT}guest-drivers/${part}`,
  );
  const result = spawnSync(
    "gcc",
    [
      ...["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", ...flags, ...includes],
      ...sources.map((source) => ROOT + source),
      ...["-o", program, "-lpthread"],
    ],
    { encoding: "utf8" },
  );
  if (result.status !== 0) throw new Error(`gcc: ${result.error?.message ?? result.stderr}`);
  return program;
}
