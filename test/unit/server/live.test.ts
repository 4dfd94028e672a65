// SPDX-License-Identifier: Apache-2.0
// The server on its own loop and the machine's clock: nothing turns it but start().
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createServer } from "../../../lib/server/server.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";

test("a guest registers, is monitored and its records arrive", async () => {
  const guest = new SimulatedGuest({
    name: "live",
    index: 0,
    regionBytes: 1 << 20,
    random: new Random(1),
    forgetful: false,
  });
  const server = createServer();
  let events = 0;
  server.on("events", ({ items }) => {
    events += items.filter(({ kind }) => kind !== "loss").length;
  });
  server.attachGuest({ name: guest.name, region: guest.region });
  server.start();
  guest.boot(performance.now());
  const until = async (holds: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 1000 && !holds(); tries++) {
      guest.step(performance.now());
      await sleep(5);
    }
    expect(holds()).toBe(true);
  };
  await until(() => server.stats.guests[0]?.guest.state === "monitored");
  guest.work(performance.now(), 200);
  await until(() => events === guest.truth.publishedEvents && events >= 200);
  server.detachGuest(guest.name);
  server.close();
  guest.region.close();
});
