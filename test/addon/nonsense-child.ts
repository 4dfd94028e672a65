// SPDX-License-Identifier: Apache-2.0
// Child of native-arguments.test.ts: calls every native function with every kind of wrong value.
// Loads the addon file that it is given. Prints how many calls threw and how many returned.
import { type Addon, loadAddon } from "../../lib/native/native.ts";

const [path = ""] = process.argv.slice(2);
const addon: Addon = loadAddon([path]);
const fd = addon.memfdCreate("nonsense", 1 << 20);
const region = addon.regionOpen(fd, 1 << 20);
const closed = addon.regionOpen(fd, 1 << 20);
if (typeof closed !== "number") addon.regionClose(closed);
const nonsense: readonly unknown[] = [
  undefined,
  null,
  true,
  "text",
  Symbol("symbol"),
  Number.NaN,
  -1,
  0.5,
  2 ** 40,
  2 ** 60,
  -1n,
  2n ** 80n,
  {},
  [],
  () => {},
  new Uint8Array(0),
  new Uint8Array(64),
  new Uint32Array(3),
  new BigUint64Array(9),
  new Uint8Array(new SharedArrayBuffer(32)),
  region,
  closed,
];
const counts = { threw: 0, returned: 0, wrongErrors: 0 };
let state = 1;
const pick = (): unknown => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return nonsense[(state >>> 8) % nonsense.length];
};

// These would close or fill what the test itself stands on.
const skipped = new Set([
  "regionClose",
  "eventFdCreate",
  "memfdCreate",
  "eventFdRing",
  "watchStart",
]);
for (const [name, value] of Object.entries(addon)) {
  if (typeof value !== "function" || skipped.has(name)) continue;
  const call = value as (...values: unknown[]) => unknown;
  for (let round = 0; round < 4000; round++) {
    const values = Array.from({ length: round % 11 }, pick);
    // A good first argument lets the later ones be looked at.
    if (round % 2 === 0 && values.length > 0) values[0] = region;
    try {
      call(...values);
      counts.returned++;
    } catch (error) {
      counts.threw++;
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!code.startsWith("ERR_UC_")) counts.wrongErrors++;
    }
  }
}
process.stdout.write(JSON.stringify(counts));
