// SPDX-License-Identifier: Apache-2.0
// The table of states has no dead ends and no way around a registration.
import { expect, test } from "vitest";
import type { GuestState } from "../../../lib/model/model.ts";
import { type GuestTrigger, nextState, TRANSITIONS } from "../../../lib/registry/registry.ts";

const states = Object.keys(TRANSITIONS) as GuestState[];

test("every state is reached from offline and leads back to it", () => {
  const reach = (from: GuestState): Set<GuestState> => {
    const seen = new Set<GuestState>([from]);
    for (const state of seen) for (const next of Object.values(TRANSITIONS[state])) seen.add(next);
    return seen;
  };
  expect(reach("offline").size).toBe(states.length);
  for (const state of states) expect(reach(state).has("offline")).toBe(true);
});

test("only a good hello brings a guest back from quarantine, leaving and offline", () => {
  const back: GuestTrigger[] = [
    "monitoring-started",
    "monitoring-stopped",
    "heartbeat-returned",
    "heartbeat-stopped",
    "unregistered",
  ];
  for (const state of ["quarantined", "left", "offline"] as const) {
    for (const trigger of back) expect(nextState(state, trigger)).toBeUndefined();
    expect(nextState(state, "hello-accepted")).toBe("registered");
  }
});

test("a fault quarantines from wherever the guest is, and power off ends everything", () => {
  for (const state of states) {
    if (state !== "quarantined") expect(nextState(state, "faulted")).toBe("quarantined");
    if (state !== "offline") expect(nextState(state, "powered-off")).toBe("offline");
  }
});

test("nothing is monitored without having been registered", () => {
  for (const state of states) {
    const leads = Object.values(TRANSITIONS[state]).includes("monitored");
    expect(leads).toBe(["registered", "paused", "silent"].includes(state));
  }
});
