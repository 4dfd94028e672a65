// SPDX-License-Identifier: Apache-2.0
// A policy at work in the whole server, with a simulated guest on a virtual clock: what is done,
// what is only told and why, what waits for a person, and a new policy while guests run.
import { beforeEach, describe, expect, test } from "vitest";
import { parseIndicators } from "../../../lib/detect/detect.ts";
import type { CommandRecord } from "../../../lib/model/model.ts";
import {
  DEFAULT_POLICY,
  type PolicyRule,
  policyRule,
  type ResponsePolicy,
} from "../../../lib/response/response.ts";
import {
  createServer,
  type HypervisorRequest,
  type ResponseRecord,
  type Server,
  type ServerOptions,
} from "../../../lib/server/server.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import { RECORD_PROCESS_FORK } from "../../../lib/wire/wire.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";

const INDICATORS = parseIndicators("cmdline:--evil\nname:xmrig | Miner | high", "test");

let clock: ManualClock;
let server: Server;
let guest: SimulatedGuest;
let responses: ResponseRecord[];
let commands: Map<bigint, CommandRecord>;

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 100) {
    clock.advance(100);
    guest.step(clock.monotonicMs());
    for (let turns = 0; turns < 3; turns++) server.turn();
  }
}

const policyOf = (
  rule: Partial<PolicyRule>,
  more: Partial<ResponsePolicy> = {},
): ResponsePolicy => ({
  ...DEFAULT_POLICY,
  ...more,
  name: "p",
  rules: [policyRule({ name: "r", actions: ["kill"], ...rule })],
});

function start(policy: ResponsePolicy, options: ServerOptions = {}): void {
  server = createServer({ clock, indicators: INDICATORS, policy, ...options });
  server.on("response", (response) => responses.push(response));
  server.on("command", (record) => commands.set(record.id, record));
  const { name, region } = guest;
  server.attachGuest({ name, region, plan: { dataRings: 2, dataCapacityLog2: 14 } });
  guest.boot(0);
  pass(1000);
}

const evil = (program = "/tmp/x"): void => {
  guest.exec(clock.monotonicMs(), `${program} --evil`);
  pass(500);
};

const fork = (childPid: number): void => {
  const childStartNs = BigInt(childPid);
  guest.record(clock.monotonicMs(), RECORD_PROCESS_FORK, { childPid, childStartNs }, {});
};

const kills = (): CommandRecord[] =>
  [...commands.values()].filter(({ command }) => command.kind === "kill-process");
const told = (): string[] => responses.map(({ action, wanted }) => `${action} ${wanted ?? ""}`);

beforeEach(() => {
  clock = new ManualClock();
  [responses, commands] = [[], new Map()];
  guest = new SimulatedGuest({
    ...{ name: "web-1", index: 0, regionBytes: 1 << 20, forgetful: false },
    random: new Random(1),
  });
});

test("a finding is answered once, with who and why", () => {
  start(policyOf({}));
  evil();
  expect(responses).toMatchObject([
    { guest: "web-1", action: "kill", reason: "p: r", requestedBy: "policy:p" },
  ]);
  expect(kills()).toMatchObject([{ outcome: "confirmed", requestedBy: "policy:p" }]);
});

test("a dry run tells what would be done and sends nothing", () => {
  start(policyOf({ actions: ["kill", "isolate"] }, { dryRun: true }));
  evil();
  expect(told()).toEqual(["dry-run kill", "dry-run isolate"]);
  expect(kills()).toEqual([]);
  expect(server.findings).toMatchObject([{ disposition: "none" }]);
});

test("a protected guest and a protected program are left, with the reason", () => {
  start(policyOf({}, { protectedGuests: ["web-*"] }));
  evil();
  expect(responses).toMatchObject([
    { action: "refused", wanted: "kill", reason: "p: r: guest web-1 is protected" },
  ]);
  server.usePolicy(policyOf({}));
  evil("/usr/sbin/sshd");
  expect(responses[1]).toMatchObject({ reason: "p: r: sshd is protected" });
  expect(kills()).toEqual([]);
});

test("over its limit a finding is only told", () => {
  start(policyOf({ limit: { count: 1, seconds: 60 } }));
  evil();
  evil();
  expect(told()).toEqual(["kill ", "limited kill"]);
  expect(responses[1]?.reason).toBe('p: r: the limit of rule "r" is reached');
  pass(61_000);
  evil();
  expect(told()[2]).toBe("kill ");
});

