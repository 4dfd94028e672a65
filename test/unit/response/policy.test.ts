// SPDX-License-Identifier: Apache-2.0
// What the policy decides, whom it never kills, and how a bad policy file is refused.
import { expect, test } from "vitest";
import { indicatorDetection, indicatorTags, parseIndicators } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import type { EvidenceEvent } from "../../../lib/model/model.ts";
import {
  DEFAULT_POLICY,
  type DetectionPlace,
  decideResponse,
  fitsAny,
  type PolicyAction,
  type PolicyRule,
  parsePolicy,
  planVerdicts,
  policyRule,
  type ResponseDecision,
  ResponseLimits,
  type ResponsePolicy,
} from "../../../lib/response/response.ts";
import { exec, file } from "../events.ts";

const ACTIONS: readonly PolicyAction[] = [
  ...(["alert", "deny-exec", "deny-open", "drop", "isolate"] as const),
  ...(["kill", "kill-tree", "pause", "snapshot"] as const),
];
const [line, path, name] = parseIndicators(
  "cmdline:evil\npath:/tmp/evil | T | low\nname:xmrig | T | critical\nname:b\ncmdline:z",
  "test",
);
if (!line || !path || !name) throw new Error("the list is short");

const decide = (
  policy: ResponsePolicy,
  event: EvidenceEvent = exec(),
  place: Partial<DetectionPlace> = {},
): ResponseDecision =>
  decideResponse(policy, indicatorDetection(line, event, "arguments", "evil"), {
    ...{ guest: "g0", programName: "x" },
    ...place,
  });

const steps = (...given: Parameters<typeof decide>): string[] =>
  decide(...given).steps.map(({ action, verdict }) => `${verdict} ${action}`);

const withRule = (rule: Partial<PolicyRule>, policy: Partial<ResponsePolicy> = {}) => ({
  ...DEFAULT_POLICY,
  ...policy,
  rules: [policyRule({ name: "r", actions: ["kill"], ...rule })],
});

test("a bad command line is killed", () => {
  expect(steps(DEFAULT_POLICY)).toEqual(["do kill"]);
});

test("protected processes and guests are refused with the reason", () => {
  expect(steps(DEFAULT_POLICY, exec({ pid: 1 }))).toEqual(["refuse kill"]);
  expect(steps(DEFAULT_POLICY, exec({ pid: 0 }))).toEqual(["refuse kill"]);
  expect(decide(DEFAULT_POLICY, exec(), { programName: "systemd" }).steps).toEqual([
    {
      action: "kill",
      verdict: "refuse",
      reason: "default: kill bad programs: systemd is protected",
    },
  ]);
  const policy = withRule({ actions: ["isolate", "kill"] }, { protectedGuests: ["db-*"] });
  expect(steps(policy, exec(), { guest: "db-7" })).toEqual(["refuse kill", "refuse isolate"]);
});

test("a bad file is told of: refusing it is the driver's work", () => {
  const detection = indicatorDetection(name, file(), "path", "/x/xmrig");
  const decision = decideResponse(DEFAULT_POLICY, detection, { guest: "g", programName: "x" });
  expect(decision).toMatchObject({ reason: "default: refuse bad files", steps: [] });
});

test("below the least severity nothing is done", () => {
  const policy = withRule({ severityMin: "critical" });
  expect(decide(policy)).toEqual({ reason: "no rule of the policy holds", steps: [] });
});

test("the first rule that fits by tag, rule, severity and guest decides", () => {
  expect(steps(withRule({ tags: ["other"] }))).toEqual([]);
  expect(steps(withRule({ rules: ["cmdline:*"] }))).toEqual(["do kill"]);
  expect(steps(withRule({ rules: ["sha256:*"] }))).toEqual([]);
  expect(steps(withRule({ guests: ["web*", "g?"] }))).toEqual([]);
  expect(steps(withRule({ guests: ["*0"] }))).toEqual(["do kill"]);
  const two = withRule({});
  const first = policyRule({ name: "first", actions: ["alert"] });
  expect(steps({ ...two, rules: [first, ...two.rules] })).toEqual([]);
});

test("stars in patterns", () => {
  for (const [pattern, text, isFit] of [
    ["*", "", true],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["", "x", false],
    ["A", "a", false],
    [`${"*a".repeat(200)}*b`, "a".repeat(5000), false],
  ] as const) {
    expect([pattern.slice(0, 9), fitsAny([pattern], text)]).toEqual([pattern.slice(0, 9), isFit]);
  }
});

test("actions come in the order of harm, and the wider does the narrower", () => {
  const all = ACTIONS.filter((action) => action !== "alert");
  expect(steps(withRule({ actions: all }))).toEqual([
    "do snapshot",
    "do kill-tree",
    "do isolate",
    "do pause",
  ]);
});

test("dry-run, of a rule or of the policy, and approval change the verdict", () => {
  expect(steps(withRule({ dryRun: true }))).toEqual(["dry-run kill"]);
  expect(steps(withRule({}, { dryRun: true }))).toEqual(["dry-run kill"]);
  expect(steps(withRule({ approvalSeconds: 60 }))).toEqual(["ask kill"]);
  expect(steps(withRule({ approvalSeconds: 60, dryRun: true }))).toEqual(["dry-run kill"]);
});

