// SPDX-License-Identifier: Apache-2.0
// What all pages share while a user is signed in: the lists that are kept whole, the stream of
// updates and the figures of the last minutes. Made at sign-in, closed at sign-out.
import {
  type ApiFinding,
  type ApiGuest,
  type ApiSession,
  ROLES,
  type Role,
} from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { Live } from "../api/live.ts";
import { Collection } from "./collection.ts";
import { Rate, Samples } from "./samples.ts";

const PAGE = 1000;
const GUESTS_MAX = 50_000;
const FINDINGS_MAX = 10_000;
const PULSE_MS = 5000;

/** See the head of this file. */
export class Desk {
  readonly session: ApiSession;
  readonly live: Live = new Live();
  readonly guests: Collection<ApiGuest> = new Collection({
    ...{ keyOf: ({ id }: ApiGuest) => id, max: GUESTS_MAX },
    read: (cursor) => callApi("listGuests", { query: { limit: String(PAGE), cursor } }),
  });
  readonly findings: Collection<ApiFinding> = new Collection({
    ...{ keyOf: ({ id }: ApiFinding) => id, max: FINDINGS_MAX },
    read: (cursor) => callApi("listFindings", { query: { limit: String(PAGE), cursor } }),
  });
  /** Events a second, losses a second. */
  readonly rates: Samples = new Samples(2);
  readonly #losses = new Rate();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(session: ApiSession) {
    this.session = session;
  }

  open(): void {
    this.live.listen({
      onUpdate: (update) => {
        if (update.kind === "guest") this.guests.put(update.guest);
        else if (update.kind === "guest-left") this.guests.drop(update.id);
        else if (update.kind === "finding") this.findings.put(update.finding);
      },
      onGap: () => this.reload(),
    });
    this.live.open();
    this.reload();
    this.#timer = setInterval(() => void this.#pulse(), PULSE_MS);
    void this.#pulse();
  }

  reload(): void {
    void this.guests.load();
    void this.findings.load();
  }

  /** Whether the user may do what needs a role. */
  may(role: Role): boolean {
    return ROLES.indexOf(this.session.user.role) >= ROLES.indexOf(role);
  }

  close(): void {
    clearInterval(this.#timer);
    this.live.close();
    this.guests.close();
    this.findings.close();
  }

  async #pulse(): Promise<void> {
    if (document.hidden) return;
    try {
      const { eventsPerSecond, lost } = await callApi("overview");
      const nowMs = Date.now();
      this.rates.add(nowMs, [eventsPerSecond, this.#losses.next(nowMs, lost) ?? 0]);
    } catch {
      // The page that shows figures says that they are old; a gap in the chart says when.
    }
  }
}
