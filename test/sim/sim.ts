// SPDX-License-Identifier: Apache-2.0
// `npm run sim -- --seed N --hours H [--guests G] [--canary]`: runs the simulator and prints what
// the oracles counted. Exit status 0: every promise held (with --canary: the planted bugs were
// found).
import { parseArgs } from "node:util";
import { type Canary, World, type WorldResult } from "./world.ts";

const CANARIES: readonly Canary[] = ["dropped-record", "command-run-twice"];

function number(text: string | undefined, name: string, instead: number): number {
  const value = text === undefined ? instead : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`--${name} ${text}: not a positive number\n`);
  process.exit(2);
}

function print(result: WorldResult, elapsedMs: number): void {
  const { conservation, commands, faults, findings, problems } = result;
  const rate = result.guestHours / (elapsedMs / 60_000);
  const lines = [
    `seed            ${result.seed}`,
    `guest-hours     ${result.guestHours} (${Math.round(rate)} a minute)`,
    `faults          ${list(faults)}`,
    `records         ${list({ ...conservation })}`,
    `commands        ${list({ commands: commands.commands, executed: commands.executed })}`,
    `outcomes        ${list(commands.byOutcome)}`,
    `findings        ${list(findings)}`,
    `problems        ${problems.length}`,
    ...problems.slice(0, 20).map((problem) => `  ${problem}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

function run(seed: number, hours: number, guests: number, canary?: Canary): boolean {
  const startMs = performance.now();
  const result = new World({ seed, guests, hours, ...(canary && { canary }) }).run();
  print(result, performance.now() - startMs);
  return result.problems.length === 0;
}

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    hours: { type: "string" },
    guests: { type: "string" },
    canary: { type: "boolean", default: false },
  },
});
const seed = number(values.seed, "seed", 1);
const guests = number(values.guests, "guests", 20);
const worldHours = number(values.hours, "hours", 100) / guests;

if (!values.canary) {
  process.exitCode = run(seed, worldHours, guests) ? 0 : 1;
} else {
  for (const canary of CANARIES) {
    process.stdout.write(`canary          ${canary}\n`);
    const isFound = !run(seed, worldHours, guests, canary);
    process.stdout.write(`${isFound ? "found, as it must be" : "NOT FOUND"}\n\n`);
    if (!isFound) process.exitCode = 1;
  }
}
