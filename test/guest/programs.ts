// SPDX-License-Identifier: Apache-2.0
// Programs for guests: static C ones that guest cases use, where a warning is an error and equal
// source is compiled once; and the libraries that programs of this machine load.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  cacheDirectory,
  cachedDirectory,
  type GuestFile,
  runProgram,
} from "../../lib/hypervisor/hypervisor.ts";

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

/**
 * The loader and the libraries of some programs, as this machine would resolve them.
 * first: folders in which libraries are looked for before all others.
 */
export function librariesOf(
  programs: readonly string[],
  first: readonly string[] = [],
): GuestFile[] {
  const env = { ...process.env, LD_LIBRARY_PATH: first.join(":") };
  const files = new Map<string, GuestFile>();
  for (const program of programs) {
    const text = execFileSync("ldd", [program], { encoding: "utf8", env });
    for (const [, name = "", file = ""] of text.matchAll(/^\s+(\S+)(?: => (\/\S+))? \(/gm)) {
      if (name.startsWith("linux-vdso")) continue;
      const isLoader = name.startsWith("/");
      const path = isLoader ? name : `/lib/x86_64-linux-gnu/${name}`;
      files.set(path, { path, source: { file: isLoader ? name : file }, mode: 0o755 });
    }
  }
  return [...files.values()];
}
