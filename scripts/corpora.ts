// SPDX-License-Identifier: Apache-2.0
// `npm run corpora -- network`, `-- detection` and `-- intel`: hold the network room against
// captures, the Sigma engine against rules and events, and threat intelligence (a part of
// detection) against patterns and lists, with results that others published. The corpora lie
// outside the repository; absent ones are skipped, which is said.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchRow, commitName, machineName } from "../bench/row.ts";
import { compareWithArkime } from "../test/corpora/arkime.ts";
import type { Comparison } from "../test/corpora/comparison.ts";
import { compareLists } from "../test/corpora/intel-lists.ts";
import { compareEvents, comparePairs } from "../test/corpora/intel-misp.ts";
import { comparePatterns } from "../test/corpora/intel-patterns.ts";
import { compareJa3, compareJa4 } from "../test/corpora/ja-fingerprints.ts";
import { surviveDamage } from "../test/corpora/robustness.ts";
import { compareLoading, compareLogs, compareRegression } from "../test/corpora/sigma.ts";
import { compareSpecification } from "../test/corpora/sigma-spec.ts";
import { compareWithSuricata } from "../test/corpora/suricata.ts";
import { compareWithZeek } from "../test/corpora/zeek.ts";

interface Oracle {
  readonly corpus: string;
  readonly compare: (folder: string, seed: number) => Comparison[] | Promise<Comparison[]>;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
type Oracles = Readonly<Record<string, Oracle>>;

const network: Oracles = {
  zeek: { corpus: "zeek-btest", compare: compareWithZeek },
  suricata: { corpus: "suricata-verify", compare: compareWithSuricata },
  arkime: { corpus: "arkime-pcap", compare: compareWithArkime },
  ja4: { corpus: "ja4", compare: compareJa4 },
  ja3: { corpus: "arkime-pcap", compare: compareJa3 },
  robustness: { corpus: "tcpdump-tests", compare: surviveDamage },
};
const intel: Oracles = {
  patterns: { corpus: "stix2", compare: comparePatterns },
  pairs: { corpus: "misp-stix-mapping", compare: comparePairs },
  events: { corpus: "misp-events", compare: compareEvents },
  lists: { corpus: "ioc-lists-maltrail", compare: compareLists },
};
const detection: Oracles = {
  loading: { corpus: "sigma-rules", compare: compareLoading },
  specification: { corpus: "sigma-spec", compare: compareSpecification },
  regression: { corpus: "sigma-events", compare: compareRegression },
  logs: { corpus: "otrf-host-logs", compare: compareLogs },
  ...intel,
};
const subjects: Readonly<Record<string, Oracles>> = { network, detection, intel };
const names = (oracles: Oracles): string => Object.keys(oracles).join(", ");
const usage = `usage: npm run corpora -- network|detection|intel [--dir DIR] [--only NAME]
                                                  [--misses] [--json] [--seed NUMBER]

  --dir DIR    folder of the corpora (default ../shared/corpora)
  --only NAME  one oracle; network: ${names(network)};
               detection: ${names(detection)};
               intel: ${names(intel)}
  --misses     list each miss
  --json       one JSON object a line
`;
const { values, positionals } = parseArgs({
  options: {
    dir: { type: "string", default: resolve(root, "../shared/corpora") },
    only: { type: "string" },
    misses: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
  },
  allowPositionals: true,
});
const oracles = subjects[positionals.join()] ?? {};
const chosen = values.only === undefined ? Object.keys(oracles) : [values.only];
if (chosen.length === 0 || chosen.some((name) => oracles[name] === undefined)) {
  process.stderr.write(usage);
  process.exit(2);
}

const machine = machineName();
const commit = commitName(root);
if (!values.json) {
  console.log("| goal | row | oracle | rows | matched | % | why not |");
  console.log("|---|---|---|---:|---:|---:|---|");
}
for (const [name, oracle] of Object.entries(oracles)) {
  if (!chosen.includes(name)) continue;
  const folder = join(values.dir, oracle.corpus);
  if (!existsSync(folder)) {
    process.stderr.write(`skipped: no corpus ${oracle.corpus} in ${values.dir}\n`);
    continue;
  }
  process.stderr.write(`${name}: ${oracle.corpus}\n`);
  for (const one of await oracle.compare(folder, Number(values.seed))) print(one);
}

function print(comparison: Comparison): void {
  // What is wholly left out has no figure.
  if (values.json && comparison.wanted === 0) return;
  if (values.json) console.log(JSON.stringify({ ...rowOf(comparison), machine, commit }));
  else console.log(lineOf(comparison));
  if (!values.misses) return;
  for (const miss of comparison.misses) process.stderr.write(`${comparison.metric}: ${miss}\n`);
}

function rowOf(comparison: Comparison): BenchRow {
  const { goal, metric, peer, unit, percent, wanted, matched } = comparison;
  if (unit === "failures") {
    const value = wanted - matched;
    return { goal, metric, value, unit, peer, peer_value: null, ratio: null, n: wanted };
  }
  const value = Math.round(100 * percent) / 100;
  // The oracle agrees with itself.
  return { goal, metric, value, unit, peer, peer_value: 100, ratio: percent / 100, n: wanted };
}

function lineOf(comparison: Comparison): string {
  const { goal, metric, peer, wanted, matched, percent } = comparison;
  const share = wanted === 0 ? "-" : percent.toFixed(1);
  const cells = [goal, metric, peer, wanted, matched, share, whyNot(comparison)];
  return `| ${cells.join(" | ")} |`;
}

// Values differ from row to row: only the names of what differs make classes worth counting.
function whyNot(comparison: Comparison): string {
  const classes = new Map<string, number>();
  for (const [reason, count] of comparison.reasons) {
    const columns = [...reason.matchAll(/\s([\w.]+)=/g)].map(([, name]) => name);
    const cause = reason.includes(": differs:") ? `${reason.split(": differs:")[0]}: ` : "";
    const name = columns.length > 0 ? `${cause}differs: ${columns.join(" ")}` : reason;
    classes.set(name, (classes.get(name) ?? 0) + count);
  }
  const sorted = [...classes].sort((one, two) => two[1] - one[1]);
  const missed = sorted.map(([name, count]) => `${count} ${name}`);
  const excluded = [...comparison.excluded].map(([rule, count]) => `${count} ${rule}`);
  if (excluded.length > 0) missed.push(`not claimed: ${excluded.join(", ")}`);
  return missed.join("; ").replaceAll("|", "\\|");
}
