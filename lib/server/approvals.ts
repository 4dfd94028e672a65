// SPDX-License-Identifier: Apache-2.0
// Responses that wait for a person's word. Held by the responder; what is not answered in time is
// handed back as refused.
import type { LinkApproval } from "../model/model.ts";

/** One response that waits. */
export type PendingApproval = Omit<LinkApproval, "state">;

/** What became of a response that waited. */
export type ApprovalState = LinkApproval["state"];

interface Waiting {
  readonly shown: PendingApproval;
  readonly carryOut: (why: string) => void;
  readonly refuse: (why: string) => void;
}

const APPROVALS_MAX = 1000;

/** Keeps them until they are answered. */
export class Approvals {
  readonly #waiting = new Map<string, Waiting>();
  readonly #changed: (shown: PendingApproval, state: ApprovalState) => void;

  constructor(changed: (shown: PendingApproval, state: ApprovalState) => void) {
    this.#changed = changed;
  }

  get all(): readonly PendingApproval[] {
    return [...this.#waiting.values()].map(({ shown }) => shown);
  }

  /** False where too many wait already. */
  add(waiting: Waiting): boolean {
    if (this.#waiting.size >= APPROVALS_MAX) return false;
    this.#waiting.set(waiting.shown.id, waiting);
    this.#changed(waiting.shown, "waiting");
    return true;
  }

  /** Does or refuses what waits; false where nothing of that id does. */
  answer(id: string, isApproved: boolean, by: string): boolean {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return false;
    this.#waiting.delete(id);
    this.#changed(waiting.shown, isApproved ? "approved" : "rejected");
    if (isApproved) waiting.carryOut(`approved by ${by}`);
    else waiting.refuse(`rejected by ${by}`);
    return true;
  }

  /** Refuses what nobody answered in time. */
  expire(nowMs: number): void {
    for (const [id, { shown, refuse }] of this.#waiting) {
      if (shown.expiresMs > nowMs) continue;
      this.#waiting.delete(id);
      this.#changed(shown, "expired");
      refuse("nobody approved it in time");
    }
  }
}
