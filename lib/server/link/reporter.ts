// SPDX-License-Identifier: Apache-2.0
// What happens in a server, as reports to its manager. Made by manager-link.ts. TRUST: texts of
// guests and of indicators are cut to what the link carries, so that none can stop a report.
import {
  type Finding,
  type LinkGuest,
  type LinkReport,
  type Plain,
  toPlain,
} from "../../model/model.ts";
import type { GuestRecord } from "../../registry/registry.ts";
import type { Server } from "../composition.ts";
import type { ResponseRecord } from "../reports.ts";
import type { GuestNames } from "./guest-names.ts";

const NAME_MAX = 256;
const TEXT_MAX = 4096;
/** Characters of a finding's evidence as JSON: one event fits, whatever a guest wrote into it. */
const EVIDENCE_MAX = 250_000;
const TAGS_MAX = 256;
const TAG_MAX = 1024;
const COMMANDS_MAX = 4096;

/** Hears a server and tells. */
export class LinkReporter {
  readonly #server: Server;
  readonly #tell: (report: LinkReport) => void;
  readonly #stop: ReadonlyArray<() => void>;
  readonly #names: GuestNames;
  /** Ids by name, of guests that are or were served since the start. */
  readonly #ids = new Map<string, string>();
  readonly #isolated = new Set<string>();

  constructor(server: Server, names: GuestNames, tell: (report: LinkReport) => void) {
    this.#server = server;
    this.#names = names;
    this.#tell = tell;
    for (const { guest } of server.stats.guests) this.#learn(guest);
    this.#stop = [
      server.on("attached", (guest) => {
        this.#learn(guest);
        this.#tellGuest(guest.name);
      }),
      server.on("detached", ({ id }) => {
        this.#isolated.delete(id);
        this.#tell({ kind: "guest-left", id, timeMs: Date.now() });
      }),
      server.on("state", (change) => {
        const { guest, from, to, timeMs } = change;
        const cut = { guest, from, to, timeMs, reason: short(change.reason, TEXT_MAX) };
        this.#tell({ kind: "guest-state", id: this.idOf(guest), change: cut });
        // Only now is it known which driver is there.
        if (to === "registered") this.#tellGuest(guest);
      }),
      server.on("finding", (finding) => this.#finding(finding)),
      server.on("command", (command) => {
        this.refresh();
        // What the server wants of every guest by itself says nothing to anybody.
        if (command.requestedBy === "server") return;
        const guest = this.idOf(command.guest);
        this.#tell({ kind: "command", guest, command: toPlain(command) });
      }),
      server.on("response", (response) => this.#response(response)),
      server.on("approval", ({ approval, state }) => {
        const guest = this.idOf(approval.guest);
        const reason = short(approval.reason, TEXT_MAX);
        this.#tell({ kind: "approval", guest, approval: { ...approval, guest, reason, state } });
      }),
      server.on("fault", ({ guest, fault, reason, timeMs }) => {
        const place = { guest: this.idOf(guest), fault, timeMs };
        this.#tell({ kind: "fault", ...place, reason: short(reason, TEXT_MAX) });
      }),
    ];
  }

  /** All guests as they are now. */
  get guests(): readonly LinkGuest[] {
    const isolated = this.#isolatedNow();
    return this.#server.stats.guests.map(({ guest }) => linkGuest(guest, isolated.has(guest.name)));
  }

  /** The id of a guest; of a redirector, which has none at the manager, its name. */
  idOf(name: string): string {
    return this.#ids.get(name) ?? name;
  }

  /** The name under which events of a guest are stored. */
  nameOf(id: string): string | undefined {
    return this.#names.get(id);
  }

  /** Tells of guests that are cut off now or no longer; rules at taps also end by themselves. */
  refresh(): void {
    const isolated = this.#isolatedNow();
    for (const [name, id] of this.#ids) {
      if (isolated.has(name) === this.#isolated.has(id)) continue;
      if (isolated.has(name)) this.#isolated.add(id);
      else this.#isolated.delete(id);
      this.#tellGuest(name);
    }
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #isolatedNow(): ReadonlySet<string> {
    const isIsolation = this.#server.tapRules.filter(
      ({ rule, state }) => rule.action === "isolate" && state === "in-force",
    );
    return new Set(isIsolation.map(({ guest }) => guest));
  }

  #learn({ name, id }: GuestRecord): void {
    this.#ids.set(name, id);
    this.#names.learn(id, name);
  }

  #tellGuest(name: string): void {
    const guest = this.guests.find((one) => one.name === name);
    if (guest !== undefined) this.#tell({ kind: "guest", guest });
  }

  #finding(finding: Finding): void {
    const guest = this.idOf(finding.guest);
    this.#tell({ kind: "finding", guest, finding: cutFinding(toPlain(finding)) });
  }

  #response({ action, wanted, reason, commandId, finding, guest, timeMs }: ResponseRecord): void {
    const id = this.idOf(guest);
    const why = wanted === undefined ? reason : `${wanted}: ${reason}`;
    const response = {
      ...{ finding, guest: id, action, reason: short(why, TEXT_MAX), timeMs },
      ...(commandId === undefined ? {} : { command: String(commandId) }),
    };
    this.#tell({ kind: "response", guest: id, response });
  }
}

function linkGuest(guest: GuestRecord, isIsolated: boolean): LinkGuest {
  const { id, name, state, stateSinceMs: sinceMs, stateReason, boot, driver } = guest;
  return {
    ...{ id, name: short(name, NAME_MAX), state, sinceMs, reason: short(stateReason, TEXT_MAX) },
    ...{ boot, isIsolated, ...(driver === undefined ? {} : { driver: toPlain(driver) }) },
  };
}

function cutFinding(finding: Plain<Finding>): Plain<Finding> {
  const { rule, title, value, tags, commands } = finding;
  const evidence: Plain<Finding>["evidence"][number][] = [];
  let left = EVIDENCE_MAX;
  for (const event of finding.evidence) {
    left -= JSON.stringify(event).length;
    if (left < 0) break;
    evidence.push(event);
  }
  return {
    ...{ ...finding, rule: short(rule, TAG_MAX), title: short(title, TEXT_MAX), evidence },
    value: short(value, TEXT_MAX * 4),
    tags: tags.slice(0, TAGS_MAX).map((tag) => short(tag, TAG_MAX)),
    commands: commands.slice(-COMMANDS_MAX),
  };
}

const short = (text: string, lengthMax: number): string =>
  text.length > lengthMax ? `${text.slice(0, lengthMax - 3)}...` : text;
