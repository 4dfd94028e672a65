// SPDX-License-Identifier: Apache-2.0
// The server and the real guest core in another process, over a region file: what the guest says
// it attempted at its end equals what the server delivered and named, through overload and
// restarts. The simulator judges the same with guests of its own making.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { buildSimulatedGuest } from "../../lib/hypervisor/hypervisor.ts";
import { createServer, type Server } from "../../lib/server/server.ts";
import {
  createRegionFile,
  type IvshmemRegion,
  openIvshmemRegion,
} from "../../lib/transport/transport.ts";

const BYTES = 4 << 20;
const PLAN = { dataRings: 2 };

let path = "";
let region: IvshmemRegion | undefined;
let server: Server | undefined;

afterEach(() => {
  server?.close();
  region?.close();
  rmSync(path, { force: true });
});

interface Books {
  /** Event and control records. */
  delivered: number;
  named: number;
  unnamed: number;
  mismatches: number;
}

/** Sums over all servers of the test. */
const books: Books = { delivered: 0, named: 0, unnamed: 0, mismatches: 0 };

function begin(): Server {
  if (region === undefined) throw new Error("no region");
  const made = createServer();
  made.on("events", ({ items }) => {
    for (const item of items) {
      if (item.kind !== "loss") continue;
      if (item.reason === "unnamed") books.unnamed += item.count;
      else books.named += item.count;
    }
  });
  made.attachGuest({ name: "core", region, plan: PLAN });
  made.start();
  return made;
}

function end(): void {
  const loss = server?.stats.guests[0]?.loss;
  books.delivered += loss?.delivered ?? 0;
  books.mismatches += loss?.mismatches ?? 0;
  server?.close();
}

/** Runs the guest to its end with a server that is replaced so many times meanwhile. */
async function run(name: string, args: readonly string[], restarts: number): Promise<string> {
  Object.assign(books, { delivered: 0, named: 0, unnamed: 0, mismatches: 0 });
  const program = await buildSimulatedGuest();
  path = `/dev/shm/undercroft-test-${process.pid}-${name}`;
  createRegionFile(path, BYTES);
  region = openIvshmemRegion({ path, bytes: BYTES });
  server = begin();
  const guest = spawn(program, ["--region", path, "--cpus", "2", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  guest.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const exited = once(guest, "exit");
  for (let count = 0; count < restarts; count++) {
    await sleep(700);
    end();
    server = begin();
  }
  await exited;
  while (server.turn() > 0);
  server.setLiveness("core", "off");
  end();
  return output.trim().split("\n").at(-1) ?? "";
}

test.each([
  ["overload", ["--events", "200000"], 0],
  ["restarts", ["--rate", "1000000000", "--duration", "4"], 3],
])("%s: attempted = delivered + named", async (name, args, restarts) => {
  const told = JSON.parse(await run(name, args, restarts));
  expect(told.attempted).toBeGreaterThan(1000);
  expect(books).toEqual({
    delivered: told.written,
    named: told.lostTotal,
    unnamed: 0,
    mismatches: 0,
  });
  expect(told.attempted).toBe(told.written + told.lostTotal);
  expect(told.sessions).toBe(restarts + 1);
});
