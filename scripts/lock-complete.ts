// SPDX-License-Identifier: Apache-2.0
// Run after `npm install` has changed package-lock.json. npm drops optional packages of other
// platforms from the lock when it cannot fetch them, and `npm ci` then refuses that lock. This
// puts them back by name and exact version; on this platform npm never installs them.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

type LockEntry = {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};
export type Lock = { readonly packages: Record<string, LockEntry> };

const platforms = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

/** Lists what a lock's packages may optionally need that the lock does not hold. */
export function missingOptional(lock: Lock): Map<string, string> {
  const missing = new Map<string, string>();
  for (const [place, entry] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      const inside = `${place}/node_modules/${name}`;
      if (!(inside in lock.packages) && !(`node_modules/${name}` in lock.packages)) {
        missing.set(name, range);
      }
    }
  }
  return missing;
}

/** Describes a package we cannot see by what its name says, so that npm skips it here. */
export function optionalEntry(name: string, range: string): Record<string, unknown> {
  const parts = (name.split("/").at(-1) ?? name).split("-");
  const version = range.replace(/^[\^~]/, "");
  const os = platforms.filter((platform) => parts.includes(platform));
  const cpu = processors.filter((processor) => parts.includes(processor));
  if (name === "fsevents") os.push("darwin");
  const libc = ["musl", "gnu"].filter((kind) => parts.includes(kind));
  if (os.length + cpu.length === 0) throw new Error(`${name}: its name tells no platform`);
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    dev: true,
    ...(libc.length > 0 && { libc: libc.map((kind) => (kind === "gnu" ? "glibc" : kind)) }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = new URL("../package-lock.json", import.meta.url);
  const lock = JSON.parse(readFileSync(path, "utf8")) as Lock;
  for (const [name, range] of missingOptional(lock)) {
    lock.packages[`node_modules/${name}`] = optionalEntry(name, range) as LockEntry;
    console.log(`added ${name} ${range}`);
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(
    path,
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`,
  );
}
