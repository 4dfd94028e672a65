// SPDX-License-Identifier: Apache-2.0
// Obtains the kernels guests boot: Debian packages unpacked into the cache, never installed, and
// without root. Called by the main job, the guest tests and scripts/guest-kernels.ts.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { cacheDirectory, cachedDirectory, isReadable } from "./cache.ts";
import { type ProgramResult, runProgram } from "./subprocess.ts";

/** A kernel that can be booted and built against. */
export interface GuestKernel {
  readonly series: string;
  readonly version: string;
  readonly vmlinuz: string;
  readonly modulesDirectory: string;
  readonly headersDirectory: string;
}

/** How to obtain a kernel. `renew` asks the archive for a newer one even when one is cached. */
export interface KernelRequest {
  readonly renew?: boolean;
  readonly report?: (line: string) => void;
}

/** The kernel series every guest test must pass on. */
export const kernelSeries: readonly string[] = ["6.1", "6.12"];

const aptHint = "guest kernels come from Debian packages; install apt and dpkg (Debian, Ubuntu)";
const downloadTimeoutMs = 600_000;
const queryTimeoutMs = 60_000;

/**
 * Returns the newest kernel of a series such as "6.1", downloading it when it is not cached.
 * @throws UndercroftError ERR_UC_KERNEL_MISSING
 */
export async function obtainKernel(
  series: string,
  request: KernelRequest = {},
): Promise<GuestKernel> {
  const directory = join(cacheDirectory(), "kernels");
  await mkdir(directory, { recursive: true });
  if (request.renew !== true) {
    const cached = await newestCached(directory, series);
    if (cached !== undefined) return cached;
  }
  const reasons: string[] = [];
  try {
    return await download(directory, series, request.report ?? (() => {}));
  } catch (cause) {
    if (!(cause instanceof UndercroftError)) throw cause;
    reasons.push(cause.message);
  }
  const spare = (await newestCached(directory, series)) ?? (await installedKernel(series));
  if (spare !== undefined) return spare;
  const message =
    `no kernel ${series} to boot a guest with: ${reasons.join("; ")}. Run "apt-get update" and ` +
    `try again, or install linux-image and linux-headers of ${series} and make ` +
    `/boot/vmlinuz-${series}* readable`;
  throw new UndercroftError("ERR_UC_KERNEL_MISSING", message);
}

