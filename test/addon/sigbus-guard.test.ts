// SPDX-License-Identifier: Apache-2.0
// The SIGBUS guard by itself: a cut mapping is repaired for every thread, and a fault that is none
// of its business ends as it would have without it.
import { spawnSync } from "node:child_process";
import { beforeAll, expect, it } from "vitest";
import { compile } from "./compile.ts";

let program: string;
beforeAll(() => {
  const sources = ["test/addon/sigbus-cases.c", "addon/sigbus-guard.c", "addon/mapping.c"];
  program = compile("sigbus-cases", sources);
});

it.each([
  ["repaired", 0, null],
  ["foreign", null, "SIGBUS"],
  ["chained", 42, null],
  ["full", 0, null],
])("case %s", (name, status, signal) => {
  const result = spawnSync(program, [name]);
  expect([result.status, result.signal]).toEqual([status, signal]);
});
