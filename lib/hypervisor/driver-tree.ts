// SPDX-License-Identifier: Apache-2.0
// Finds the sources of the guest drivers and names their state by a digest, so that what is built
// of them can be kept. Called by the builds of this room.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { isReadable } from "./cache.ts";

/** The sources that one build needs. */
export interface DriverTree {
  readonly root: string;
  /** Paths below root, sorted. */
  readonly sources: readonly string[];
  /** Changes with any source. */
  readonly digest: string;
}

const sourceNames = /(\.[chS]|\/Kbuild|\/Makefile)$/;

/**
 * Reads the sources in some folders of a guest-drivers tree, by default of this package's own.
 * @throws UndercroftError ERR_UC_DRIVER_BUILD
 */
export async function readDriverTree(
  folders: readonly string[],
  tree?: string,
): Promise<DriverTree> {
  const root = tree ?? (await findDriverTree());
  const paths = await readdir(root, { recursive: true });
  const isSource = (path: string): boolean =>
    folders.includes(path.split("/")[0] ?? "") && sourceNames.test(path);
  const sources = paths.filter(isSource).sort();
  const hash = createHash("sha256");
  for (const source of sources) {
    hash.update(`\0${source}\0`).update(await readFile(join(root, source)));
  }
  return { root, sources, digest: hash.digest("hex").slice(0, 16) };
}

async function findDriverTree(): Promise<string> {
  for (let path = import.meta.dirname; path !== dirname(path); path = dirname(path)) {
    const tree = join(path, "guest-drivers");
    if (await isReadable(join(tree, "linux", "Kbuild"))) return tree;
  }
  const message = "the sources of the guest driver (guest-drivers/linux/Kbuild) are not here";
  throw new UndercroftError("ERR_UC_DRIVER_BUILD", message);
}
