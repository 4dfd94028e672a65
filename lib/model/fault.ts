// SPDX-License-Identifier: Apache-2.0
// Guest faults: what a region did that it must not. Values, never exceptions; the numbers are
// those of guest-drivers/wire/uc_wire.h, negated as a drain returns them.

/** Fault names by the number that a drain returns, negated. */
export const FAULT_NAMES = [
  "OK",
  "E_TAIL_RANGE",
  "E_TAIL_ALIGN",
  "E_LEN_LIMIT",
  "E_LEN_AVAIL",
  "E_CROSS_END",
  "E_PAD_PLACE",
  "E_TYPE_ZERO",
  "E_FLAGS",
  "E_CHECK",
  "E_SEQ",
  "E_SESSION",
  "E_HEAD_RANGE",
  "E_HELLO",
  "E_MAPPING",
] as const;

export type FaultName = Exclude<(typeof FAULT_NAMES)[number], "OK">;

/** One breach of the ring rules by one guest. */
export interface GuestFault {
  readonly fault: FaultName;
  /** Which ring: its place in the directory, or -1 for the region's own pages. */
  readonly ring: number;
}

/** Names a negative drain result. */
export function faultName(result: number): FaultName {
  const name = FAULT_NAMES[-result];
  if (name === undefined || name === "OK") throw new RangeError(`${result} is no fault number`);
  return name;
}
