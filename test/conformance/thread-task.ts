// SPDX-License-Identifier: Apache-2.0
// What the two threads of threads.test.ts agree on.

export interface ThreadTask {
  /** A path to open anew, or memory that both threads hold. */
  readonly memory: string | SharedArrayBuffer;
  readonly bytes: number;
  readonly features: bigint;
  readonly count: number;
  /** Set to 1 once the session has begun on the writing end. */
  readonly ready: Int32Array;
}

/** Payload of one record: its length, first word and every byte follow from its number. */
export function numberedPayload(number: number): Uint8Array {
  const payload = new Uint8Array(8 + (number % 397)).fill(number & 0xff);
  new DataView(payload.buffer).setUint32(0, number, true);
  return payload;
}
