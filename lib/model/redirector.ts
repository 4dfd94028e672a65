// SPDX-License-Identifier: Apache-2.0
// What a server and a redirector tell each other: interfaces to watch, rules at the tap, counts.

/** mirror: a copy of what passes. inline: every packet passes through the redirector. */
export type RedirectMode = "mirror" | "inline" | "replay";

/** Holds at the tap of one interface of one guest, for packets in both directions. */
export interface BlockRule {
  /** Chosen by the server, unique among all rules of a redirector. */
  readonly id: bigint;
  /** The server's number of one interface of one guest. */
  readonly slot: number;
  /** isolate: everything but what allow rules of the slot name. allow goes before drop. */
  readonly action: "drop" | "allow" | "isolate";
  /** The guest's peer: an address or `ADDRESS/BITS`; absent: any. */
  readonly remote?: string;
  /** The guest's own address; absent: any. */
  readonly local?: string;
  /** IP protocol number; absent: any. */
  readonly protocol?: number;
  readonly remotePort?: number;
  readonly localPort?: number;
  /** Milliseconds from now after which it no longer holds; absent: until removed. */
  readonly expiresInMs?: number;
}

export type RedirectorCommand =
  | {
      readonly kind: "redirect-start";
      readonly slot: number;
      /** Packet ring to write into. */
      readonly lane: number;
      readonly mode: RedirectMode;
      /** Longest part of a packet to keep. */
      readonly snapBytes: number;
      /** Inline: traffic goes on without us when the redirector dies. */
      readonly failOpen: boolean;
      /** 32 hex digits. */
      readonly guestId: string;
      readonly interfaceName: string;
      /** Inline: name of the tap that the redirector makes; empty else. */
      readonly uplinkName: string;
    }
  | { readonly kind: "redirect-stop"; readonly slot: number }
  | { readonly kind: "block-add"; readonly rules: readonly BlockRule[] }
  | { readonly kind: "block-remove"; readonly ids: readonly bigint[] }
  | { readonly kind: "block-list" };

/** Counts of one slot since it was started: seen = kept + lostKernel + lostRing. */
export interface RedirectCounts {
  readonly seen: number;
  readonly kept: number;
  /** Kept, but not whole. */
  readonly shortened: number;
  readonly lostKernel: number;
  readonly lostRing: number;
  /** Inline: by a rule. */
  readonly dropped: number;
  readonly forwarded: number;
  readonly seenBytes: number;
  readonly keptBytes: number;
}

/** A redirector tells how it stands with a slot. */
export interface RedirectStatus extends RedirectCounts {
  readonly kind: "redirect.status";
  readonly sequence: number;
  readonly slot: number;
  readonly state: "running" | "stopped" | "gone" | "unknown";
  readonly mode: RedirectMode | "unknown";
  /** Positive errno that led to the state, 0 when none. */
  readonly detail: number;
}

/** One rule in force, as the redirector lists it. */
export interface BlockRuleReport {
  readonly kind: "block.rule";
  readonly sequence: number;
  readonly rule: BlockRule;
}
