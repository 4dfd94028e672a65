// SPDX-License-Identifier: Apache-2.0
// Face of the network room: captured packets in, network events out. Pure: no clock, no I/O and no
// digest of its own, so that the same code runs live, in replay and in tests.
export * from "./analyzer.ts";
export * from "./capture-reader.ts";
export * from "./ocsf.ts";
export type { NetworkDigests } from "./parser-context.ts";
