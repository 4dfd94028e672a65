// SPDX-License-Identifier: Apache-2.0
// The whole life of a guest as one table. Whoever wants to know what can happen reads this; the
// registration room applies it and must not change a state by any other way.
import type { GuestState } from "../model/model.ts";

/** What can move a guest from one state to another. */
export type GuestTrigger =
  | "hello-accepted"
  | "monitoring-started"
  | "monitoring-stopped"
  | "heartbeat-stopped"
  | "heartbeat-returned"
  | "faulted"
  | "unregistered"
  | "powered-off";

type Row = Readonly<Partial<Record<GuestTrigger, GuestState>>>;

/** Next state by state and trigger. A trigger that is not listed changes nothing. */
export const TRANSITIONS: Readonly<Record<GuestState, Row>> = {
  offline: {
    "hello-accepted": "registered",
    faulted: "quarantined",
  },
  registered: {
    "monitoring-started": "monitored",
    "monitoring-stopped": "paused",
    "heartbeat-stopped": "silent",
    faulted: "quarantined",
    unregistered: "left",
    "powered-off": "offline",
  },
  monitored: {
    "hello-accepted": "registered",
    "monitoring-stopped": "paused",
    "heartbeat-stopped": "silent",
    faulted: "quarantined",
    unregistered: "left",
    "powered-off": "offline",
  },
  paused: {
    "hello-accepted": "registered",
    "monitoring-started": "monitored",
    "heartbeat-stopped": "silent",
    faulted: "quarantined",
    unregistered: "left",
    "powered-off": "offline",
  },
  silent: {
    "hello-accepted": "registered",
    "monitoring-started": "monitored",
    "monitoring-stopped": "paused",
    "heartbeat-returned": "registered",
    faulted: "quarantined",
    unregistered: "left",
    "powered-off": "offline",
  },
  quarantined: {
    "hello-accepted": "registered",
    "powered-off": "offline",
  },
  left: {
    "hello-accepted": "registered",
    faulted: "quarantined",
    "powered-off": "offline",
  },
};

/** State after a trigger, or undefined where it changes nothing. */
export function nextState(from: GuestState, trigger: GuestTrigger): GuestState | undefined {
  return TRANSITIONS[from][trigger];
}
