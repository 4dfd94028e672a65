// SPDX-License-Identifier: Apache-2.0
// Face of the server room: everything that one hypervisor host's server does with its guests.
export { createServer, type GuestAttachment, Server, type ServerOptions } from "./composition.ts";
export type { Listener } from "./emitter.ts";
export type {
  FaultReport,
  GuestBatch,
  GuestStats,
  ResponseRecord,
  ServerEvents,
  ServerStats,
} from "./reports.ts";
