// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- [target...] [--seconds N] [--json]`: builds the fuzz targets with clang and
// runs them; `network [--seed N]` alone is network-fuzz.ts. The canary comes first: a drain with a
// planted hole, which must be found, or nothing that follows means anything. What was learned
// stays in build/fuzz, what was found in build/fuzz/found.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fuzzNetwork } from "./network-fuzz.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILD = join(ROOT, "build/fuzz");
const SECONDS_DEFAULT = 60;
const CANARY_SECONDS_MAX = 60;
const INPUT_BYTES_MAX = 4096;

interface Target {
  readonly name: string;
  readonly about: string;
  readonly sources: readonly string[];
  readonly defines: readonly string[];
}

const DRAIN = ["fuzz/drain-fuzz.c", "addon/drain.c", "addon/crc32c.c"];
const CANARY: Target = {
  name: "canary",
  about: "a drain with a planted hole",
  sources: DRAIN,
  defines: ["UC_FUZZ_CANARY"],
};
const TARGETS: readonly Target[] = [
  { name: "drain", about: "programs of a hostile guest", sources: DRAIN, defines: [] },
  {
    name: "drain-race",
    about: "the same while a second thread rewrites the ring",
    sources: DRAIN,
    defines: ["UC_FUZZ_RACE"],
  },
  {
    name: "producer",
    about: "a command ring whose guest lies about its head",
    sources: ["fuzz/producer-fuzz.c", "addon/producer.c", "addon/drain.c", "addon/crc32c.c"],
    defines: [],
  },
];

interface Outcome {
  readonly executions: number;
  readonly spans: number;
  readonly ranSeconds: number;
  readonly hasCrashed: boolean;
  readonly log: string;
}

/** Rings of the wire vectors as raw input: what every decoder of the project must agree on. */
function writeSeeds(): string {
  interface VectorRing {
    readonly features: string;
    readonly tail: string;
    readonly ringHex: string;
  }
  const read = (name: string) =>
    JSON.parse(readFileSync(join(ROOT, "guest-drivers/wire/vectors", name), "utf8"));
  const rings: readonly VectorRing[] = [...read("rings.json"), ...read("malformed.json").rings];
  const folder = join(BUILD, "seeds");
  mkdirSync(folder, { recursive: true });
  for (const [index, { features, tail, ringHex }] of rings.entries()) {
    const units = Number(BigInt.asUintN(16, BigInt(tail) / 16n));
    const head = [0x80 | (features === "1" ? 0x40 : 0) | 0x3c, units & 0xff, units >>> 8];
    writeFileSync(
      join(folder, `ring-${index}`),
      Buffer.concat([Buffer.from(head), Buffer.from(ringHex, "hex")]),
    );
  }
  return folder;
}

function build(target: Target): string {
  const program = join(BUILD, target.name);
  const sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"];
  const result = spawnSync(
    "clang",
    [
      ...["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", ...sanitizers],
      ...target.defines.map((name) => `-D${name}`),
      ...target.sources.map((source) => join(ROOT, source)),
      ...["-o", program, "-lpthread"],
    ],
    { encoding: "utf8" },
  );
  if (result.error !== undefined) fail(`clang does not run: ${result.error.message}`);
  if (result.status !== 0) fail(`${target.name} does not build\n${result.stderr}`);
  return program;
}

function run(target: Target, seconds: number, seeds: readonly string[] = []): Outcome {
  const program = build(target);
  const learned = join(BUILD, `corpus-${target.name}`);
  const found = join(BUILD, "found/");
  for (const folder of [learned, found]) mkdirSync(folder, { recursive: true });
  const startMs = Date.now();
  const result = spawnSync(
    program,
    [
      `-max_total_time=${seconds}`,
      `-max_len=${INPUT_BYTES_MAX}`,
      "-timeout=10",
      "-print_final_stats=1",
      `-artifact_prefix=${found}${target.name}-`,
      learned,
      ...seeds,
    ],
    { encoding: "utf8", maxBuffer: 1 << 28, timeout: (seconds + 60) * 1000 },
  );
  const log = result.stderr;
  const executions = Number(/number_of_executed_units: (\d+)/.exec(log)?.[1] ?? 0);
  const spans = Number(/totals: .*spans (\d+)/.exec(log)?.[1] ?? 0);
  const ranSeconds = (Date.now() - startMs) / 1000;
  const hasCrashed = result.status !== 0;
  return { executions, spans, ranSeconds, hasCrashed, log };
}

function fail(message: string): never {
  console.error(`fuzz: ${message}`);
  process.exit(1);
}

function chosen(names: readonly string[]): readonly Target[] {
  const unknown = names.find((name) => !TARGETS.some((target) => target.name === name));
  if (unknown !== undefined) {
    const known = TARGETS.map((target) => `${target.name}: ${target.about}`).join("\n  ");
    fail(
      `no target is called ${unknown}; there are\n  ${known}\n  network: alone, changed captures`,
    );
  }
  return names.length === 0 ? TARGETS : TARGETS.filter((target) => names.includes(target.name));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string" },
      seed: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const seconds = Number(values.seconds ?? SECONDS_DEFAULT);
  if (!(seconds >= 1)) fail(`--seconds ${values.seconds}: give a number of at least 1`);
  if (positionals.join() === "network") {
    const seed = Number(values.seed ?? Date.now() % 2 ** 31);
    if (!Number.isInteger(seed)) fail(`--seed ${values.seed}: give a whole number`);
    process.exitCode = await fuzzNetwork(seconds, seed, values.json);
    return;
  }
  const targets = chosen(positionals);
  const say = (line: string) => {
    if (!values.json) console.log(line);
  };
  mkdirSync(BUILD, { recursive: true });

  const canary = run(CANARY, CANARY_SECONDS_MAX);
  const isFound = canary.hasCrashed && canary.log.includes("must hold");
  say(`canary: ${isFound ? `found after ${canary.executions} executions` : "NOT found"}`);
  if (!isFound) fail("the planted hole was not found, so this run proves nothing");

  const seeds = writeSeeds();
  const each = Math.max(1, Math.floor(seconds / targets.length));
  const outcomes = targets.map((target) => {
    const outcome = run(target, each, target.sources === DRAIN ? [seeds] : []);
    const end = outcome.hasCrashed ? "CRASHED" : "nothing found";
    say(
      `${target.name}: ${outcome.executions} executions, ${outcome.spans} spans drained, ` +
        `${outcome.ranSeconds.toFixed(0)} s, ${end}`,
    );
    if (outcome.hasCrashed) console.error(outcome.log.split("\n").slice(-40).join("\n"));
    return outcome;
  });
  const sum = (pick: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + pick(outcome), 0);
  const totals = {
    executions: sum((outcome) => outcome.executions),
    spans: sum((outcome) => outcome.spans),
    crashes: outcomes.filter((outcome) => outcome.hasCrashed).length,
  };
  if (values.json) console.log(JSON.stringify({ canary: "found", ...totals }));
  else
    console.log(
      `${totals.executions} executions, ${totals.spans} spans, ${totals.crashes} crashes`,
    );
  process.exitCode = totals.crashes === 0 && totals.executions > 0 ? 0 : 1;
}

await main();
