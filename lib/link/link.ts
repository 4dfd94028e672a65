// SPDX-License-Identifier: Apache-2.0
// Face of the link room: how servers join a manager, and what both say to each other from then on,
// over WebSocket and mutual TLS. docs/link.md.
export { Authority, type EnrolledServer, type Enrolment, SERVER_DAYS } from "./authority.ts";
export {
  certificateFacts,
  fingerprintOf,
  type KeyedCertificate,
  makeRequest,
} from "./certificate.ts";
export type { LinkRows, NumberedReport } from "./frames.ts";
export { enrol, type LinkIdentity, readIdentity, writeIdentity } from "./identity.ts";
export {
  type ClientHooks,
  type ClientOptions,
  LinkClient,
  type RequestContext,
} from "./link-client.ts";
export { LinkListener, type ListenerOptions } from "./link-listener.ts";
export { type QueueLimits, ReportQueue } from "./report-queue.ts";
export type { LinkHooks, RequestOptions } from "./server-peer.ts";
