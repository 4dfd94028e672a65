// SPDX-License-Identifier: Apache-2.0
// Face of the server room: everything that one hypervisor host's server does with its guests.
export type { ApprovalState, PendingApproval } from "./approvals.ts";
export { createServer, Server } from "./composition.ts";
export type { Listener } from "./emitter.ts";
export { EventRecorder } from "./event-recorder.ts";
export type { NetworkStats } from "./guest-network.ts";
export { ManagerLink, type ManagerLinkOptions } from "./link/manager-link.ts";
export { networkDigests } from "./network-digests.ts";
export type {
  GuestAttachment,
  IsolationOptions,
  RedirectorAttachment,
  ServerOptions,
} from "./options.ts";
export type { ProcessEntry } from "./process-table.ts";
export type {
  ApprovalChange,
  FaultReport,
  GuestBatch,
  GuestStats,
  NetworkBatch,
  ResponseRecord,
  ServerEvents,
  ServerStats,
} from "./reports.ts";
export type { HypervisorActions, HypervisorRequest } from "./responder.ts";
export { type EventRow, eventRow, type StoreSearch, searchStore } from "./store-search.ts";
export {
  findProcess,
  type ProcessQuestion,
  type StoreTrace,
  type TracedProcess,
  traceStore,
} from "./store-trace.ts";
export type { GuestInterface, InterfaceStats, TapRuleState } from "./tap-control.ts";
