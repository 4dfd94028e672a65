// SPDX-License-Identifier: Apache-2.0
// What a simulated guest is made from and made of: its plan, the driver it claims to carry, and
// its processes. Used by simulated-guest.ts and by those who plan guests.
import type { GuestDriver } from "../../lib/model/model.ts";
import type { Random } from "./random.ts";

/** How world.ts wants a guest. */
export interface GuestPlan {
  readonly name: string;
  readonly index: number;
  readonly regionBytes: number;
  readonly random: Random;
  /** Runs every command that arrives, repeats too: for the canary. */
  readonly forgetful: boolean;
}

/** A process of a simulated guest. */
export interface Process {
  readonly pid: number;
  readonly startNs: bigint;
}

/** What its hello says of the driver. */
export const DRIVER: Omit<GuestDriver, "capabilities" | "wireHash"> = {
  version: "sim",
  os: "simulated",
  osVersion: "sim",
  cpuCount: 2,
  mapKind: "write-back",
};

/** A process as events name it; without one, the first of the guest. */
export function identityOf(process: Process | undefined): {
  readonly pid: number;
  readonly processStartNs: bigint;
} {
  return { pid: process?.pid ?? 1, processStartNs: process?.startNs ?? 0n };
}
