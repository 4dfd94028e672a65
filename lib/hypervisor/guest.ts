// SPDX-License-Identifier: Apache-2.0
// Starts one QEMU guest with its region, console, verdict and control ports, and ends it by its
// own process. Called by the main job and the guest tests. It does not read the region.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { UndercroftError } from "../errors/errors.ts";
import { DOORBELL_VECTORS } from "../wire/wire.ts";
import { isReadable } from "./cache.ts";
import type { GuestKernel } from "./kernels.ts";
import { LineQueue } from "./line-queue.ts";
import { Qmp } from "./qmp.ts";

/** What executes the guest's instructions: the processor itself, or QEMU's translator. */
export type Accelerator = "kvm" | "tcg";

/**
 * A region to give a guest: a file as an ivshmem-plain device, or what the holder keeps behind a
 * guest's socket as an ivshmem-doorbell device.
 */
export type GuestRegion = RegionPlacement & (GuestRegionFile | { readonly doorbell: string });

/** A region file, and how long it is. */
export interface GuestRegionFile {
  readonly path: string;
  readonly bytes: number;
}

interface RegionPlacement {
  /** Above 4 GiB a guest may map it write-back; below, its firmware makes it uncachable. */
  readonly placement?: "high" | "low";
}

/** A tap to give a guest as a virtio network interface. */
export interface GuestNetwork {
  /** Words that run a command in the network namespace of the tap; none: in this one. */
  readonly enter: readonly string[];
  readonly tap: string;
  /** Hardware address that the guest sees. */
  readonly mac: string;
}

/** How to start a guest. `console` is a file that receives serial port 0. */
export interface GuestOptions {
  readonly kernel: GuestKernel;
  readonly initramfs: string;
  readonly console: string;
  readonly region?: GuestRegion;
  readonly network?: GuestNetwork;
  readonly cpus?: number;
  readonly memoryMiB?: number;
  /** Makes guest time count instructions: repeatable costs, one CPU, no relation to real time. */
  readonly icount?: boolean;
  readonly append?: string;
  /** Further words for QEMU: devices of tests and benchmarks that no guest of ours needs. */
  readonly arguments?: readonly string[];
  /** Ends the guest by force when it runs longer. Without it the guest runs until it ends. */
  readonly timeoutMs?: number;
}

/** How a guest ended. `poweredOff` is QEMU's own word, not the guest's. */
export interface GuestExit {
  readonly poweredOff: boolean;
  readonly timedOut: boolean;
  readonly reason: string;
  readonly stderr: string;
}

/** A running guest. Lines of the verdict port and the control port are kept until read. */
export interface Guest {
  readonly pid: number;
  readonly accelerator: Accelerator;
  readonly exited: Promise<GuestExit>;
  readonly tapLines: AsyncIterable<string>;
  readonly controlLines: AsyncIterable<string>;
  /** Writes one line to the guest's control port. */
  sendLine(line: string): void;
  consoleText(): Promise<string>;
  /** Runs a monitor command such as `stop`, `cont`, `system_reset`, `query-status`. */
  qmp(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Ends the guest by force and waits for it. Harmless when it has ended. */
  stop(): Promise<GuestExit>;
}

const qemuProgram = "qemu-system-x86_64";

// An empty port that asks for more prefetchable space than lies below 4 GiB: SeaBIOS then places
// every 64-bit BAR above, where the guest's memory type registers allow write-back.
const highPlacement = ["-device", "pcie-root-port,id=uc-space,chassis=1,pref64-reserve=2G"];
const stderrCharactersMax = 8192;
const tapFd = 3;
const controlFd = 4;
const qmpFd = 5;

/** Builds QEMU's arguments. Sockets come in as the inherited descriptors 3 to 5. */
export function qemuArguments(options: GuestOptions, accelerator: Accelerator): string[] {
  const icount = options.icount === true;
  const append =
    "console=ttyS0 panic=-1 oops=panic loglevel=5 log_buf_len=4M random.trust_cpu=on " +
    (options.append ?? "");
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"],
    ...["-accel", acceleratorArgument(accelerator, icount)],
    ...(icount ? ["-icount", "shift=0,sleep=off"] : []),
    ...["-cpu", accelerator === "kvm" ? "host" : "max"],
    ...["-smp", String(options.cpus ?? 1), "-m", String(options.memoryMiB ?? 512)],
    ...["-kernel", options.kernel.vmlinuz, "-initrd", options.initramfs],
    ...["-append", append.trim()],
    ...["-chardev", `file,id=console,path=${commaEscaped(options.console)}`],
    ...["-chardev", `socket,id=tap,fd=${tapFd}`, "-chardev", `socket,id=control,fd=${controlFd}`],
    ...["-serial", "chardev:console", "-serial", "chardev:tap", "-serial", "chardev:control"],
    ...["-chardev", `socket,id=qmp,fd=${qmpFd}`, "-mon", "chardev=qmp,mode=control"],
    ...(options.region === undefined ? [] : regionArguments(options.region)),
    ...(options.network === undefined ? [] : networkArguments(options.network)),
    ...(options.arguments ?? []),
  ];
}

