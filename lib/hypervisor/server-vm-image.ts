// SPDX-License-Identifier: Apache-2.0
// Makes the server VM's image: an initramfs of a static busybox, this Node.js with the libraries
// it names, and our package with the dependencies that it imports. Equal inputs give equal bytes.
// Called by scripts/build-server-vm.ts and the topology test. Nothing here needs root.
import { existsSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { buildInitramfs, type GuestFile } from "./initramfs.ts";
import { runProgram } from "./subprocess.ts";

/** What the image is made of. */
export interface ServerVmParts {
  /** The package: its dist/, addon and node_modules/ are taken. */
  readonly packageDirectory: string;
  /** The Node.js to run it with. Default: this one. */
  readonly node?: string;
  /** Text of an indicator file and of a policy; none: as `serve` has it without. */
  readonly indicators?: string;
  readonly policy?: string;
}

const home = "/opt/undercroft";
const settings = { indicators: "/etc/undercroft/indicators", policy: "/etc/undercroft/policy" };

/**
 * Builds the image in the cache and returns its path.
 * @throws {UndercroftError} ERR_UC_TOOL_MISSING
 */
export async function buildServerVmImage(parts: ServerVmParts): Promise<string> {
  const node = parts.node ?? process.execPath;
  const options: string[] = [];
  const files: GuestFile[] = [
    { path: "/usr/bin/node", source: { file: node }, mode: 0o755 },
    ...(await libraryFiles(node)),
    ...(await packageFiles(parts.packageDirectory)),
  ];
  for (const [name, path] of Object.entries(settings)) {
    const text = parts[name as keyof typeof settings];
    if (text === undefined) continue;
    files.push({ path, source: Buffer.from(text) });
    options.push(`--${name}`, path);
  }
  // The server's reports leave by the verdict port, its questions and answers by the control port.
  const words = `--mode vm --control /dev/ttyS2 --json ${options.join(" ")}`;
  const main = `/usr/bin/node ${home}/dist/cli/cli.js serve ${words} >&9 2>&1 8<&-\n`;
  return buildInitramfs({ main, files });
}

/** Node.js names the C and C++ libraries, and the loader, by fixed paths. */
async function libraryFiles(node: string): Promise<GuestFile[]> {
  const hint = "install it with: apt install libc-bin";
  const { output } = await runProgram("ldd", [node], { timeoutMs: 30_000, hint });
  const paths = [...output.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => path).sort();
  return Promise.all(
    paths.map(async (path) => ({ path, source: { file: await realpath(path) }, mode: 0o755 })),
  );
}

async function packageFiles(directory: string): Promise<GuestFile[]> {
  const files: GuestFile[] = [
    { path: `${home}/package.json`, source: { file: join(directory, "package.json") } },
  ];
  files.push(...(await treeFiles(join(directory, "dist"), `${home}/dist`)));
  // A checkout has the addon that it built; an installed package has the prebuilt ones.
  const names = await readdir(join(directory, "build")).catch(() => []);
  const addon = names.find((name) => name.endsWith(".node"));
  if (addon === undefined) {
    files.push(...(await treeFiles(join(directory, "prebuilds"), `${home}/prebuilds`)));
  } else {
    const source = { file: join(directory, "build", addon) };
    files.push({ path: `${home}/build/${addon}`, source });
  }
  const { dependencies = {} } = await manifest(directory);
  const imported = await importedPackages(join(directory, "dist"));
  const wanted = Object.keys(dependencies).filter((name) => imported.has(name));
  const taken = new Set<string>();
  while (wanted.length > 0) {
    const name = wanted.pop() ?? "";
    if (taken.has(name)) continue;
    taken.add(name);
    const source = join(directory, "node_modules", name);
    files.push(...(await treeFiles(source, `${home}/node_modules/${name}`)));
    wanted.push(...Object.keys((await manifest(source)).dependencies ?? {}));
  }
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function manifest(
  directory: string,
): Promise<{ readonly dependencies?: Readonly<Record<string, string>> }> {
  return JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
}

/** Names of the packages that any file of dist/ imports. */
async function importedPackages(dist: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith(".js")) continue;
    const text = await readFile(join(dist, name), "utf8");
    for (const [, specifier = ""] of text.matchAll(/from "([a-z@][^":]*)"/g)) {
      found.add(specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/"));
    }
  }
  return found;
}

/** Files of a tree without what only people read. */
async function treeFiles(directory: string, target: string): Promise<GuestFile[]> {
  if (!existsSync(directory)) {
    const message = `${directory} is missing; run: npm run build && npm run build:native`;
    throw new UndercroftError("ERR_UC_TOOL_MISSING", message, { path: directory });
  }
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/\.(map|md|d\.[cm]?ts|ts)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: join(target, file.slice(directory.length)), source: { file } }));
}
