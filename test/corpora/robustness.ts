// SPDX-License-Identifier: Apache-2.0
// Goal N4: odd and damaged captures must not crash the analyzer, hold it up or fill the memory.
// Called by the corpora run. The analysis runs in a child process; planted faults come first.
import { type ChildProcess, fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Comparison } from "./comparison.ts";
import type { Canary, RobustnessAnswer, RobustnessTask } from "./robustness-worker.ts";

type Verdict = "fine" | "crash" | "hang" | "memory";

const cpuMsMax = 1000;
// Other work on the machine takes wall time, but no task may stay away for so long.
const answerMsMax = 10_000;
const rssBytesMax = 256 * 1024 * 1024;
const flipRates = [0, 4096, 512, 64];
const canaries: ReadonlyMap<Canary, Verdict> = new Map([
  ["crash", "crash"],
  ["slow", "hang"],
  ["hang", "hang"],
  ["memory", "memory"],
]);

/**
 * Every capture as it is and with seeded bit flips at three rates; each run must be fine.
 * @throws {Error} when a planted fault is not noticed, because then the run proves nothing
 */
export async function surviveDamage(folder: string, seed: number): Promise<Comparison[]> {
  const child = new RobustnessChild();
  for (const [canary, expected] of canaries) {
    const verdict = await child.run({ path: "", seed, flipOneOf: 0, canary });
    if (verdict !== expected) throw new Error(`planted ${canary} was taken for ${verdict}`);
  }
  const metrics = ["captures as they are", "captures with flipped bits"];
  const rows = metrics.map((metric) => new Comparison("N4", metric, "tcpdump-tests", "failures"));
  const names = readdirSync(folder).filter((file) => /\.pcap(ng)?$/.test(file));
  for (const [index, name] of names.entries()) {
    for (const flipOneOf of flipRates) {
      const task = { path: join(folder, name), seed: seed + index, flipOneOf };
      const verdict = await child.run(task);
      const row = rows[flipOneOf === 0 ? 0 : 1];
      if (verdict === "fine") row?.hit();
      else row?.miss(verdict, `${name}, seed ${task.seed}, one bit of ${flipOneOf}`);
    }
  }
  const peakMegabytes = Math.round(child.peakBytes / 2 ** 20);
  process.stderr.write(`4 planted faults noticed; most memory of the child ${peakMegabytes} MB\n`);
  child.stop();
  return rows;
}

/** Runs tasks one after the other and is replaced after each fault. */
class RobustnessChild {
  peakBytes = 0;
  #child: ChildProcess | undefined;

  async run(task: RobustnessTask): Promise<Verdict> {
    const answer = await this.#ask(task);
    if (typeof answer !== "string") {
      const isPlanted = task.canary !== undefined;
      if (!isPlanted) this.peakBytes = Math.max(this.peakBytes, answer.rssBytesMax);
      if (answer.rssBytesMax < rssBytesMax) return answer.cpuMs > cpuMsMax ? "hang" : "fine";
    }
    this.stop();
    return typeof answer === "string" ? answer : "memory";
  }

  stop(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  #ask(task: RobustnessTask): Promise<RobustnessAnswer | "crash" | "hang"> {
    const worker = new URL("robustness-worker.ts", import.meta.url);
    this.#child ??= fork(worker, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const child = this.#child;
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle("hang"), answerMsMax);
      const settle = (answer: RobustnessAnswer | "crash" | "hang"): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(answer);
      };
      child.once("message", (answer) => settle(answer as RobustnessAnswer));
      child.once("error", () => settle("crash"));
      child.once("exit", () => settle("crash"));
      child.send(task);
    });
  }
}
