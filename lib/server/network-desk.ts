// SPDX-License-Identifier: Apache-2.0
// The network half of a server: the redirector's packets to the guests they belong to, and network
// events to detection. Made by composition.ts.
import type { CommandOrigin } from "../channel/channel.ts";
import type { CommandRecord, GuestNetworkEvent } from "../model/model.ts";
import { planIsolation } from "../response/response.ts";
import type { PacketRecord } from "../wire/wire.ts";
import type { CaseDesk } from "./case-desk.ts";
import type { Emitter } from "./emitter.ts";
import type { GuestService } from "./guest-service.ts";
import type { ServerEvents } from "./reports.ts";
import type { Responder } from "./responder.ts";
import type { RuleBook } from "./rule-book.ts";
import type { TapControl } from "./tap-control.ts";

export interface NetworkDeskOptions {
  readonly taps: TapControl;
  readonly rules: RuleBook;
  readonly desk: CaseDesk;
  readonly responder: Responder;
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
    const { desk, emitter, responder, rules } = this.#options;
    emitter.emit("network", { guest: guest.name, events });
    for (const event of events) {
      for (const detection of rules.detector.detectNetwork(event)) {
        responder.respond(detection, desk.detection(detection, guest.processes), guest);
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
}
