// SPDX-License-Identifier: Apache-2.0
// The loop of store-kill.test.ts, long enough to meet the rare moments.
import { expect, test } from "vitest";
import { killLoop } from "./store-kill.ts";

test("nothing acknowledged is missing after two hundred kills", async () => {
  const { acknowledged, missing, restartMs } = await killLoop(200);
  console.log(
    `${acknowledged} events acknowledged, first answer within ${restartMs.toFixed(0)} ms`,
  );
  expect(missing).toEqual([]);
});
