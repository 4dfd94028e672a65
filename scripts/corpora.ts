// SPDX-License-Identifier: Apache-2.0
// `npm run corpora -- network [--dir DIR] [--json]`: holds the network room against captures and
// results that others published. The corpora lie outside the repository; absent ones are skipped.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { analyze, readCapture } from "../test/corpora/analyze.ts";
import { compareLog, type LogResult, readZeekLog } from "../test/corpora/zeek-rows.ts";

interface ZeekTest {
  readonly trace: string;
  readonly baseline: string;
  readonly logs: readonly string[];
  readonly zeek_runs: number;
  readonly commands: readonly string[];
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  options: {
    dir: { type: "string", default: resolve(root, "../shared/corpora") },
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
  },
  allowPositionals: true,
});
const logs = ["conn", "dns", "http", "ssl", "ssh"];
const slowMs = 1000;

if (positionals[0] !== "network") {
  console.error("usage: npm run corpora -- network [--dir DIR] [--json] [--seed NUMBER]");
  process.exit(2);
}
const report = { N1: zeek(), N3: fingerprints(), N4: robustness(Number(values.seed)) };
console.log(JSON.stringify(report, undefined, values.json ? 0 : 1));

function isHere(name: string): boolean {
  const isThere = existsSync(join(values.dir, name));
  if (!isThere) console.error(`skipped: no corpus ${name} in ${values.dir}`);
  return isThere;
}

// Tests whose scripts or settings change a log are no oracle for the default; all are listed.
function zeek(): object | undefined {
  if (!isHere("zeek-btest")) return undefined;
  const folder = join(values.dir, "zeek-btest");
  const tests = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as ZeekTest[];
  const totals: Record<string, { rows: number; matched: number; percent: number }> = {};
  const misses: string[] = [];
  let cutLogs = 0;
  for (const test of tests.filter((one) => one.zeek_runs === 1)) {
    const wanted = test.logs
      .map((log) => log.replace(".log", ""))
      .filter((log) => logs.includes(log));
    if (wanted.length === 0) continue;
    const command = test.commands.join(" ");
    const verify = !/ -\w*C/.test(command);
    const events = analyze(readCapture(join(folder, "traces", test.trace)), verify);
    for (const log of wanted) {
      const text = readFileSync(join(folder, "baseline", test.baseline, `${log}.log`), "utf8");
      if (!text.includes("#fields\t")) {
        // A test that cut its log to a few columns gives no row to compare.
        cutLogs += 1;
        continue;
      }
      const result = compareLog(log, readZeekLog(text), events, / -\w*b/.test(command));
      addTotal(totals, log, result);
      for (const [reason, count] of result.reasons) {
        misses.push(`${test.baseline} ${log} ${test.trace}: ${count} ${reason}`);
      }
    }
  }
  return { totals, cutLogs, misses };
}

function addTotal(
  totals: Record<string, { rows: number; matched: number; percent: number }>,
  log: string,
  result: LogResult,
): void {
  totals[log] ??= { rows: 0, matched: 0, percent: 0 };
  const total = totals[log];
  total.rows += result.rows;
  total.matched += result.matched;
  total.percent = Math.round((1000 * total.matched) / total.rows) / 10;
}

type Expected = Readonly<Record<string, string | number>>;

function fingerprints(): object | undefined {
  if (!isHere("ja4")) return undefined;
  const folder = join(values.dir, "ja4");
  const totals = { expected: 0, matched: 0, quicNotRead: 0 };
  const misses: string[] = [];
  for (const name of readdirSync(folder).filter((file) => /\.pcap(ng)?$/.test(file))) {
    const text = readFileSync(join(folder, `${name}.expected.json`), "utf8");
    const lists = JSON.parse(text) as Readonly<Record<string, readonly Expected[]>>;
    const events = analyze(readCapture(join(folder, name)));
    const made = new Set<string>();
    for (const event of events) {
      if (event.kind === "tls") made.add(`${event.sourceAddress}:${event.sourcePort} ${event.ja4}`);
    }
    const wanted = new Set<string>();
    for (const entry of Object.values(lists).flat()) {
      const ja4 = entry.ja4 ?? entry["JA4.1"];
      const port = entry.src_port ?? entry.srcport;
      if (typeof ja4 === "string") wanted.add(`${entry.src}:${port} ${ja4}`);
    }
    for (const one of wanted) {
      totals.expected += 1;
      if (made.has(one)) totals.matched += 1;
      else if (one.includes(" q")) totals.quicNotRead += 1;
      else misses.push(`${name}: ${one}`);
    }
  }
  return { totals, misses, ja3: ja3Values() };
}

/** Arkime's sessions list the JA3 values they hold; each must be among ours for that capture. */
function ja3Values(): object | undefined {
  if (!isHere("arkime-pcap")) return undefined;
  const folder = join(values.dir, "arkime-pcap");
  const totals = { expected: 0, matched: 0 };
  const misses: string[] = [];
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".test"))) {
    const text = readFileSync(join(folder, name), "utf8");
    const lists = [...text.matchAll(/"ja3s?"\s*:\s*\[([^\]]*)\]/g)];
    const wanted = new Set(lists.flatMap(([, list]) => list?.match(/[0-9a-f]{32}/g) ?? []));
    const capture = join(folder, name.replace(/\.test$/, ".pcap"));
    if (wanted.size === 0 || !existsSync(capture)) continue;
    const made = new Set<string>();
    for (const event of analyze(readCapture(capture))) {
      if (event.kind === "tls") made.add(event.ja3).add(event.ja3s);
    }
    for (const one of wanted) {
      totals.expected += 1;
      if (made.has(one)) totals.matched += 1;
      else misses.push(`${name}: ${one}`);
    }
  }
  return { totals, misses };
}

function robustness(seed: number): object | undefined {
  if (!isHere("tcpdump-tests")) return undefined;
  const folder = join(values.dir, "tcpdump-tests");
  const result = { captures: 0, runs: 0, crashes: 0, hangs: 0, rssMegabytes: 0 };
  const failed: string[] = [];
  let state = seed >>> 0 || 1;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  for (const name of readdirSync(folder).filter((file) => /\.pcap(ng)?$/.test(file))) {
    const bytes = readCapture(join(folder, name));
    result.captures += 1;
    for (let run = 0; run < 4; run += 1) {
      const copy = bytes.slice();
      const flips = run === 0 ? 0 : Math.max(1, copy.length >> (8 - 2 * run));
      for (let flip = 0; flip < flips && copy.length > 24; flip += 1) {
        const at = 24 + (random() % (copy.length - 24));
        copy[at] = (copy[at] as number) ^ (1 << (random() & 7));
      }
      const startMs = performance.now();
      result.runs += 1;
      try {
        analyze(copy);
      } catch (cause) {
        result.crashes += 1;
        failed.push(`${name} run ${run}: ${cause instanceof Error ? cause.stack : cause}`);
      }
      if (performance.now() - startMs > slowMs) {
        result.hangs += 1;
        failed.push(`${name} run ${run}: slow`);
      }
      result.rssMegabytes = Math.max(result.rssMegabytes, process.memoryUsage.rss() >> 20);
    }
  }
  return { ...result, seed, failed };
}