test("limits count what was begun, by rule and for all, and let go with time", () => {
  const limits = new ResponseLimits();
  const limit = { count: 2, seconds: 10 };
  const policy = withRule({ limit }, { limit: { count: 3, seconds: 60 } });
  const [rule] = policy.rules;
  const other = policyRule({ name: "other", actions: ["kill"] });
  if (rule === undefined) throw new Error("no rule");
  expect(limits.take(policy, rule, 0)).toBeUndefined();
  expect(limits.take(policy, rule, 1)).toBeUndefined();
  expect(limits.take(policy, rule, 2)).toBe('the limit of rule "r" is reached');
  expect(limits.take(policy, other, 3)).toBeUndefined();
  expect(limits.take(policy, other, 4)).toBe("the limit of the policy is reached");
  expect(limits.take(policy, rule, 60_002)).toBeUndefined();
});

test("deny rules come from paths and names, the most severe first, within the limit", () => {
  const all = parseIndicators(
    "cmdline:evil\npath:/tmp/evil | T | medium\nname:xmrig | T | critical\nname:low | T | low",
    "test",
  );
  const table = planVerdicts(DEFAULT_POLICY, "g", all, indicatorTags, 1, 10);
  expect(table.rules).toEqual([
    { id: 10, operations: ["open", "exec"], match: "name", pattern: "xmrig", verdict: "deny" },
  ]);
  expect(table.leftOut).toBe(1);
  expect(table.indicators.get(10)?.value).toBe("xmrig");
});

test("deny rules are for the guests of their rule, and none in a dry run", () => {
  const rule: Partial<PolicyRule> = { actions: ["deny-exec"], guests: ["web"] };
  const plan = (policy: ResponsePolicy, guest: string): number =>
    planVerdicts(policy, guest, [name], indicatorTags, 9, 1).rules.length;
  expect([plan(withRule(rule), "web"), plan(withRule(rule), "db")]).toEqual([1, 0]);
  expect(plan(withRule({ ...rule, dryRun: true }), "web")).toBe(0);
});

test("a policy is read from YAML and JSON, with defaults", () => {
  const text = "name: p\nrules:\n- name: r\n  actions: [kill]\n  limit: {count: 2, seconds: 60}\n";
  const policy = {
    name: "p",
    dryRun: false,
    rules: [policyRule({ name: "r", actions: ["kill"], limit: { count: 2, seconds: 60 } })],
    protectedPids: [1],
    protectedNames: [],
    protectedGuests: [],
    isolationAllow: [],
  };
  expect(parsePolicy(text, "p.yml")).toEqual(policy);
  expect(parsePolicy(JSON.stringify(policy), "p.json")).toEqual(policy);
  expect(parsePolicy(JSON.stringify(DEFAULT_POLICY), "x")).toEqual(DEFAULT_POLICY);
});

const problemsOf = (text: string): string[] => {
  try {
    parsePolicy(text, "p.yml");
  } catch (error) {
    if (!isUndercroftError(error)) throw error;
    expect(error.code).toBe("ERR_UC_POLICY");
    return error.message.split("\n").slice(1);
  }
  return [];
};

test("all problems of a policy are named by line, column and place", () => {
  const text = [
    "name: ''",
    "rules:",
    "  - name: r",
    "    severityMin: bad",
    "    actions: [shoot]",
    "    extra: 1",
    "  - 7",
    "  - {name: d, actions: [deny-open], approvalSeconds: 5, limit: 3}",
    "protectedPids: [0, '1']",
    "isolationAllow: [10.0.0.0/33]",
    "dryRun: maybe",
  ].join("\n");
  expect(problemsOf(text).map((line) => line.replace(/; known are .*/, ""))).toEqual([
    "p.yml:1:7: name: not a text",
    "p.yml:4:18: rules[0].severityMin: not one of informational, low, medium, high, critical",
    'p.yml:5:15: rules[0].actions[0]: "shoot" cannot stand here',
    "p.yml:6:12: rules[0].extra: not a known field",
    "p.yml:7:5: rules[1]: not an object",
    "p.yml:8:24: rules[2].actions: deny rules are there before a finding: nobody can be asked",
    "p.yml:8:64: rules[2].limit: not an object",
    "p.yml:9:17: protectedPids[0]: 0 cannot stand here",
    'p.yml:9:20: protectedPids[1]: "1" cannot stand here',
    'p.yml:10:18: isolationAllow[0]: "10.0.0.0/33" cannot stand here',
    "p.yml:11:9: dryRun: neither true nor false",
  ]);
});

test.each([
  ["{", "p.yml:1:2: "],
  ["[]", "p.yml:1:1: policy: not an object"],
  ["", "policy: not an object"],
  ["name: x\nname: y\nrules: []", "p.yml:2:1: Map keys must be unique"],
  ["name: x", "p.yml:1:1: rules: missing"],
])("%j is refused", (text, problem) => {
  expect(problemsOf(text)[0]).toContain(problem);
});
