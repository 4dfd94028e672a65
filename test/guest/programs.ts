// SPDX-License-Identifier: Apache-2.0
// Compiles the static C programs that guest cases use. Called by the harness only; a warning is an
// error, and equal source is compiled once.
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cacheDirectory, cachedDirectory, runProgram } from "../../lib/hypervisor/hypervisor.ts";

const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"];

/** Compiles one C file and returns the path of the program, which has the file's name. */
export async function compileProgram(source: string): Promise<string> {
  const name = basename(source, ".c");
  const hash = createHash("sha256")
    .update(flags.join(" "))
    .update(await readFile(source));
  const programs = join(cacheDirectory(), "programs");
  await mkdir(programs, { recursive: true });
  const key = `${name}-${hash.digest("hex").slice(0, 16)}`;
  const directory = await cachedDirectory(join(programs, key), async (draft) => {
    const args = [...flags, "-o", join(draft, name), source];
    const hint = "install a C compiler: apt install gcc libc6-dev";
    const result = await runProgram("gcc", args, { timeoutMs: 120_000, hint });
    if (result.status !== 0) throw new Error(`${source} does not compile:\n${result.output}`);
  });
  return join(directory, name);
}
