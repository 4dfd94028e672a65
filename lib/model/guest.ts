// SPDX-License-Identifier: Apache-2.0
// A guest as the server and the manager see it.

/**
 * offline: no driver has said hello. registered: known, not monitored yet. paused: monitoring was
 * stopped by command. silent: vCPUs run, the driver does not. quarantined: the region broke the
 * ring rules. left: the driver unregistered.
 */
export type GuestState =
  | "offline"
  | "registered"
  | "monitored"
  | "paused"
  | "silent"
  | "quarantined"
  | "left";

/** What a driver told of itself; every field is a claim. */
export interface GuestDriver {
  readonly version: string;
  readonly os: "linux" | "windows" | "simulated" | "unknown";
  readonly osVersion: string;
  readonly cpuCount: number;
  readonly mapKind: "unknown" | "write-back" | "write-combining" | "uncached";
  /** SENSOR_* and ACTION_* bits of the wire format. */
  readonly capabilities: bigint;
  readonly wireHash: number;
}

export interface GuestStateChange {
  readonly guest: string;
  readonly from: GuestState;
  readonly to: GuestState;
  /** Why, in words for people. */
  readonly reason: string;
  readonly timeMs: number;
}
