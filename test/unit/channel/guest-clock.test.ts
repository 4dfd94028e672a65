// SPDX-License-Identifier: Apache-2.0
// The guest's clock is estimated from samples that are always a little late.
import { expect, test } from "vitest";
import { GuestClock } from "../../../lib/channel/channel.ts";
import { ManualClock } from "../../../lib/time/time.ts";

test("late samples do not move it, earlier ones and pauses do", () => {
  const clock = new ManualClock(0n);
  const guest = new GuestClock(clock);
  clock.advance(1000);
  guest.start(5_000_000_000n);
  expect(guest.offsetMs).toBe(-4000);
  expect(guest.nowNs(500)).toBe(5_500_000_000n);
  clock.advance(100);
  guest.take(5_060_000_000n);
  expect(guest.offsetMs).toBe(-4000);
  guest.take(5_110_000_000n);
  expect(guest.offsetMs).toBe(-4010);
  clock.advance(10_000);
  guest.take(5_200_000_000n);
  expect(guest.nowNs()).toBe(5_200_000_000n);
  expect(guest.offsetMs).toBe(5900);
});
