// SPDX-License-Identifier: Apache-2.0
// Kills a storing process with SIGKILL at random moments and asks the store what it still has.
// Used by the quick and the slow test.
import { spawn } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEventStore } from "../../../lib/store/store.ts";

const CHILD = fileURLToPath(new URL("./store-child.ts", import.meta.url));

export interface KillResult {
  readonly acknowledged: number;
  readonly missing: readonly number[];
  /** Longest time from opening to the first answer, in milliseconds. */
  readonly restartMs: number;
}

/** Runs `rounds` over one store. `tamper` may spoil it before it is looked at. */
export async function killLoop(
  rounds: number,
  tamper?: (folder: string) => void,
): Promise<KillResult> {
  const folder = mkdtempSync(join(tmpdir(), "uc-kill-"));
  const key = randomBytes(32).toString("hex");
  const acknowledged: Array<readonly [from: number, to: number]> = [];
  let restartMs = 0;
  let missing: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const first = round * 1_000_000;
      acknowledged.push([first, await killed(folder, key, first)]);
      // Between most rounds the killed process's own successor opens what it left.
      if (round % 5 !== 4 && round !== rounds - 1) continue;
      tamper?.(folder);
      const begin = performance.now();
      const store = await openEventStore({ folder, key: createSecretKey(key, "hex") });
      const found = new Set<number>();
      for await (const { event } of store.search({ limit: 1_000_000 })) {
        if ("pid" in event) found.add(event.pid);
        if (found.size === 1) restartMs = Math.max(restartMs, performance.now() - begin);
      }
      await store.close();
      missing = acknowledged.flatMap(([from, to]) =>
        Array.from({ length: to - from }, (_, at) => from + at).filter((one) => !found.has(one)),
      );
      if (missing.length > 0) break;
    }
    const count = acknowledged.reduce((sum, [from, to]) => sum + to - from, 0);
    return { acknowledged: count, missing: missing.slice(0, 20), restartMs };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** First number that was not acknowledged. */
async function killed(folder: string, key: string, first: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, folder, key, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => {
    const wasOpen = said.includes("open");
    said += bytes.toString();
    if (!wasOpen) setTimeout(() => child.kill("SIGKILL"), Math.random() * 400);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== null) throw new Error(`the storing process ended by itself with ${String(code)}`);
  return Math.max(first, ...said.split("\n").slice(1, -1).map(Number));
}

/** Removes what a fold wrote and a log still unfolded, as a disk that lies would. */
export function loseFiles(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (/^log-/.test(name)) rmSync(join(folder, name));
  }
}
