// SPDX-License-Identifier: Apache-2.0
// Who runs what: reuse of a pid never joins two processes, and a guest cannot grow the table.
import { expect, test } from "vitest";
import { ProcessTable } from "../../../lib/server/process-table.ts";
import { exec, exit, fork } from "../events.ts";

test("a fork inherits the program, an exec replaces it, parents are known or marked", () => {
  const table = new ProcessTable();
  table.observe(exec({ path: "/bin/sh" }));
  table.observe(fork());
  expect(table.find(501, 8n)).toMatchObject({ parentPid: 500, parentKnown: true });
  expect(table.programName(501, 8n)).toBe("sh");
  table.observe(exec({ pid: 501, processStartNs: 8n, parentPid: 500, parentStartNs: 7n }));
  expect(table.programName(501, 8n)).toBe("true");
  expect(table.find(501, 8n)?.parentKnown).toBe(true);
  expect(table.find(500, 7n)?.parentKnown).toBe(false);
});

test("another start time is another process", () => {
  const table = new ProcessTable();
  table.observe(exec());
  expect(table.find(500, 9n)).toBeUndefined();
  table.observe(exec({ processStartNs: 9n, path: "/bin/new" }));
  expect(table.find(500, 7n)).toBeUndefined();
  expect(table.programName(500, 9n)).toBe("new");
});

test("an exited process is still found for records that come late", () => {
  const table = new ProcessTable();
  table.observe(exec());
  table.observe(exit());
  table.observe(exit({ processStartNs: 99n }));
  expect(table.find(500, 7n)).toMatchObject({ exited: true });
});

test("a new boot empties it and a flood of processes is bounded", () => {
  const table = new ProcessTable();
  for (let pid = 1; pid <= 70_000; pid++) table.observe(exec({ pid }));
  expect(table.size).toBe(65_536);
  expect(table.find(1, 7n)).toBeUndefined();
  expect(table.find(70_000, 7n)).toBeDefined();
  table.observe(exec({ boot: "next" }));
  expect(table.size).toBe(1);
});
