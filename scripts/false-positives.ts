// SPDX-License-Identifier: Apache-2.0
// A Debian guest does ordinary work while all Linux rules watch it; every finding is a false one:
//   node scripts/bootstrap.mjs addon guest debian -- scripts/false-positives.ts \
//     [--minutes N] [--rules DIR]...
// Prints the findings by rule as a table. docs/false-positives.md has the last run, each judged.
// Needs root, debootstrap and the mirror of Debian the first time. No test: nothing here fails.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  buildDriver,
  buildInitramfs,
  guestDriverPath,
  kernelSeries,
  obtainKernel,
  startGuest,
} from "../lib/hypervisor/hypervisor.ts";
import { createRegionFile } from "../lib/transport/transport.ts";
import { debianDisk, debianFiles, FIRST_PROGRAM, INSTALLED } from "./debian-guest.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SHIPPED = join(ROOT, "rules");
const SIGMAHQ = join(ROOT, "../shared/corpora/sigma-rules/rules/linux");
const REGION_BYTES = 16 << 20;
const MEMORY_MIB = 1536;
/** What booting and ending may take beside the work, in a translated guest. */
const SPARE_MS = 10 * 60_000;

interface FindingLine {
  readonly kind: string;
  readonly id: string;
  readonly title: string;
  readonly severity: string;
  readonly count: number;
  readonly field: string;
  readonly value: string;
}

/** Findings of one rule. */
interface RuleFindings {
  readonly severity: string;
  /** By finding: how often its rule held. */
  readonly counts: Map<string, number>;
  readonly examples: Set<string>;
}

const EXAMPLES_MAX = 6;
const say = (line: string): void => console.error(line);

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "15" },
    rules: { type: "string", multiple: true, default: [SHIPPED, SIGMAHQ] },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 600)) throw new Error("--minutes needs a number from 1 to 600");
if (process.geteuid?.() !== 0) throw new Error("a Debian root file system is made by root only");
const directory = mkdtempSync(join(tmpdir(), "undercroft-false-positives-"));
try {
  await watchDebian();
} finally {
  rmSync(directory, { recursive: true });
}

async function watchDebian(): Promise<void> {
  const region = join("/dev/shm", `undercroft-false-positives-${process.pid}`);
  const disk = join(directory, "disk.img");
  const script = readFileSync(join(ROOT, "scripts/false-positives.sh"), "utf8");
  const settings = `MINUTES=${minutes}\nPACKAGES="${INSTALLED.join(" ")}"\n`;
  debianDisk(disk, script.replace("\nexport PATH", `\n${settings}export PATH`), say);
  const kernel = await obtainKernel(kernelSeries[0] ?? "", { report: say });
  const driver = await buildDriver(kernel);
  const files = await debianFiles(kernel, guestDriverPath);
  const initramfs = await buildInitramfs({ main: "", driver, files });
  createRegionFile(region, REGION_BYTES);
  const rules = gatherRules(values.rules);
  const args = ["lib/cli/cli.ts", "serve", "--json", "--rules", rules];
  const server = spawn(process.execPath, [...args, "--region", `debian=${region}`], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const serverEnd = once(server, "close");
  const findings = new Map<string, RuleFindings>();
  const reading = readFindings(createInterface({ input: server.stdout }), findings);
  try {
    const guest = await startGuest({
      ...{ kernel, initramfs, console: join(tmpdir(), "undercroft-false-positives.log") },
      ...{ memoryMiB: MEMORY_MIB, timeoutMs: minutes * 60_000 + SPARE_MS },
      region: { path: region, bytes: REGION_BYTES },
      append: `rdinit=${FIRST_PROGRAM}`,
      arguments: [
        ...["-drive", `file=${disk},if=none,id=disk,format=raw`],
        ...["-device", "virtio-blk-pci,drive=disk"],
      ],
    });
    for await (const line of guest.tapLines) say(`guest: ${line}`);
    const { poweredOff, reason } = await guest.exited;
    say(poweredOff ? "guest: powered off" : `guest: ${reason}`);
  } finally {
    server.kill("SIGINT");
    await serverEnd;
    await reading;
    rmSync(region, { force: true });
  }
  printTable(findings);
}

/** One folder of all rules, as the server takes one. */
function gatherRules(folders: readonly string[]): string {
  const all = join(directory, "rules");
  mkdirSync(all);
  for (const [index, folder] of folders.entries()) {
    if (!existsSync(folder)) throw new Error(`no rules in ${folder}; name others with --rules DIR`);
    cpSync(folder, join(all, String(index)), { recursive: true });
  }
  return all;
}

async function readFindings(
  lines: AsyncIterable<string>,
  findings: Map<string, RuleFindings>,
): Promise<void> {
  for await (const text of lines) {
    const line = JSON.parse(text) as FindingLine;
    if (line.kind === "state" || line.kind === "loss") say(`server: ${text.slice(0, 400)}`);
    if (line.kind !== "finding") continue;
    const known = findings.get(line.title);
    const { severity } = line;
    const rule = known ?? { severity, counts: new Map<string, number>(), examples: new Set() };
    findings.set(line.title, rule);
    rule.counts.set(line.id, line.count);
    if (rule.examples.size < EXAMPLES_MAX) {
      rule.examples.add(`${line.field}=${line.value}`.slice(0, 160));
    }
  }
}

function printTable(findings: ReadonlyMap<string, RuleFindings>): void {
  console.log("| Rule | Level | Findings | Times | For example |\n|---|---|---|---|---|");
  const rows = [...findings].sort((one, two) => two[1].counts.size - one[1].counts.size);
  for (const [title, { severity, counts, examples }] of rows) {
    const times = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const shown = [...examples].map((text) => text.replaceAll("|", "\\|")).join("<br>");
    console.log(`| ${title} | ${severity} | ${counts.size} | ${times} | ${shown} |`);
  }
}
