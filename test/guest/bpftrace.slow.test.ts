// SPDX-License-Identifier: Apache-2.0
// The bpftrace script that is shipped for guests, in a real guest beside our driver: both must
// count the same between two marker programs. Slow: bpftrace and its compiler are 200 MB.
import { join } from "node:path";
import { expect, it } from "vitest";
import { runDriver } from "./driver-run.ts";
import { librariesOf } from "./programs.ts";

const PROGRAM = "/usr/bin/bpftrace";
const SCRIPT = join(import.meta.dirname, "../../hypervisor/bpftrace/guest-truth.bt");

it("guest-truth.bt and the driver count the same", async () => {
  const side = await runDriver("6.1", {
    cpus: 1,
    memoryMiB: 2048,
    cases: [["bpftrace"]],
    limitSeconds: 240,
    files: [
      { path: "/bin/bpftrace", source: { file: PROGRAM }, mode: 0o755 },
      { path: "/uc/guest-truth.bt", source: { file: SCRIPT } },
      ...librariesOf([PROGRAM]),
    ],
  });
  const marker = (name: string): number =>
    side.events.findIndex(
      (event) => event.kind === "process.exec" && event.requestedPath === `/tmp/uc-marks/${name}`,
    );
  const first = side.events[marker("uc-truth-begin")];
  const last = side.events[marker("uc-truth-end")];
  if (first === undefined || last === undefined) throw new Error("the markers were not reported");
  const events = side.events.filter(
    ({ sequence }) => sequence >= first.sequence && sequence <= last.sequence,
  );
  const count = (kind: string): number => events.filter((event) => event.kind === kind).length;
  const counted = Object.fromEntries(
    (side.told.get("counted") ?? []).map((line) => {
      const [word = "", number] = line.split(" ");
      return [word, Number(number)];
    }),
  );
  expect(counted).toEqual({
    exec: count("process.exec"),
    exit: count("process.exit"),
    connect: count("socket.connect"),
    // The guest's root, and what the driver leaves out.
    rootfs: count("file.open"),
    proc: 1,
  });
  expect(counted.exec).toBeGreaterThan(100);
});
