// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment: nothing that was acknowledged is missing afterwards.
import { expect, test } from "vitest";
import { killLoop, loseFiles } from "./store-kill.ts";

test("nothing acknowledged is missing after twenty kills", async () => {
  const { acknowledged, missing, restartMs } = await killLoop(20);
  console.log(
    `${acknowledged} events acknowledged, first answer within ${restartMs.toFixed(0)} ms`,
  );
  expect(acknowledged).toBeGreaterThan(0);
  expect(missing).toEqual([]);
});

test("canary: a log that goes missing is found out", async () => {
  const { missing } = await killLoop(1, loseFiles);
  expect(missing.length).toBeGreaterThan(0);
});
