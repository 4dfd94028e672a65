// SPDX-License-Identifier: Apache-2.0
// Face of the model room: the words that all other rooms share. Types and constants only.
export * from "./api.ts";
export type * from "./command.ts";
export type * from "./event.ts";
export * from "./event-fields.ts";
export * from "./event-shapes.ts";
export * from "./fault.ts";
export type * from "./finding.ts";
export type * from "./guest.ts";
export type * from "./indicator.ts";
export * from "./link.ts";
export type * from "./network-event.ts";
export * from "./plain.ts";
export type * from "./redirector.ts";
export * from "./ring.ts";
