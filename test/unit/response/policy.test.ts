// SPDX-License-Identifier: Apache-2.0
// What the policy decides, whom it never kills, and how a bad policy file is refused.
import { expect, test } from "vitest";
import { indicatorDetection, indicatorTags, parseIndicators } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import type { GuestEvent } from "../../../lib/model/model.ts";
import {
  DEFAULT_POLICY,
  decideResponse,
  parsePolicy,
  planVerdicts,
} from "../../../lib/response/response.ts";
import { exec, file } from "../events.ts";

const [line, path, name] = parseIndicators(
  "cmdline:evil\npath:/tmp/evil | T | low\nname:xmrig | T | critical\nname:b\ncmdline:z",
  "test",
);
if (!line || !path || !name) throw new Error("the list is short");

const decide = (event: GuestEvent, program = "x") =>
  decideResponse(DEFAULT_POLICY, indicatorDetection(line, event, "arguments", "evil"), program);

test("a bad command line is killed by its whole identity", () => {
  expect(decide(exec())).toMatchObject({
    action: "kill",
    requestedBy: "policy:default",
    command: { kind: "kill-process", pid: 500, processStartNs: 7n, execGeneration: 1 },
  });
});

test("protected processes are refused with the reason", () => {
  expect(decide(exec({ pid: 1 }))).toMatchObject({ action: "refused" });
  expect(decide(exec({ pid: 0 }))).toMatchObject({ action: "refused" });
  expect(decide(exec(), "systemd")).toMatchObject({
    action: "refused",
    reason: "default: kill bad programs: systemd is protected",
  });
});

test("a bad file is told of: refusing it is the driver's work", () => {
  const detection = indicatorDetection(name, file(), "path", "/x/xmrig");
  expect(decideResponse(DEFAULT_POLICY, detection, "x").action).toBe("alert");
});

test("below the least severity nothing is done", () => {
  const quiet = { ...line, severity: "low" as const };
  const detection = indicatorDetection(quiet, exec(), "arguments", "evil");
  expect(decideResponse(DEFAULT_POLICY, detection, "x")).toEqual({
    action: "alert",
    reason: "no rule of the policy holds",
  });
});

test("deny rules come from paths and names, the most severe first, within the limit", () => {
  const all = parseIndicators(
    "cmdline:evil\npath:/tmp/evil | T | medium\nname:xmrig | T | critical\nname:low | T | low",
    "test",
  );
  const table = planVerdicts(DEFAULT_POLICY, all, indicatorTags, 1, 10);
  expect(table.rules).toEqual([
    { id: 10, operations: ["open", "exec"], match: "name", pattern: "xmrig", verdict: "deny" },
  ]);
  expect(table.leftOut).toBe(1);
  expect(table.indicators.get(10)?.value).toBe("xmrig");
});

test("a policy is read from JSON, with defaults", () => {
  const text = JSON.stringify({ name: "p", rules: [{ name: "r", actions: ["kill"] }] });
  expect(parsePolicy(text, "p.json")).toEqual({
    name: "p",
    rules: [{ name: "r", tags: [], severityMin: "informational", actions: ["kill"] }],
    protectedPids: [1],
    protectedNames: [],
    isolationAllow: [],
  });
});

test("the default policy survives its own JSON", () => {
  expect(parsePolicy(JSON.stringify(DEFAULT_POLICY), "x")).toEqual(DEFAULT_POLICY);
});

test("all problems of a policy are named by their place", () => {
  const text = JSON.stringify({
    name: "",
    rules: [{ name: "r", severityMin: "bad", actions: ["shoot"], extra: 1 }, 7],
    protectedPids: [0, "1"],
  });
  let message = "";
  try {
    parsePolicy(text, "p.json");
  } catch (error) {
    if (!isUndercroftError(error)) throw error;
    expect(error.code).toBe("ERR_UC_POLICY");
    message = error.message;
  }
  const places = [
    "name: not a text",
    "rules[0].severityMin",
    "rules[0].actions[0]",
    "rules[0].extra",
    "rules[1]: not an object",
    "protectedPids[0]",
    "protectedPids[1]",
  ];
  for (const place of places) expect(message).toContain(place);
  expect(() => parsePolicy("{", "p.json")).toThrow(/p\.json: not JSON/);
  expect(() => parsePolicy("[]", "p.json")).toThrow(/policy: not an object/);
});