/**
 * Starts a guest; returns once QEMU answers. What the guest does then shows on its ports.
 * @throws UndercroftError ERR_UC_QEMU_MISSING, ERR_UC_QEMU_FAILED
 */
export async function launchGuest(options: GuestOptions, accelerator: Accelerator): Promise<Guest> {
  await requireProgram(qemuProgram, "qemu-system-x86");
  await requireProgram("setpriv", "util-linux");
  await rm(options.console, { force: true });
  // The guest must not outlive this process however that ends, and Ctrl-C in a terminal must reach
  // this process alone, which then stops its guests in order.
  const args = ["--pdeathsig", "KILL", qemuProgram, ...qemuArguments(options, accelerator)];
  const stdio = ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe"] as const;
  const enter = options.network?.enter ?? [];
  const [program = "", ...words] = [...enter, "setpriv", ...args];
  const child = spawn(program, words, { stdio: [...stdio], detached: true });
  await once(child, "spawn");
  const guest = new QemuGuest(child, accelerator, options);
  try {
    await guest.qmp("qmp_capabilities");
    return guest;
  } catch (cause) {
    const { reason, stderr } = await guest.stop();
    const message = `QEMU did not start: ${reason}. ${stderr.trim()}`;
    throw new UndercroftError("ERR_UC_QEMU_FAILED", message, {}, { cause });
  }
}

class QemuGuest implements Guest {
  readonly pid: number;
  readonly accelerator: Accelerator;
  readonly exited: Promise<GuestExit>;
  readonly tapLines: LineQueue;
  readonly controlLines: LineQueue;
  readonly #child: ChildProcess;
  readonly #control: Duplex;
  readonly #qmp: Qmp;
  readonly #console: string;

  constructor(child: ChildProcess, accelerator: Accelerator, options: GuestOptions) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.accelerator = accelerator;
    this.#console = options.console;
    // Node's types know five descriptors only; each of these three is a socket to QEMU.
    const ports = child.stdio as readonly unknown[];
    this.#control = ports[controlFd] as Duplex;
    this.tapLines = new LineQueue(ports[tapFd] as Duplex);
    this.controlLines = new LineQueue(this.#control);
    this.#qmp = new Qmp(ports[qmpFd] as Duplex);
    this.exited = this.#watch(options.timeoutMs);
  }

  sendLine(line: string): void {
    this.#control.write(`${line}\n`);
  }

  async consoleText(): Promise<string> {
    const text = await readFile(this.#console, "utf8").catch(() => "");
    return text.replaceAll("\r", "");
  }

  qmp(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#qmp.execute(command, args);
  }

  stop(): Promise<GuestExit> {
    this.#child.kill("SIGKILL");
    return this.exited;
  }

  async #watch(timeoutMs: number | undefined): Promise<GuestExit> {
    let stderr = "";
    const errors = this.#child.stderr as Readable;
    errors.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString("utf8")).slice(-stderrCharactersMax);
    });
    let timedOut = false;
    const expire = (): void => {
      timedOut = true;
      this.#child.kill("SIGKILL");
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    // Not the child's "close": that would wait for a reader of the two line ports.
    const [[status, signal]] = await Promise.all([
      once(this.#child, "exit") as Promise<[number | null, string | null]>,
      once(errors, "close"),
      this.#qmp.closed,
    ]);
    clearTimeout(timer);
    const said = this.#qmp.shutdownReason;
    const bare = signal === null ? `QEMU ended with status ${status}` : `ended by ${signal}`;
    const reason = timedOut ? `ended by force after ${timeoutMs} ms` : (said ?? bare);
    return { poweredOff: !timedOut && said === "guest-shutdown", timedOut, reason, stderr };
  }
}

function acceleratorArgument(accelerator: Accelerator, icount: boolean): string {
  return accelerator === "tcg" && icount ? "tcg,thread=single" : accelerator;
}

function regionArguments(region: GuestRegion): string[] {
  const space = region.placement === "low" ? [] : highPlacement;
  if ("doorbell" in region) {
    const device = `ivshmem-doorbell,chardev=doorbell,vectors=${DOORBELL_VECTORS}`;
    const socket = `socket,id=doorbell,path=${commaEscaped(region.doorbell)}`;
    return [...space, "-chardev", socket, "-device", device];
  }
  const file = `mem-path=${commaEscaped(region.path)},size=${region.bytes}`;
  return [
    ...space,
    ...["-object", `memory-backend-file,id=region,share=on,${file}`],
    ...["-device", "ivshmem-plain,memdev=region"],
  ];
}

function networkArguments({ tap, mac }: GuestNetwork): string[] {
  return [
    ...["-netdev", `tap,id=net0,ifname=${tap},script=no,downscript=no`],
    ...["-device", `virtio-net-pci,netdev=net0,mac=${mac}`],
  ];
}

function commaEscaped(text: string): string {
  return text.replaceAll(",", ",,");
}

async function requireProgram(program: string, debianPackage: string): Promise<void> {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    if (await isReadable(join(directory, program))) return;
  }
  const message = `${program} is not installed; install it with: apt install ${debianPackage}`;
  throw new UndercroftError("ERR_UC_QEMU_MISSING", message, { program });
}
