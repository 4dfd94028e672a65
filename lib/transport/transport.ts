// SPDX-License-Identifier: Apache-2.0
// Face of the transport room: one interface over every way to reach a region.
export type * from "./region.ts";
