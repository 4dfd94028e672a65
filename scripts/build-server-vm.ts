// SPDX-License-Identifier: Apache-2.0
// `npm run build:server-vm`: builds the package, then the server VM's image into build/server-vm/,
// with the SHA-256 by which two builds are held equal.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildServerVmImage } from "../lib/hypervisor/hypervisor.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "build/server-vm/initramfs.cpio.gz");

const built = spawnSync(process.execPath, ["scripts/build.ts"], { cwd: root, stdio: "inherit" });
if (built.status === 0) {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(await buildServerVmImage({ packageDirectory: root }), target);
  const bytes = readFileSync(target);
  const hash = createHash("sha256").update(bytes).digest("hex");
  console.log(`${hash}  ${target} (${(bytes.length / 2 ** 20).toFixed(1)} MiB)`);
}
process.exitCode = built.status ?? 1;
