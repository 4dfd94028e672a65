// SPDX-License-Identifier: Apache-2.0
// Where this room keeps what is slow to make again: unpacked kernels, built drivers, initramfs
// parts. Safe with several processes at once: an entry is made aside and renamed into place whole.
import { randomUUID } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** The cache directory: `UC_CACHE` when set, else `~/.cache/undercroft`. */
export function cacheDirectory(): string {
  return process.env.UC_CACHE ?? join(homedir(), ".cache", "undercroft");
}

/** True when the path exists and may be read. */
export async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Returns the directory `path`, letting `make` fill it first when it is not there yet. */
export async function cachedDirectory(
  path: string,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  if (await isReadable(path)) return path;
  const draft = join(dirname(path), `.draft-${process.pid}-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    await make(draft);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    // Another process may have finished the same entry first; its result is as good as ours.
    if (!(await isReadable(path))) throw cause;
  }
  return path;
}
