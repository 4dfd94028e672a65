// SPDX-License-Identifier: Apache-2.0
// Tells the dead-code check where the program is entered: the rooms' faces (they are the
// library's exports), the tools that npm scripts run, and the tests.
import { existsSync } from "node:fs";
import type { KnipConfig } from "knip";
import table from "./scripts/layers.json" with { type: "json" };

const faces: readonly string[] = table.floors
  .flat()
  .map((room) => `lib/${room}/${room}.ts`)
  .filter((path) => existsSync(path));

const config: KnipConfig = {
  entry: [
    "lib/index.ts",
    "console/main.tsx",
    "console/vite.config.ts",
    // A process of its own, inside the demo's network namespace.
    "lib/cli/demo-peer.ts",
    // Threads of the event store.
    "lib/store/{keeper,log}-worker.ts",
    "test/unit/store/store-child.ts",
    "test/e2e/full-disk-child.ts",
    // A process of its own, for libvirt's sake.
    "lib/hypervisor/libvirt/libvirt-child.ts",
    ...faces,
    "scripts/*.{ts,mjs}",
    "bench/bench.ts",
    // Processes of their own, so that their memory and processor time are their own.
    "bench/{intel,manager}-child.ts",
    "fuzz/fuzz.ts",
    "test/sim/sim.ts",
    "test/**/*.test.ts",
  ],
  project: ["{lib,scripts,bench,fuzz,test,console}/**/*.{ts,tsx,mjs}"],
  // Used by path, not by import: the gate's tools, and the headers and builder of the addon.
  ignoreDependencies: [
    ...["@biomejs/biome", "node-api-headers", "node-gyp", "publint"],
    ...["@nats-io/jetstream", "@nats-io/transport-node"],
  ],
  // Programs of the system are checked by the bootstrap.
  exclude: ["binaries"],
  // A type that a face's signature mentions is part of that face.
  ignoreExportsUsedInFile: { interface: true, type: true },
};

export default config;
