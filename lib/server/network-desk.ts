// SPDX-License-Identifier: Apache-2.0
// The network half of a server: the redirector's packets to the guests they belong to, network
// events to detection, and what the policy wants to the taps. Made by composition.ts.
import type { CommandOrigin } from "../channel/channel.ts";
import { isUndercroftError } from "../errors/errors.ts";
import type {
  CommandRecord,
  Detection,
  Disposition,
  Finding,
  GuestNetworkEvent,
} from "../model/model.ts";
import {
  decideTapResponse,
  planDrops,
  planIsolation,
  type TapDecision,
  type TapRule,
} from "../response/response.ts";
import type { PacketRecord } from "../wire/wire.ts";
import type { CaseDesk } from "./case-desk.ts";
import type { Emitter } from "./emitter.ts";
import type { GuestService } from "./guest-service.ts";
import type { ServerEvents } from "./reports.ts";
import type { RuleBook } from "./rule-book.ts";
import type { TapControl } from "./tap-control.ts";

export interface NetworkDeskOptions {
  readonly taps: TapControl;
  readonly rules: RuleBook;
  readonly desk: CaseDesk;
  readonly emitter: Emitter<ServerEvents>;
  readonly guest: (name: string) => GuestService | undefined;
}

/** Brings packets, events and answers of all guests together. */
export class NetworkDesk {
  readonly #options: NetworkDeskOptions;

  constructor(options: NetworkDeskOptions) {
    this.#options = options;
  }

  /** One packet of a packet ring. */
  packet(lane: number, record: PacketRecord, batch: Uint8Array): void {
    const place = this.#options.taps.place(lane);
    if (place === undefined) return;
    const { guest, slot, interfaceName } = place;
    this.#options.guest(guest)?.network.packet(slot, interfaceName, record, batch);
  }

  /** Events of one guest, with their owners as far as known. */
  events(guest: GuestService, events: readonly GuestNetworkEvent[]): void {
    const { emitter, rules } = this.#options;
    emitter.emit("network", { guest: guest.name, events });
    for (const event of events) {
      for (const detection of rules.detector.detectNetwork(event)) {
        this.#detected(guest, detection, event);
      }
    }
  }

  /**
   * Cuts a guest off but for some addresses.
   * @throws {UndercroftError} ERR_UC_REDIRECTOR_MISSING, ERR_UC_COMMAND_INVALID
   */
  isolate(
    guest: string,
    allow: readonly string[],
    expiresInMs: number | undefined,
    origin: CommandOrigin,
  ): CommandRecord {
    const expiry = expiresInMs ?? Number.MAX_SAFE_INTEGER;
    const slots = this.#options.taps.slotsOf(guest);
    const rules = slots.flatMap((slot) => planIsolation(slot, allow, expiry));
    const wanted = rules.map(({ expiresInMs: _, ...rule }) =>
      expiresInMs === undefined ? rule : { ...rule, expiresInMs },
    );
    return this.#options.taps.block(guest, wanted, origin);
  }

  #detected(guest: GuestService, detection: Detection, event: GuestNetworkEvent): void {
    const { desk, rules } = this.#options;
    const finding = desk.detection(detection, guest.processes, guest.commands);
    const decision = decideTapResponse(rules.policy, detection);
    if (decision.action === "none") return;
    const wanted = this.#wanted(guest, detection, event, decision);
    if (wanted.length > 0) this.#act(guest.name, finding, decision, wanted);
  }

  #wanted(
    guest: GuestService,
    detection: Detection,
    event: GuestNetworkEvent,
    decision: TapDecision,
  ): readonly TapRule[] {
    const { taps, rules } = this.#options;
    const planned =
      decision.action === "drop"
        ? planDrops(detection, event, decision.expiresInMs)
        : taps
            .slotsOf(guest.name)
            .flatMap((slot) =>
              planIsolation(slot, rules.policy.isolationAllow, decision.expiresInMs),
            );
    return planned.filter((rule) => !taps.has(rule));
  }

  #act(
    guest: string,
    finding: Finding,
    { action, reason, requestedBy }: TapDecision,
    wanted: readonly TapRule[],
  ): void {
    const { taps, desk } = this.#options;
    const done = action === "isolate" ? "isolate" : "drop";
    try {
      const { id, command } = taps.block(guest, wanted, { requestedBy, finding: finding.id });
      desk.report(finding, done, reason, { commandId: id, command });
    } catch (error) {
      if (!isUndercroftError(error)) throw error;
      desk.report(finding, "refused", `${reason}: ${error.message}`);
      desk.settle(finding.id, FAILED);
    }
  }
}

const FAILED: Disposition = "failed";
