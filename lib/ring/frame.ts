// SPDX-License-Identifier: Apache-2.0
// What both ends of a ring share: limits, alignment and the check of a frame. Used by this room
// only; everything here works on private numbers, never on the region.
import { UndercroftError } from "../errors/errors.ts";
import type { RingPlacement } from "../model/model.ts";
import {
  CHECK_MULTIPLIER,
  PAGE_BYTES,
  RECORD_BYTES_MAX,
  RING_CAPACITY_LOG2_MAX,
  RING_CAPACITY_LOG2_MIN,
} from "../wire/wire.ts";

/** Rounds up to the frame alignment of 16. */
export const alignFrame = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Check of a frame without CRC-32C, as an unsigned number. */
export const plainCheck = (sessionId: number, sequence: number): number =>
  (sessionId ^ Math.imul(sequence, CHECK_MULTIPLIER)) >>> 0;

/** Largest payload of a ring: the configured limit, 64 KiB or an eighth, whichever is least. */
export function payloadLimit(placement: RingPlacement, recordBytesMax: number): number {
  return Math.min(recordBytesMax, RECORD_BYTES_MAX, 2 ** placement.capacityLog2 / 8);
}

/**
 * Refuses a placement that does not lie in the memory, page-aligned.
 * @throws {UndercroftError} ERR_UC_LAYOUT
 */
export function checkPlacement(placement: RingPlacement, memoryBytes: number): void {
  const { capacityLog2, ringOffset, producerOffset, consumerOffset } = placement;
  const fits = (offset: number, bytes: number): boolean =>
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    offset % PAGE_BYTES === 0 &&
    offset + bytes <= memoryBytes;
  const isValid =
    Number.isInteger(capacityLog2) &&
    capacityLog2 >= RING_CAPACITY_LOG2_MIN &&
    capacityLog2 <= RING_CAPACITY_LOG2_MAX &&
    fits(ringOffset, 2 ** capacityLog2) &&
    fits(producerOffset, PAGE_BYTES) &&
    fits(consumerOffset, PAGE_BYTES);
  if (!isValid) throw layoutError();
}

/** The one answer to a ring whose configuration contradicts itself. */
export function layoutError(): UndercroftError {
  return new UndercroftError("ERR_UC_LAYOUT", "the ring does not fit its region");
}

/** @throws {UndercroftError} ERR_UC_ARGUMENT */
export function checkSession(sessionId: number): void {
  if (Number.isInteger(sessionId) && sessionId >= 0 && sessionId <= 0xffff_ffff) return;
  throw new UndercroftError("ERR_UC_ARGUMENT", `${sessionId} is not a 32-bit session id`);
}

/** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
export function checkOpen(isOpen: boolean): void {
  if (!isOpen) throw new UndercroftError("ERR_UC_REGION_CLOSED", "the ring is closed");
}
