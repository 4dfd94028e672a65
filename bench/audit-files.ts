// SPDX-License-Identifier: Apache-2.0
// The peer inside the guest: Debian's auditd as shipped, with rules that cover what our driver
// reports. Called by guest-cost.ts. Nothing is installed: packages are unpacked into the cache.
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { UndercroftError } from "../lib/errors/errors.ts";
import {
  cacheDirectory,
  cachedDirectory,
  type GuestFile,
  runProgram,
} from "../lib/hypervisor/hypervisor.ts";
import { librariesOf } from "../test/guest/programs.ts";

// auditd and every library that a small machine may lack.
const PACKAGES = [
  ...["auditd", "libaudit1", "libauparse0", "libwrap0", "libcap-ng0", "libnsl2", "libtirpc3"],
  ...["libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libcom-err2"],
  "libkeyutils1",
];
const PROGRAMS = ["sbin/auditd", "sbin/auditctl"];
const LIBRARIES = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
const HINT = "auditd comes from Debian packages; install apt and dpkg, run apt-get update";

// One rule for processes and one for files, as auditd's own manual advises for speed.
const RULES = `-D
-a always,exit -F arch=b64 -S execve,execveat,fork,vfork,clone,clone3,exit,exit_group -k process
-a always,exit -F arch=b64 -S open,openat,openat2,creat,unlink,unlinkat -k file
-a always,exit -F arch=b64 -S rename,renameat,renameat2,chmod,fchmod,fchmodat -k file
`;

/** All that auditd and auditctl need in a guest. */
export async function auditFiles(): Promise<GuestFile[]> {
  const root = await unpacked();
  const config = await readFile(join(root, "etc/audit/auditd.conf"), "utf8");
  const text = (path: string, content: string): GuestFile => ({
    path,
    source: Buffer.from(content),
    mode: 0o640,
  });
  return [
    ...PROGRAMS.map((path) => ({
      ...{ path: `/bin/${basename(path)}`, source: { file: join(root, path) } },
      mode: 0o755,
    })),
    ...librariesOf(
      PROGRAMS.map((path) => join(root, path)),
      LIBRARIES.map((path) => join(root, path)),
    ),
    // As shipped, but for places that this guest has.
    text(
      "/etc/audit/auditd.conf",
      config
        .replace("/var/log/audit/audit.log", "/tmp/audit/audit.log")
        .replace("log_group = adm", "log_group = root"),
    ),
    text("/etc/audit/plugins.d/none", ""),
    text("/etc/audit/coverage.rules", RULES),
    text("/etc/group", "root:x:0:\n"),
  ];
}

async function unpacked(): Promise<string> {
  const folder = join(cacheDirectory(), "peers");
  mkdirSync(folder, { recursive: true });
  return cachedDirectory(join(folder, "auditd"), async (draft) => {
    // As root apt would drop to its own user, which may not write here.
    const args = ["-q", "-o", "APT::Sandbox::User=root", "download", ...PACKAGES];
    await succeed("apt-get", args, draft);
    const list = (await succeed("ls", [], draft)).split("\n");
    for (const name of list.filter((entry) => entry.endsWith(".deb"))) {
      await succeed("dpkg", ["-x", name, "."], draft);
    }
  });
}

async function succeed(program: string, args: string[], directory: string): Promise<string> {
  const result = await runProgram(program, args, { timeoutMs: 300_000, hint: HINT, directory });
  if (result.status === 0) return result.output;
  throw new UndercroftError("ERR_UC_TOOL_MISSING", `${program} failed: ${result.output}`);
}
