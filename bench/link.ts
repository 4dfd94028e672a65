// SPDX-License-Identifier: Apache-2.0
// The link over TLS on loopback, both ends in this one thread: findings from the server's call
// until all are acknowledged and out of its queue on disk, and rows of an answer.
import { join } from "node:path";
import { type LinkReport, type LinkRequest, toPlain } from "../lib/model/model.ts";
import { eventRow } from "../lib/server/server.ts";
import { exec } from "../test/unit/events.ts";
import { LinkRig, until } from "../test/unit/link/rig.ts";
import { type BenchRow, rateRow, spreadOf } from "./row.ts";
import { benchEvent } from "./store-events.ts";

const RUNS = 5;
const REPORTS = 20_000;
const ROWS = 100_000;

/** Yields the rows of the link. */
export async function* linkBench(): AsyncGenerator<BenchRow> {
  const rig = await LinkRig.open();
  try {
    const queue = rig.queue(join(rig.folder, "queue.sqlite"));
    const rows = Array.from({ length: ROWS }, (_, at) => eventRow(benchEvent(at, 1e12)));
    const client = rig.connect(await rig.enrol("bench"), queue, {
      request: async (_, context) => context.rows(rows),
    });
    await until(() => rig.listener.online.length === 1);
    const told = await rates(REPORTS, async () => {
      for (let at = 0; at < REPORTS; at++) client.report(findingOf(at));
      await until(() => queue.count === 0);
    });
    yield rateRow("link", "findings told and acknowledged", "reports/s", told, "none", undefined);
    const [id = ""] = rig.listener.online;
    const request: LinkRequest = { kind: "processes", guest: "web" };
    const answered = await rates(ROWS, async () => {
      await rig.listener.request(id, request, { timeoutMs: 600_000 });
    });
    yield rateRow("link", "rows of an answer", "rows/s", answered, "none", undefined);
  } finally {
    await rig.close();
  }
}

async function rates(count: number, run: () => Promise<void>) {
  const runs: number[] = [];
  for (let at = 0; at < RUNS; at++) {
    const beganMs = performance.now();
    await run();
    runs.push((count * 1000) / (performance.now() - beganMs));
  }
  return spreadOf(runs);
}

function findingOf(number: number): LinkReport {
  const evidence = toPlain([exec({ sequence: number })]);
  return {
    ...{ kind: "finding", guest: "a".repeat(32) },
    finding: {
      ...{ id: `${number}`.padStart(32, "0"), guest: "web", rule: "cmdline:x", title: "A title" },
      ...{ severity: "high", field: "arguments", value: "/tmp/x --evil", tags: ["indicator"] },
      ...{ firstMs: 1e12, lastMs: 1e12, count: 1, commands: [], disposition: "none", evidence },
      process: { guest: "web", boot: "b", pid: 1, processStartNs: "1", execGeneration: 1 },
    },
  };
}
