// SPDX-License-Identifier: Apache-2.0
// A libvirtd of its own for tests, in network and mount namespaces that end with the test: its
// configuration, state, sockets, hooks, bridge, taps and regions touch nothing outside. Used by
// libvirt-scene.ts.
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const HOOK = fileURLToPath(new URL("../../hypervisor/libvirt/undercroft-hook", import.meta.url));
/** Folders that the rig covers with empty ones of its own: libvirt's, and that of the regions. */
const covered = [
  "/etc/libvirt",
  "/var/lib/libvirt",
  "/var/log/libvirt",
  "/run/libvirt",
  "/run/undercroft-holder",
  "/dev/shm",
];

const startMsMax = 120_000;

export interface Said {
  readonly status: number;
  readonly output: string;
}

/** Why there can be no rig here, in words; undefined: there can. */
export function libvirtProblem(): string | undefined {
  if (process.geteuid?.() !== 0) return "libvirtd needs root";
  for (const program of ["libvirtd", "virsh", "unshare", "nsenter"]) {
    if (spawnSync("which", [program]).status !== 0) return `${program} is not installed`;
  }
  return undefined;
}

export class LibvirtRig {
  /** Everything of the test lies here; QEMU's user may read it. */
  readonly folder: string = mkdtempSync(join(tmpdir(), "undercroft-libvirt-"));
  readonly socketPath: string = join(this.folder, "service.sock");
  readonly hookLog: string = join(this.folder, "hook.log");
  readonly #holder: ChildProcess;
  #libvirtd: ChildProcess | undefined;

  private constructor() {
    // The services run as another user and write here, as they do into their own folders.
    chmodSync(this.folder, 0o777);
    for (const path of covered) mkdirSync(path, { recursive: true });
    mkdirSync(join(this.folder, "cover"));
    this.#holder = spawn("unshare", ["--net", "--mount", "cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
  }

