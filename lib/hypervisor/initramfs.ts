// SPDX-License-Identifier: Apache-2.0
// Makes the whole file system of a guest: one static busybox, an init script, the guest driver and
// what the caller adds. Called by the main job and the guest tests. Nothing here runs as root.
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { UndercroftError } from "../errors/errors.ts";
import { cacheDirectory, isReadable } from "./cache.ts";
import { type CpioEntry, packCpio } from "./cpio.ts";

/** A file of the guest: its absolute path there, and its bytes or the file they come from. */
export interface GuestFile {
  readonly path: string;
  readonly source: Uint8Array | { readonly file: string };
  readonly mode?: number;
}

/**
 * What a guest is made of. `main` is the shell script that init runs once everything is mounted;
 * the guest powers off when it ends. `driver` is loaded by init when `loadDriver` is set.
 */
export interface InitramfsParts {
  readonly main: string;
  readonly driver?: string;
  readonly loadDriver?: boolean;
  readonly files?: readonly GuestFile[];
}

/** Where the driver lies in the guest. */
export const guestDriverPath = "/lib/undercroft.ko";

const busyboxPaths = ["/usr/bin/busybox", "/bin/busybox"];
const directories = ["bin", "dev", "etc", "lib", "proc", "root", "run", "sys", "tmp", "uc"];

/**
 * Builds an initramfs in the cache and returns its path; equal parts give the same file.
 * @throws UndercroftError ERR_UC_TOOL_MISSING
 */
export async function buildInitramfs(parts: InitramfsParts): Promise<string> {
  const files: GuestFile[] = [
    { path: "/bin/busybox", source: { file: await findBusybox() }, mode: 0o755 },
    { path: "/init", source: Buffer.from(initScript(parts.loadDriver === true)), mode: 0o755 },
    { path: "/uc/main", source: Buffer.from(parts.main), mode: 0o755 },
    { path: "/etc/passwd", source: Buffer.from("root:x:0:0::/root:/bin/sh\n") },
    ...(parts.driver === undefined ? [] : [driverFile(parts.driver)]),
    ...(parts.files ?? []),
  ];
  const archive = packCpio(await entriesOf(files));
  const name = createHash("sha256").update(archive).digest("hex").slice(0, 24);
  const path = join(cacheDirectory(), "initramfs", `${name}.cpio.gz`);
  if (await isReadable(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, gzipSync(archive, { level: 1 }));
  await rename(draft, path);
  return path;
}

function driverFile(file: string): GuestFile {
  return { path: guestDriverPath, source: { file } };
}

async function entriesOf(files: readonly GuestFile[]): Promise<CpioEntry[]> {
  const entries = new Map<string, CpioEntry>();
  const addDirectory = (path: string): void => {
    if (path === "." || entries.has(path)) return;
    addDirectory(dirname(path));
    entries.set(path, { path, mode: 0o040755, content: new Uint8Array(0) });
  };
  for (const directory of directories) addDirectory(directory);
  for (const file of files) {
    const path = file.path.replace(/^\/+/, "");
    addDirectory(dirname(path));
    const { source } = file;
    const content = source instanceof Uint8Array ? source : await readFile(source.file);
    entries.set(path, { path, mode: 0o100000 | (file.mode ?? 0o644), content });
  }
  return [...entries.values()];
}

async function findBusybox(): Promise<string> {
  for (const path of busyboxPaths) {
    // A dynamic busybox names its loader near the start of the file and could not run in the guest.
    const head = await readFile(path).catch(() => undefined);
    if (head !== undefined && !head.subarray(0, 4096).includes("ld-linux")) return path;
  }
  const message = "a guest needs a static busybox; install it with: apt install busybox-static";
  throw new UndercroftError("ERR_UC_TOOL_MISSING", message, { program: "busybox" });
}

function initScript(loadDriver: boolean): string {
  return `#!/bin/busybox sh
# First process of an Undercroft guest: mounts what programs expect, runs /uc/main, powers off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname guest
# The verdict port is descriptor 9 and the control port 8 of everything below. They stay open: the
# last close would drop unread lines. Raw: lines arrive as written, no echo, no carriage returns.
exec 8<>/dev/ttyS2 9<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
echo "uc-guest: up at $(cut -d' ' -f1 /proc/uptime) s"
${loadDriver ? `insmod ${guestDriverPath} || echo "uc-guest: driver not loaded"\n` : ""}sh /uc/main
echo "uc-guest: powering off"
sync
poweroff -f
`;
}
