// SPDX-License-Identifier: Apache-2.0
// From a match to a stored case. Detection makes detections, the server folds them to findings.
import type { GuestEvent, ProcessIdentity } from "./event.ts";
import type { GuestNetworkEvent } from "./network-event.ts";

export type Severity = "informational" | "low" | "medium" | "high" | "critical";

/** What a detection can rest on: what a guest's driver told, or what passed its tap. */
export type EvidenceEvent = GuestEvent | GuestNetworkEvent;

/** One rule or indicator that matched one event. */
export interface Detection {
  /** Stable id of the rule or indicator. */
  readonly rule: string;
  readonly title: string;
  readonly severity: Severity;
  /** Field of the event that matched, and the value it had. */
  readonly field: string;
  readonly value: string;
  readonly event: EvidenceEvent;
  readonly tags: readonly string[];
}

/** What finally happened to the thing that was found (OCSF disposition). */
export type Disposition = "none" | "blocked" | "killed" | "allowed" | "failed" | "pending";

/** A stored, folded case. */
export interface Finding {
  readonly id: string;
  readonly guest: string;
  readonly rule: string;
  readonly title: string;
  readonly severity: Severity;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly process: ProcessIdentity;
  readonly field: string;
  readonly value: string;
  readonly evidence: readonly EvidenceEvent[];
  /** Commands that the response policy made of it. */
  readonly commands: readonly bigint[];
  readonly disposition: Disposition;
  readonly tags: readonly string[];
}
