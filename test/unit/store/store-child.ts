// SPDX-License-Identifier: Apache-2.0
// Stores numbered events until it is killed, and says each number after it was acknowledged. Run
// by store-kill.ts with the store's folder, the key in hexadecimal and the first number.
import { createSecretKey } from "node:crypto";
import { writeSync } from "node:fs";
import { openEventStore } from "../../../lib/store/store.ts";
import { file } from "../events.ts";

const [folder = "", key = "", first = "0"] = process.argv.slice(2);
const store = await openEventStore({
  folder,
  key: createSecretKey(key, "hex"),
  flushMs: 1,
  limits: { logRows: 400 },
});
writeSync(1, "open\n");
const BATCH = 20;
for (let number = Number(first); ; number += BATCH) {
  const events = Array.from({ length: BATCH }, (_, at) =>
    file({ sequence: number + at, pid: number + at, timeMs: Date.now(), path: `/srv/${number}` }),
  );
  await store.append(events);
  writeSync(1, `${number + BATCH}\n`);
}
