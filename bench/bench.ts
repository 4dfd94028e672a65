// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- NAME [--json] [--record]`: figures beside their peers, taken in one run.
// Benchmarks judge nothing; SPECIFICATION.md says what we promise.
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchRow, commitName, machineName } from "./row.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

type Rows = AsyncIterable<BenchRow> | Iterable<BenchRow>;
type Bench = { readonly about: string; readonly load: () => Promise<Rows> };

const BENCHES: Readonly<Record<string, Bench>> = {
  ring: {
    about: "T1-T4: ring, drain and decode beside Boost, DPDK, ringbuf.js, sockets, pipe, memcpy",
    load: async () => (await import("./ring.ts")).ringBench(),
  },
  "founding-load": {
    about: "T7, T8: 100 guest processes at 1 MB/min and at 100 MB/min",
    load: async () => (await import("./founding-load.ts")).foundingLoadBench(),
  },
  "guest-cost": {
    about: "G1, G2: instructions in a real guest, beside auditd",
    load: async () => (await import("./guest-cost.ts")).guestCostBench(),
  },
  "guest-transport": {
    about: "T6: out of a real guest: the ring beside virtio-serial and TCP over a tap",
    load: async () => (await import("./guest-transport.ts")).guestTransportBench(),
  },
  doorbell: {
    about:
      "T5: a guest's event to the server's callback and a command's round trip, rung and polled",
    load: async () => (await import("./doorbell.ts")).doorbellBench(),
  },
  detection: {
    about: "D1, D4: Sigma rules loaded, events a second on one core, cost of one more rule",
    load: async () => (await import("./detection.ts")).detectionBench(),
  },
  "server-vm": {
    about: "the server in a VM of its own beside the server on the hypervisor host",
    load: async () => (await import("./server-vm.ts")).serverVmBench(),
  },
  store: {
    about: "P1-P3: events stored, folded, searched, beside SQLite; UC_STORE_EVENTS for more",
    load: async () => (await import("./store.ts")).storeBench(),
  },
  link: {
    about: "the link of a server and its manager: findings told, rows answered",
    load: async () => (await import("./link.ts")).linkBench(),
  },
  manager: {
    about: "M1, M2: a manager under simulated servers: searches, updates, statistics, API calls",
    load: async () => (await import("./manager.ts")).managerBench(),
  },
  network: {
    about: "N5, N6: captures to events beside ndpiReader and tshark; the tap beside dumpcap",
    load: async () => (await import("./network.ts")).networkBench(),
  },
  intel: {
    about: "D5: a million indicators loaded and looked up, beside a Map",
    load: async () => (await import("./intel.ts")).intelBench(),
  },
};

const HELP = `npm run bench -- NAME [--json] [--record]

  --json     one JSON object a line
  --record   append the lines to bench/history.jsonl

Names:
${Object.entries(BENCHES)
  .map(([name, bench]) => `  ${name.padEnd(17)}${bench.about}`)
  .join("\n")}
`;

function line(row: BenchRow): string {
  const number = (value: number): string =>
    Math.abs(value) >= 1000
      ? value.toLocaleString("en-US", { maximumFractionDigits: 0 })
      : value.toPrecision(4);
  const peer =
    row.peer_value === null
      ? ""
      : `   ${row.peer} ${number(row.peer_value)}   x${row.ratio?.toFixed(2)}`;
  return `${row.goal}  ${row.metric}: ${number(row.value)} ${row.unit}${peer}   (n=${row.n})`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean" },
      record: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const bench = BENCHES[positionals[0] ?? ""];
  if (values.help || bench === undefined || positionals.length !== 1) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    return values.help ? 0 : 2;
  }
  const machine = machineName();
  const commit = commitName(ROOT);
  for await (const row of await bench.load()) {
    const json = JSON.stringify({ ...row, machine, commit, time: new Date().toISOString() });
    process.stdout.write(`${values.json ? json : line(row)}\n`);
    if (values.record) appendFileSync(new URL("history.jsonl", import.meta.url), `${json}\n`);
  }
  return 0;
}

process.exitCode = await main();
