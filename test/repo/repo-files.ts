// SPDX-License-Identifier: Apache-2.0
// Lists and reads the repository's own text files for the repo tests: what git tracks, and what
// it would track. Must see at least the files every clone has, or the tests would prove nothing.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RepoFile } from "./tidy.ts";

/** The repository's root folder. */
export const root: string = dirname(dirname(import.meta.dirname));

/** Every text file of the working tree that is not ignored. */
export function repoFiles(): RepoFile[] {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
  });
  const files = [...new Set(listed.split("\0"))]
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => ({ path, text: readRepoFile(path) }))
    .filter(({ text }) => !text.includes("\0"));
  if (!files.some(({ path }) => path === "package.json")) throw new Error("git listed no file");
  return files;
}

/** The text of one file of the repository. */
export function readRepoFile(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