/** Orders version texts by their numbers, so that 6.1.0-9 comes before 6.1.0-56. */
export function compareVersions(left: string, right: string): number {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);
  const a = numbers(left);
  const b = numbers(right);
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? -1) - (b[index] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Picks from `apt-cache search` text the newest kernel that has an image and headers. */
export function newestAvailable(
  searchText: string,
  series: string,
): { version: string; image: string } | undefined {
  const names = new Set(searchText.split("\n").map((line) => line.split(" ")[0] ?? ""));
  const prefix = "linux-headers-";
  const versions = [...names]
    .filter((name) => name.startsWith(`${prefix}${series}.`) && /\d-amd64$/.test(name))
    .map((name) => name.slice(prefix.length))
    .sort(compareVersions)
    .reverse();
  for (const version of versions) {
    // Both hold the same kernel; the unsigned one depends on nothing else.
    for (const image of [`linux-image-${version}-unsigned`, `linux-image-${version}`]) {
      if (names.has(image)) return { version, image };
    }
  }
  return undefined;
}

async function newestCached(directory: string, series: string): Promise<GuestKernel | undefined> {
  const versions = (await readdir(directory)).filter((name) => name.startsWith(`${series}.`));
  const version = versions.sort(compareVersions).at(-1);
  return version === undefined ? undefined : describe(join(directory, version), series, version);
}

async function download(
  directory: string,
  series: string,
  report: (line: string) => void,
): Promise<GuestKernel> {
  const pattern = `^linux-(image|headers)-${series.replaceAll(".", "\\.")}\\..*amd64`;
  const search = await apt("apt-cache", ["search", "--names-only", pattern], queryTimeoutMs);
  const newest = newestAvailable(search.output, series);
  if (newest === undefined) {
    throw missing(`apt-cache knows no linux-image and linux-headers of ${series} for amd64`);
  }
  const { version, image } = newest;
  const path = await cachedDirectory(join(directory, version), async (draft) => {
    const packages = [image, ...(await headerPackages(version))];
    report(`kernel ${version}: downloading ${packages.join(" ")}`);
    await unpack(draft, packages, report);
    await relocateHeaders(draft, version, join(directory, version));
  });
  report(`kernel ${version}: ready in ${path}`);
  return describe(path, series, version);
}

async function headerPackages(version: string): Promise<string[]> {
  const headers = `linux-headers-${version}`;
  const depends = await apt("apt-cache", ["depends", headers], queryTimeoutMs);
  const needed = [...depends.output.matchAll(/Depends: (linux-(?:headers|kbuild)-\S+)/g)];
  return [headers, ...needed.map((match) => match[1] ?? "")];
}

async function unpack(
  root: string,
  packages: readonly string[],
  report: (line: string) => void,
): Promise<void> {
  const folder = join(root, "packages");
  await mkdir(folder);
  // As root apt would drop to its own user, which may not write here.
  const args = ["-q", "-o", "APT::Sandbox::User=root", "download", ...packages];
  await apt("apt-get", args, downloadTimeoutMs, folder);
  for (const name of await readdir(folder)) {
    report(`unpacking ${name}`);
    await apt("dpkg", ["-x", join(folder, name), root], downloadTimeoutMs);
  }
  await rm(folder, { recursive: true });
}

/** The headers' Makefile names its other half by an absolute path; point it into the cache. */
async function relocateHeaders(draft: string, version: string, home: string): Promise<void> {
  const makefile = join("usr/src", `linux-headers-${version}`, "Makefile");
  const text = await readFile(join(draft, makefile), "utf8");
  await writeFile(join(draft, makefile), text.replaceAll(" /usr/", ` ${home}/usr/`));
}

async function describe(root: string, series: string, version: string): Promise<GuestKernel> {
  const kernel: GuestKernel = {
    series,
    version,
    vmlinuz: join(root, "boot", `vmlinuz-${version}`),
    modulesDirectory: join(root, "lib/modules", version),
    headersDirectory: join(root, "usr/src", `linux-headers-${version}`),
  };
  for (const path of [kernel.vmlinuz, join(kernel.headersDirectory, "Makefile")]) {
    if (!(await isReadable(path))) {
      throw missing(`${path} is missing from the kernel cache; remove ${root} and try again`);
    }
  }
  return kernel;
}

async function installedKernel(series: string): Promise<GuestKernel | undefined> {
  const images = (await readdir("/boot").catch(() => []))
    .filter((name) => name.startsWith(`vmlinuz-${series}.`))
    .sort(compareVersions)
    .reverse();
  for (const image of images) {
    const version = image.slice("vmlinuz-".length);
    const modulesDirectory = `/lib/modules/${version}`;
    const headersDirectory = `${modulesDirectory}/build`;
    const vmlinuz = `/boot/${image}`;
    if ((await isReadable(vmlinuz)) && (await isReadable(`${headersDirectory}/Makefile`))) {
      return { series, version, vmlinuz, modulesDirectory, headersDirectory };
    }
  }
  return undefined;
}

async function apt(
  program: string,
  args: readonly string[],
  timeoutMs: number,
  directory?: string,
): Promise<ProgramResult> {
  const options = { timeoutMs, hint: aptHint, ...(directory === undefined ? {} : { directory }) };
  const result = await runProgram(program, args, options);
  if (result.status === 0) return result;
  throw missing(`${program} ${args[0] ?? ""} failed: ${result.output.trim().slice(-400)}`);
}

function missing(message: string): UndercroftError {
  return new UndercroftError("ERR_UC_KERNEL_MISSING", message);
}
