// SPDX-License-Identifier: Apache-2.0
// The test tiers. scripts/test.ts runs them; one alone: `npm run test:tier -- guest [file]`.
// Files named *.slow.test.ts join their tier only when UC_SLOW is set (npm run test:all).
import { defineConfig, type ViteUserConfig } from "vitest/config";

const slow = process.env.UC_SLOW === "1";
const minutes = 60_000;

const quickFolders = "{unit,property,exhaustive,conformance,wire,repo,core,sim,addon,holder}";

/** A tier: which folders, how long one test may take, and whether its files run side by side. */
function tier(name: string, folder: string, timeoutMs: number, parallel: boolean) {
  return {
    extends: true as const,
    test: {
      name,
      include: [`test/${folder}/**/*.test.ts`],
      exclude: slow ? [] : ["**/*.slow.test.ts"],
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      fileParallelism: parallel,
    },
  };
}

const config: ViteUserConfig = defineConfig({
  test: {
    pool: "forks",
    allowOnly: false,
    passWithNoTests: true,
    projects: [
      tier("unit", quickFolders, slow ? 30 * minutes : 2 * minutes, true),
      // One after the other: they share one Wine, which is a machine of its own.
      tier("windows", "fltsim", slow ? 30 * minutes : 3 * minutes, false),
      // A browser at a time.
      tier("console", "console", slow ? 30 * minutes : 3 * minutes, false),
      tier("guest", "{guest,e2e,live}", slow ? 60 * minutes : 10 * minutes, false),
    ],
  },
});

export default config;