  static async open(): Promise<LibvirtRig> {
    const rig = new LibvirtRig();
    rig.#holder.stdin?.write("\n");
    await once(rig.#holder.stdout ?? process.stdin, "data");
    for (const path of covered) {
      const mode = path === "/dev/shm" ? "mode=1777" : "mode=755";
      rig.inside("mount", "-t", "tmpfs", "-o", mode, "none", path);
    }
    rig.#configure();
    rig.inside("ip", "link", "set", "lo", "up");
    rig.inside("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    rig.inside("ip", "link", "set", "br0", "addrgenmode", "none", "up");
    rig.inside("ip", "address", "add", "10.97.0.1/24", "dev", "br0");
    await rig.startLibvirtd();
    return rig;
  }

  /** Words that run a command in the rig's namespaces. */
  get enter(): string[] {
    return ["nsenter", "--target", String(this.#holder.pid), "--net", "--mount", "--"];
  }

  /** Where the test finds a file of the rig. */
  outside(path: string): string {
    return `/proc/${this.#holder.pid}/root${path}`;
  }

  /** Runs a program in the rig to its end; what it printed. */
  inside(...words: readonly string[]): string {
    const [program = "", ...args] = [...this.enter, ...words];
    return execFileSync(program, args, { encoding: "utf8", timeout: 60_000, stdio: "pipe" });
  }

  virsh(...words: readonly string[]): string {
    return this.inside("timeout", "50", "virsh", "-q", "-c", "qemu:///system", ...words).trim();
  }

  /** Runs a command of ours in the rig. */
  cli(...words: readonly string[]): Promise<Said> {
    const [program = "", ...args] = [...this.enter, process.execPath, CLI, ...words];
    return new Promise((resolve) => {
      execFile(program, args, { timeout: 120_000 }, (error, stdout, stderr) => {
        const status = error === null ? 0 : Number(error.code ?? 1);
        resolve({ status, output: stdout + stderr });
      });
    });
  }

  /** Starts a command of ours that goes on, as little allowed as the units allow it. */
  start(capabilities: readonly string[], ...words: readonly string[]): ChildProcess {
    const [program = "", ...args] = [...this.as(capabilities), process.execPath, CLI, ...words];
    return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Words that run a program in the rig as the services' user, with nothing but these rights. */
  as(capabilities: readonly string[]): string[] {
    const kept = capabilities.map((name) => `+${name}`).join(",");
    const drop = ["--reuid", "nobody", "--regid", "kvm", "--clear-groups", "--no-new-privs"];
    const caps = kept === "" ? [] : ["--inh-caps", kept, "--ambient-caps", kept];
    return [...this.enter, "setpriv", ...drop, ...caps, "--"];
  }

  async startLibvirtd(): Promise<void> {
    const pidFile = join(this.folder, "libvirtd.pid");
    const [program = "", ...args] = [...this.enter, "libvirtd", "--pid-file", pidFile];
    const child = spawn(program, args, { stdio: "ignore" });
    this.#libvirtd = child;
    // Its first start on a machine asks each QEMU there is what it can do.
    const endMs = performance.now() + startMsMax;
    while (!this.#answers()) {
      if (performance.now() > endMs || child.exitCode !== null) {
        throw new Error(`libvirtd did not start (exit status ${child.exitCode})`);
      }
      await sleep(200);
    }
  }

  async stopLibvirtd(): Promise<void> {
    const child = this.#libvirtd;
    this.#libvirtd = undefined;
    child?.kill("SIGTERM");
    if (child !== undefined && child.exitCode === null) await once(child, "exit");
  }

  /** Calls of the hook so far, as "domain operation". */
  hookCalls(): string[] {
    if (!existsSync(this.hookLog)) return [];
    return readFileSync(this.hookLog, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => {
        const { domain, operation } = JSON.parse(line) as Record<string, string>;
        return `${domain} ${operation}`;
      });
  }

  /** Ends all domains, libvirtd, and the namespaces with everything in them. */
  async close(): Promise<void> {
    try {
      for (const uuid of this.virsh("list", "--uuid").split("\n").filter(Boolean)) {
        this.virsh("destroy", uuid);
      }
    } catch {
      // libvirtd is gone already.
    }
    await this.stopLibvirtd();
    this.#holder.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #answers(): boolean {
    try {
      this.inside("timeout", "2", "virsh", "-q", "-c", "qemu:///system", "version");
      return true;
    } catch {
      return false;
    }
  }

  #configure(): void {
    const staging = join(this.folder, "cover");
    const put = (path: string, text: string, mode = 0o644): void => {
      const file = join(staging, "file");
      writeFileSync(file, text);
      chmodSync(file, mode);
      this.inside("install", "-D", "-m", mode.toString(8), file, path);
    };
    // No virtlogd: consoles and logs go straight to files.
    put("/etc/libvirt/qemu.conf", 'stdio_handler = "file"\nsecurity_driver = "none"\n');
    put("/etc/libvirt/libvirtd.conf", 'auth_unix_rw = "none"\nunix_sock_group = "kvm"\n');
    const hook = join(this.folder, "undercroft");
    const options = `--socket ${this.socketPath} --log ${this.hookLog}`;
    copyFileSync(HOOK, hook);
    this.inside("install", "-D", "-m", "755", hook, "/etc/libvirt/hooks/qemu.d/undercroft");
    const defaults = join(this.folder, "defaults");
    writeFileSync(
      defaults,
      `UNDERCROFT="${process.execPath} ${CLI}"\nUNDERCROFT_HOOK_OPTIONS="${options}"\n`,
    );
    // Read by the hook; covered as well, so that nothing of the machine's own is touched.
    writeFileSync(join(staging, "empty"), "");
    this.inside(
      "sh",
      "-c",
      `mount -t tmpfs none /etc/default && cp ${defaults} /etc/default/undercroft`,
    );
  }
}
