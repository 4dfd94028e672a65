// SPDX-License-Identifier: Apache-2.0
// What the start command needs of its guest, whether QEMU or a process runs it, and the reading of
// the guest's own word. Called by start.ts; the two kinds are qemu-guest.ts, simulated-guest.ts.
import type { GuestNetwork, RegionFile } from "../hypervisor/hypervisor.ts";

/** How a guest is asked for. */
export interface GuestRequest {
  readonly name: string;
  readonly region: RegionFile;
  readonly kernelSeries: string;
  /** Absent: it gets no network. */
  readonly network?: GuestNetwork;
  /** Tells about a step of the preparation. */
  readonly report: (line: string) => void;
}

/** A guest that runs the demo. */
export interface ProtectedGuest {
  /** Kernel version, or what stands for it. */
  readonly kernel: string;
  readonly accelerator: string;
  /** Where to read more when something failed. */
  readonly logPath: string;
  /** Why the guest ended. */
  readonly exited: Promise<string>;
  readonly report: GuestReport;
  /** Lets the intrusion begin. */
  begin(): void;
  /** Lets the guest contact the listed address, which is to be cut off by now. */
  contact(): void;
  /** Asks for the driver's unloading and the guest's own end. */
  unload(): void;
  /** Ends the guest by force where it still runs, and removes its log unless that is to stay. */
  stop(keepLog: boolean): Promise<void>;
}

/** What a guest said it saw. TRUST: a claim, shown as such and only compared. */
export class GuestReport {
  /** Points by name, in the order they came. */
  readonly points: Map<string, boolean> = new Map();
  /** Why the guest gave up, in its own words. */
  bailOut: string | undefined;
  /** Called with each point and each comment, in words. */
  onLine: (text: string) => void = () => {};

  /** Takes one point. */
  take(name: string, ok: boolean): void {
    this.points.set(name, ok);
    this.onLine(`${ok ? "ok" : "NOT OK"}, ${name}`);
  }

  /** Takes one line of TAP; other lines are comments for people. */
  takeLine(line: string): void {
    const point = /^(not )?ok \d+ - (.{1,200})$/.exec(line);
    if (point !== null) this.take(point[2] ?? "", point[1] === undefined);
    if (/^# ./.test(line)) this.onLine(`  ${line.slice(2, 200)}`);
    if (line.startsWith("Bail out!")) this.bailOut = line.slice("Bail out!".length).trim();
  }
}
