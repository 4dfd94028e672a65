// SPDX-License-Identifier: Apache-2.0
// Goal N1: network events against the logs that Zeek wrote for the same captures. Called by the
// corpora run; the comparison of rows and the columns in scope are in zeek-rows.ts.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { analyze, readCapture } from "./analyze.ts";
import { type Comparison, Comparisons } from "./comparison.ts";
import { compareDhcpLog } from "./zeek-dhcp.ts";
import { compareLog, readZeekLog } from "./zeek-rows.ts";
import { causeOf, excludingRule } from "./zeek-scope.ts";
import { compareSmbLog } from "./zeek-smb.ts";

interface ZeekTest {
  readonly trace: string;
  readonly baseline: string;
  readonly logs: readonly string[];
  readonly zeek_runs: number;
  readonly commands: readonly string[];
}

const logs = ["conn", "dns", "http", "ssl", "ssh", "dhcp", "smb_files", "smb_mapping"];

/** Rows of each log: wanted, matched, why not. */
export function compareWithZeek(folder: string): Comparison[] {
  const manifest = readFileSync(join(folder, "manifest.json"), "utf8");
  const comparisons = new Comparisons("N1", "zeek");
  for (const test of JSON.parse(manifest) as ZeekTest[]) compareTest(folder, test, comparisons);
  return comparisons.all();
}

function compareTest(folder: string, test: ZeekTest, comparisons: Comparisons): void {
  const wanted = test.logs
    .map((log) => log.replace(".log", ""))
    .filter((log) => logs.includes(log));
  if (wanted.length === 0) return;
  const rule = test.zeek_runs === 1 ? excludingRule(test) : "log of several Zeek runs";
  if (rule !== undefined) {
    for (const log of wanted) comparisons.of(`${log} rows`).exclude(rule);
    return;
  }
  const command = test.commands.join(" ");
  const verify = !/ -\w*C/.test(command);
  const isBare = / -\w*b/.test(command);
  const events = analyze(readCapture(join(folder, "traces", test.trace)), verify);
  for (const log of wanted) {
    const comparison = comparisons.of(`${log} rows`);
    const text = readFileSync(join(folder, "baseline", test.baseline, `${log}.log`), "utf8");
    if (!text.includes("#fields\t")) {
      comparison.exclude("log cut to a few columns");
      continue;
    }
    if (log.startsWith("smb_")) {
      compareSmbLog(log, readZeekLog(text), events, test.baseline, comparison);
      continue;
    }
    if (log === "dhcp") {
      compareDhcpLog(readZeekLog(text), events, command, test.baseline, comparison);
      continue;
    }
    const result = compareLog(log, readZeekLog(text), events, isBare);
    comparison.hit(result.matched);
    for (const [reason, count] of result.reasons) {
      if (reason.startsWith("rows too many")) continue;
      const cause = `${causeOf(log, test.baseline)}: ${reason}`;
      comparison.miss(cause, `${test.baseline} ${log} ${test.trace}`, count);
    }
  }
}
