// SPDX-License-Identifier: Apache-2.0
// Child process of the robustness run: analyses one capture a message, damaged by a seed, and
// answers with the time it took and the memory it needed. A crash here is a crash there.
import process from "node:process";
import { Random } from "../sim/random.ts";
import { analyze, readCapture } from "./analyze.ts";

/** A planted fault: a throw, more than a second, no end, or too much memory. */
export type Canary = "crash" | "slow" | "hang" | "memory";

/** What the parent asks for. */
export interface RobustnessTask {
  readonly path: string;
  readonly seed: number;
  /** One bit of so many is flipped; 0 leaves the capture as it is. */
  readonly flipOneOf: number;
  /** Planted here, to be noticed there. */
  readonly canary?: Canary;
}

/** What the child answers. */
export interface RobustnessAnswer {
  readonly cpuMs: number;
  readonly rssBytesMax: number;
}

const fileHeaderBytes = 24;

process.on("message", (task: RobustnessTask) => {
  const bytes = task.canary === undefined ? readCapture(task.path) : new Uint8Array(0);
  if (task.flipOneOf > 0) flip(bytes, task.seed, task.flipOneOf);
  const start = process.cpuUsage();
  if (task.canary === undefined) analyze(bytes);
  else plant(task.canary);
  const { user, system } = process.cpuUsage(start);
  const rssBytesMax = process.resourceUsage().maxRSS * 1024;
  process.send?.({ cpuMs: (user + system) / 1000, rssBytesMax });
});

function flip(bytes: Uint8Array, seed: number, oneOf: number): void {
  const span = bytes.length - fileHeaderBytes;
  if (span <= 0) return;
  const random = new Random(seed);
  for (let count = Math.ceil((8 * span) / oneOf); count > 0; count -= 1) {
    const at = fileHeaderBytes + random.below(span);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  }
}

function plant(canary: Canary): void {
  if (canary === "crash") throw new Error("planted");
  if (canary === "memory") Buffer.alloc(300 << 20, 1);
  const busyMs = { slow: 1500, hang: Number.POSITIVE_INFINITY, memory: 0 }[canary];
  const start = process.cpuUsage();
  const usedMs = (): number => process.cpuUsage(start).user / 1000;
  while (usedMs() < busyMs);
}