describe("what needs approval", () => {
  test("waits, and is done when a person agrees", () => {
    start(policyOf({ approvalSeconds: 60 }));
    evil();
    const [waiting] = server.approvals;
    expect(waiting).toMatchObject({ guest: "web-1", action: "kill", reason: "p: r" });
    expect([told(), kills()]).toEqual([["approval kill"], []]);
    server.answerApproval(waiting?.id ?? "", true, "anna");
    pass(500);
    expect(responses[1]).toMatchObject({ action: "kill", reason: "p: r: approved by anna" });
    expect(kills()).toMatchObject([{ outcome: "confirmed" }]);
    expect(server.approvals).toEqual([]);
    expect(() => server.answerApproval(waiting?.id ?? "", true, "anna")).toThrow(/waits/);
  });

  test("is refused when a person says so, or nobody does in time", () => {
    start(policyOf({ approvalSeconds: 60 }));
    evil();
    server.answerApproval(server.approvals[0]?.id ?? "", false, "bert");
    evil();
    pass(61_000);
    expect(responses.map(({ action, reason }) => `${action}: ${reason}`)).toEqual([
      "approval: p: r",
      "refused: p: r: rejected by bert",
      "approval: p: r",
      "refused: p: r: nobody approved it in time",
    ]);
    expect([kills(), server.approvals]).toEqual([[], []]);
  });
});

describe("kill-tree", () => {
  test("ends what the process started, also while it is being ended", () => {
    start(policyOf({ actions: ["kill-tree"] }));
    guest.exec(clock.monotonicMs(), "/tmp/x --good");
    fork(9001);
    guest.exec(clock.monotonicMs(), "/tmp/x --evil");
    fork(9002);
    fork(9003);
    pass(300);
    // The answers to the first commands bring the look at what was forked meanwhile.
    fork(9004);
    pass(1000);
    const pids = kills().flatMap(({ command }) =>
      command.kind === "kill-process" ? [command.pid] : [],
    );
    expect(pids.slice(1)).toEqual(expect.arrayContaining([9002, 9003]));
    expect(pids).not.toContain(9001);
    expect(new Set(pids).size).toBe(pids.length);
    expect(responses.every(({ action }) => action === "kill-tree")).toBe(true);
  });

  test("leaves what is beyond its bound, and says so", () => {
    start(policyOf({ actions: ["kill-tree"] }, { protectedPids: [9000] }));
    guest.exec(clock.monotonicMs(), "/tmp/x --evil");
    for (let pid = 9000; pid < 9400; pid++) fork(pid);
    pass(5000);
    expect(kills().length).toBeLessThanOrEqual(256);
    const refused = responses.filter(({ action }) => action === "refused");
    expect(refused.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining([
        "p: r: process 9000 is protected",
        "p: r: more than 256 processes: the rest is left",
      ]),
    );
    expect(refused.length).toBeLessThan(10);
  });
});

describe("the hypervisor", () => {
  test("pauses and takes snapshots, and what it saw is told", async () => {
    const asked: string[] = [];
    const act = ({ guest: name, action, reason, requestedBy }: HypervisorRequest) => {
      asked.push(`${name} ${action} ${reason} ${requestedBy}`);
      return action === "pause" ? Promise.resolve("paused") : Promise.reject(new Error("no room"));
    };
    start(policyOf({ actions: ["pause", "snapshot"] }), { hypervisor: { act } });
    evil();
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual(["web-1 snapshot p: r policy:p", "web-1 pause p: r policy:p"]);
    expect(responses.map(({ action, reason }) => `${action}: ${reason}`).sort()).toEqual([
      "pause: p: r: paused",
      "refused: p: r: no room",
    ]);
    expect(server.findings).toMatchObject([{ disposition: "failed" }]);
  });

  test("is refused where there is none, and a tap where none is watched", () => {
    start(policyOf({ actions: ["pause", "isolate"] }));
    evil();
    expect(responses.map(({ reason }) => reason)).toEqual([
      "p: r: no tap of the guest is watched",
      "p: r: this server has no hand on the hypervisor",
    ]);
  });
});

test("a new policy takes hold of running guests, deny rules included", () => {
  start(policyOf({}));
  expect(server.stats.verdictRules).toBe(0);
  const deny: Partial<PolicyRule> = { actions: ["deny-exec"], guests: ["web-*"] };
  server.usePolicy(policyOf(deny));
  pass(500);
  const last = [...commands.values()].at(-1);
  expect(last).toMatchObject({
    outcome: "done",
    command: { kind: "set-rules", rules: [{ operations: ["exec"], pattern: "xmrig" }] },
  });
  expect(server.stats.verdictRules).toBe(1);
  server.usePolicy(policyOf({ ...deny, guests: ["db-*"] }));
  pass(500);
  expect([...commands.values()].at(-1)).toMatchObject({ command: { rules: [] } });
});
