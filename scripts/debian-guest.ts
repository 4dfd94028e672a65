// SPDX-License-Identifier: Apache-2.0
// A whole Debian as a disk image for a guest, with packages to install and a source to build lying
// on its disk, since it gets no network. Called by false-positives.ts; needs root and debootstrap.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  cacheDirectory,
  type GuestFile,
  type GuestKernel,
  networkModules,
} from "../lib/hypervisor/hypervisor.ts";

const SUITE = "bookworm";
const MIRROR = "http://deb.debian.org/debian";
const STEP_LIMIT_MS = 900_000;
const IMAGE_SIZE = "3G";

/** In the guest from the start. */
const BASE = [
  ...["ca-certificates", "cron", "gcc", "iproute2", "kmod", "libc6-dev", "logrotate", "make"],
  ...["procps", "rsyslog", "systemd-sysv"],
];
/** Installed and removed while the guest is watched. */
export const INSTALLED: readonly string[] = [
  ...["curl", "git", "nginx-light", "openssh-server", "postgresql-client"],
  ...["python3-minimal", "sudo", "tcpdump"],
];
/** Built while the guest is watched. */
const SOURCE = "hello";

/** A program whose failure ends the run. */
function run(program: string, ...args: string[]): void {
  const result = spawnSync(program, args, { encoding: "utf8", timeout: STEP_LIMIT_MS });
  if (result.status === 0) return;
  const said = `${result.stdout ?? ""}${result.stderr ?? ""}`.slice(-600);
  throw new Error(`${program} ${args.join(" ")} failed: ${result.error?.message ?? said}`);
}

/** Makes the root file system anew; takes minutes and the network of this machine. */
function makeRoot(): string {
  mkdirSync(cacheDirectory(), { recursive: true });
  const root = mkdtempSync(join(cacheDirectory(), "debian-"));
  chmodSync(root, 0o755);
  const include = `--include=${BASE.join(",")}`;
  run("debootstrap", "--variant=minbase", include, SUITE, root, MIRROR);
  const sources = ["deb", "deb-src"].map((kind) => `${kind} ${MIRROR} ${SUITE} main\n`).join("");
  writeFileSync(join(root, "etc/apt/sources.list"), sources);
  const options = ["install", "-y", "--download-only", "--no-install-recommends"];
  run("chroot", root, "apt-get", "update");
  run("chroot", root, "apt-get", ...options, ...INSTALLED);
  run("chroot", root, "sh", "-c", `cd /usr/src && apt-get source --download-only ${SOURCE}`);
  return root;
}

/**
 * The disk image whose system runs `workload`, a shell script, once it is up, and powers off. The
 * file system below is made once and kept.
 * @throws {Error} saying which step failed
 */
export function debianDisk(image: string, workload: string, report: (line: string) => void): void {
  const root = join(cacheDirectory(), `debian-${SUITE}`);
  if (spawnSync("test", ["-d", root]).status !== 0) {
    report(`Debian ${SUITE}: making a root file system`);
    renameSync(makeRoot(), root);
  }
  writeFileSync(join(root, "usr/local/sbin/workload"), workload, { mode: 0o755 });
  const unit = join(root, "etc/systemd/system/workload.service");
  writeFileSync(unit, UNIT);
  run("systemctl", `--root=${root}`, "enable", "workload.service");
  rmSync(image, { force: true });
  run("mke2fs", "-q", "-t", "ext4", "-d", root, image, IMAGE_SIZE);
}

const UNIT = `[Unit]
Description=What an administrator does in a day, in minutes
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/workload
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/dev/ttyS1
StandardError=journal
[Install]
WantedBy=multi-user.target
`;

/** The first program of the guest loads the driver and hands over to Debian's own. */
const FIRST = (load: string, driver: string): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
${load}mkdir -p /mnt
mount -t ext4 /dev/vda /mnt
insmod ${driver}
for place in proc sys dev; do mount --move /$place /mnt/$place; done
exec switch_root /mnt /lib/systemd/systemd
`;

export const FIRST_PROGRAM = "/uc/first";

const DISK_MODULES = ["virtio_blk", "crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"];

/** Files of an initramfs that starts the disk's system with the driver loaded. */
export async function debianFiles(kernel: GuestKernel, driver: string): Promise<GuestFile[]> {
  const { files, loadScript } = await networkModules(kernel, DISK_MODULES);
  const first = Buffer.from(FIRST(loadScript, driver));
  return [...files, { path: FIRST_PROGRAM, source: first, mode: 0o755 }];
}
