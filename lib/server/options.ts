// SPDX-License-Identifier: Apache-2.0
// What callers give a server: how it shall work, and what it shall serve. Read by composition.ts.
import type { IndicatorStore, SigmaRuleSet } from "../detect/detect.ts";
import type { Indicator } from "../model/model.ts";
import type { ResponsePolicy } from "../response/response.ts";
import type { Clock } from "../time/time.ts";
import type { Region } from "../transport/transport.ts";
import type { RegionPlan } from "../wire/wire.ts";
import type { HypervisorActions } from "./responder.ts";
import type { GuestInterface } from "./tap-control.ts";

export interface ServerOptions {
  readonly clock?: Clock;
  /** A store that is given is the server's from then on: change it by {@link Server} only. */
  readonly indicators?: IndicatorStore | readonly Indicator[];
  /** Sigma rules that guests' events are held against. */
  readonly sigma?: SigmaRuleSet;
  readonly policy?: ResponsePolicy;
  /** Pauses guests and takes snapshots where the policy wants it. Absent: that is refused. */
  readonly hypervisor?: HypervisorActions;
  /**
   * Longest pause between two looks at idle rings; ten times that where looking is costly. Rings
   * with a doorbell are looked at when it rings, and some dozen times a second. Default 10.
   */
  readonly pauseMsMax?: number;
  /** How often the pages of a guest are looked at. Default 50. */
  readonly controlMs?: number;
  /** A heartbeat that stands still this long makes a guest silent. Default 2500. */
  readonly silenceMs?: number;
  /** Ask guests for a CRC-32C of each record. Default false. */
  readonly checksums?: boolean;
  /** Source of session ids and the like; given by the simulator only. */
  readonly randomBytes?: (count: number) => Uint8Array;
}

/** A guest to serve. The region stays the caller's: close it after detaching. */
export interface GuestAttachment {
  readonly name: string;
  readonly region: Region;
  /** 128-bit id, as a UUID or 32 hex digits. Default: derived from the name. */
  readonly id?: string;
  /** How the region is divided; its size is the region's own. */
  readonly plan?: Omit<RegionPlan, "regionBytes">;
  /** Its network interfaces, watched by the redirector once a driver has registered. */
  readonly interfaces?: readonly GuestInterface[];
}

/** A redirector to serve. The region stays the caller's: close it after detaching. */
export interface RedirectorAttachment {
  readonly name: string;
  readonly region: Region;
  /** Packet rings, one for each interface that can be watched at once. Default 16. */
  readonly packetRings?: number;
}

/** How a guest is cut off from the network. */
export interface IsolationOptions {
  /** Addresses and ranges that it may still reach. */
  readonly allow?: readonly string[];
  /** Default: until it is released. */
  readonly expiresInMs?: number;
}
