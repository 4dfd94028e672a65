// SPDX-License-Identifier: Apache-2.0
// Face of the channel room: records of guests in, commands to guests out, and exact accounting of
// both. Used by the server.
export * from "./command-channel.ts";
export * from "./data-channel.ts";
export * from "./drain-loop.ts";
export * from "./guest-clock.ts";
export type { DoorbellStats } from "./guest-doorbell.ts";
export * from "./guest-stream.ts";
export * from "./loss-ledger.ts";
export * from "./packet-stream.ts";
