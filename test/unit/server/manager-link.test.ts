// SPDX-License-Identifier: Apache-2.0
// A server at its manager, over real TLS, with a simulated guest on the machine's clock: what it
// tells, what it answers and does, and that it protects while the manager is away.
import { createSecretKey, randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseIndicators } from "../../../lib/detect/detect.ts";
import type { LinkIndicator, LinkReport, LinkRequest } from "../../../lib/model/model.ts";
import { DEFAULT_POLICY, policyRule } from "../../../lib/response/response.ts";
import {
  createServer,
  EventRecorder,
  type HypervisorRequest,
  ManagerLink,
  type Server,
} from "../../../lib/server/server.ts";
import { type EventStore, openEventStore } from "../../../lib/store/store.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";
import { LinkRig } from "../link/rig.ts";

const key = createSecretKey(randomBytes(32));

let rig: LinkRig;
let folder: string;
let id: string;
let server: Server;
let store: EventStore;
let recorder: EventRecorder;
let guest: SimulatedGuest;
let guestId: string;
let link: ManagerLink;
let below: HypervisorRequest[];
let stepping: NodeJS.Timeout;

const open = (log: (line: string) => void = () => {}): Promise<ManagerLink> =>
  ManagerLink.open({
    ...{ server, store, folder, software: "undercroft 0.1.0", log },
    ...{ everyMs: 50, retryMsMax: 50 },
  });

beforeEach(async () => {
  below = [];
  rig = await LinkRig.open();
  folder = join(rig.folder, "hv1");
  ({ id } = await rig.enrol("hv1"));
  store = await openEventStore({ folder: join(rig.folder, "store"), key, flushMs: 1 });
  server = createServer({
    indicators: parseIndicators("cmdline:--evil", "own"),
    policy: {
      ...DEFAULT_POLICY,
      ...{ name: "p", rules: [policyRule({ name: "r", actions: ["kill"], approvalSeconds: 60 })] },
    },
    hypervisor: {
      act: async (request) => {
        below.push(request);
        return `${request.action}: seen`;
      },
    },
  });
  recorder = new EventRecorder(server, store);
  guest = new SimulatedGuest({
    ...{ name: "web-1", index: 0, regionBytes: 1 << 20, forgetful: false },
    random: new Random(1),
  });
  guestId = server.attachGuest({ name: guest.name, region: guest.region }).id;
  server.start();
  guest.boot(performance.now());
  stepping = setInterval(() => guest.step(performance.now()), 5);
  link = await open();
  await until(() => server.stats.guests[0]?.guest.state === "monitored" && link.isConnected);
});

afterEach(async () => {
  clearInterval(stepping);
  await link.close();
  recorder.close();
  server.close();
  await store.close();
  guest.region.close();
  await rig.close();
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2000 && !holds(); tries++) await sleep(5);
  expect(holds()).toBe(true);
}

type Rows = Array<Readonly<Record<string, unknown>>>;

async function ask(request: LinkRequest) {
  const rows: Rows = [];
  const answer = await rig.listener.request(id, request, {
    onRows: (part) => void rows.push(...part),
  });
  return { answer, rows };
}

const value = async (request: LinkRequest) => {
  const { answer } = await ask(request);
  expect(answer).toMatchObject({ ok: true });
  return answer.ok ? answer.value : undefined;
};

const search = (query: string, more = {}): LinkRequest => ({
  ...{ kind: "search", query, limit: 100, nowMs: Date.now(), ...more },
});

const told = <K extends LinkReport["kind"]>(kind: K): Extract<LinkReport, { kind: K }>[] =>
  rig.heard.reports
    .map(({ report }) => report)
    .filter((report): report is Extract<LinkReport, { kind: K }> => report.kind === kind);

/** A process that an indicator names, and the finding about it; both are in the store then. */
async function evil(line = "/tmp/x --evil"): Promise<void> {
  const { length } = server.findings;
  const { stored } = recorder;
  guest.exec(performance.now(), line);
  await until(() => server.findings.length > length && recorder.stored >= stored + 2);
}

test("states, findings, responses and approvals come to the manager, in order", async () => {
  await evil();
  await until(() => told("approval").length === 1);
  const states = told("guest-state").map(({ change }) => change.to);
  expect(states.slice(-1)).toEqual(["monitored"]);
  const [finding] = told("finding");
  expect(finding).toMatchObject({
    guest: guestId,
    finding: { guest: "web-1", field: "arguments" },
  });
  const [waiting] = told("approval");
  expect(waiting?.approval).toMatchObject({ action: "kill", state: "waiting", guest: guestId });
  const answered = await value({
    ...{ kind: "approval", id: waiting?.approval.id ?? "", isApproved: true, requestedBy: "ann" },
  });
  expect(answered).toEqual({ outcome: "approved" });
  await until(() => told("command").some(({ command }) => command.outcome === "confirmed"));
  expect(told("approval").at(-1)?.approval.state).toBe("approved");
  expect(told("response").at(-1)?.response.reason).toContain("approved by ann");
  const twice = await ask({
    ...{ kind: "approval", id: waiting?.approval.id ?? "", isApproved: true, requestedBy: "ann" },
  });
  expect(twice.answer).toMatchObject({ ok: false, code: "ERR_UC_ARGUMENT" });
  server.detachGuest(guest.name);
  await until(() => told("guest-left").length === 1);
});

test("a search gives rows of the condition, of the guests that may be seen", async () => {
  await evil("/tmp/one --evil");
  await evil("/tmp/two --evil");
  const both = await ask(search("image:/tmp/* kind:process.exec"));
  expect(both.answer).toEqual({ ok: true, value: { rows: 2, isComplete: true } });
  expect(both.rows.map(({ image }) => image)).toEqual(["/tmp/two", "/tmp/one"]);
  expect((await ask(search("image:/tmp/*", { limit: 1 }))).rows).toHaveLength(1);
  expect((await ask(search("server:hv1 image:/tmp/one", { server: "hv1" }))).rows).toHaveLength(1);
  expect((await ask(search("server:hv2 image:/tmp/one", { server: "hv1" }))).rows).toEqual([]);
  const [grouped] = (await ask(search("image:/tmp/* | stats count() by image"))).rows;
  expect(Object.keys(grouped ?? {})).toEqual(["kind", "image"]);
  expect((await ask(search("image:*", { guests: [guestId] }))).rows.length).toBeGreaterThan(0);
  expect((await ask(search("image:*", { guests: ["f".repeat(32)] }))).rows).toEqual([]);
  expect((await ask(search("image:*", { guests: [] }))).rows).toEqual([]);
  expect((await ask(search("gest:x"))).answer).toMatchObject({ ok: false, code: "ERR_UC_SEARCH" });
});

test("processes, a trace and what happens from now on", async () => {
  await evil("/tmp/one --evil");
  const { rows } = await ask({ kind: "processes", guest: guestId });
  expect(rows).toMatchObject([{ image: "/tmp/one", command_line: "/tmp/one --evil" }]);
  const { pid, start_ns: startNs } = rows[0] ?? {};
  const trace: LinkRequest = {
    ...{ kind: "trace", guest: guestId, pid: Number(pid), startNs: String(startNs) },
    ...{ timeMs: Date.now() + 60_000, direction: "backward", spanMs: 3_600_000 },
  };
  expect(JSON.stringify(await value(trace))).toContain("/tmp/one");
  expect((await ask({ ...trace, pid: 77 })).answer).toMatchObject({ ok: false });
  const live = ask({ kind: "live", guest: guestId, seconds: 1 });
  await sleep(100);
  await evil("/tmp/live --evil");
  const seen = await live;
  expect(seen.answer).toMatchObject({ ok: true, value: { dropped: 0 } });
  expect(seen.rows.map(({ image }) => image)).toContain("/tmp/live");
});

const act = (action: Extract<LinkRequest, { kind: "act" }>["action"], guest = guestId) =>
  ask({ kind: "act", guest, action, requestedBy: "ann", reason: "test" });

test("what persons have done to a guest is done, and said as it was seen", async () => {
  await evil();
  const { rows } = await ask({ kind: "processes", guest: guestId });
  const kill = { pid: Number(rows[0]?.pid), processStartNs: String(rows[0]?.start_ns) };
  const killed = await act({ kind: "kill", ...kill });
  expect(killed.answer).toMatchObject({ ok: true, value: { outcome: /seen in the guest/ } });
  expect((await act({ kind: "kill", ...kill })).answer).toMatchObject({
    ...{ ok: false, code: "ERR_UC_COMMAND_FAILED", message: /no such process/ },
  });
  expect((await act({ kind: "stop-monitoring" })).answer).toMatchObject({ ok: true });
  await until(() => told("guest-state").at(-1)?.change.to === "paused");
  expect((await act({ kind: "start-monitoring" })).answer).toMatchObject({ ok: true });
  expect((await act({ kind: "snapshot" })).answer).toEqual({
    ...{ ok: true, value: { outcome: "snapshot: seen" } },
  });
  expect(below).toMatchObject([{ guest: "web-1", action: "snapshot", requestedBy: "ann" }]);
  expect((await act({ kind: "isolate", allow: [] })).answer).toMatchObject({
    ...{ ok: false, code: "ERR_UC_REDIRECTOR_MISSING" },
  });
  expect((await act({ kind: "pause" }, "nobody")).answer).toMatchObject({
    ...{ ok: false, code: "ERR_UC_GUEST_UNKNOWN" },
  });
  const mine = told("command").filter(({ command }) => command.requestedBy === "ann");
  expect(new Set(mine.map(({ command }) => command.command.kind))).toEqual(
    new Set(["kill-process", "stop-monitoring", "start-monitoring"]),
  );
});

test("statistics are counts of each guest, of the server and of its store", async () => {
  await evil();
  guest.work(performance.now(), 100);
  await until(() => (rig.heard.newest?.guests[0]?.byClass.file ?? 0) > 50);
  // Repeats are one row of the store.
  await until(() => (rig.heard.newest?.storeEvents ?? 0) > 0);
  const { guests = [], memoryBytes = 0, uptimeMs = 0, timeMs = 0 } = rig.heard.newest ?? {};
  expect(guests).toMatchObject([{ id: guestId, findings: 1, lost: 0, lostBy: {}, packets: 0 }]);
  expect(guests[0]?.byClass.process).toBeGreaterThanOrEqual(1);
  expect(guests[0]?.bytes).toBeGreaterThan(0);
  expect([memoryBytes > 1e6, uptimeMs > 0, timeMs > 1e12]).toEqual([true, true, true]);
});

test("a request that is none is refused with the place that is wrong", async () => {
  const wrong = { kind: "act", guest: guestId, action: { kind: "kill", pid: -1 } };
  const { answer } = await ask(wrong as unknown as LinkRequest);
  expect(answer).toMatchObject({ ok: false, code: "ERR_UC_LINK_FRAME", message: /\/action/ });
  const { answer: other } = await ask({ kind: "dance" } as unknown as LinkRequest);
  expect(other).toMatchObject({ ok: false, code: "ERR_UC_LINK_FRAME", message: /"dance"/ });
  expect(link.isConnected).toBe(true);
});

const indicator = (more: Partial<LinkIndicator>): LinkIndicator => ({
  ...{ id: "1", kind: "command-line", value: "--bad", source: "feed", title: "t" },
  ...{ severity: "high", ...more },
});

test("indicators come in increments and hold after a restart, beside one's own", async () => {
  const first = await value({
    ...{ kind: "indicators", base: 0, version: 1, removed: [] },
    added: [indicator({}), indicator({ id: "2", kind: "nonsense" })],
  });
  expect(first).toMatchObject({ content: { indicators: 1 }, refused: 1 });
  await evil("/tmp/a --bad");
  await evil("/tmp/b --evil");
  const gap: LinkRequest = { kind: "indicators", base: 7, version: 8, added: [], removed: [] };
  expect((await ask(gap)).answer).toMatchObject({ ok: false, message: /here is version 1/ });
  const second = await value({
    ...{ kind: "indicators", base: 1, version: 2, removed: ["1"] },
    added: [indicator({ id: "3", value: "--worse", source: "other" })],
  });
  expect(second).toMatchObject({ content: { indicators: 2 } });
  expect([...server.indicators].map((one) => one.value).sort()).toEqual(["--evil", "--worse"]);
  // As the server's own files are read again, and as a new server begins.
  server.useIndicators(parseIndicators("cmdline:--mine", "own"));
  await link.restoreContent();
  expect([...server.indicators].map((one) => one.value).sort()).toEqual(["--mine", "--worse"]);
  await link.close();
  server.useIndicators([]);
  link = await open();
  expect([...server.indicators].map((one) => one.value)).toEqual(["--worse"]);
});

test("rules and a policy are taken whole or refused", async () => {
  const text = [
    "title: a shell",
    "logsource: {category: process_creation, product: linux}",
    "detection: {s: {CommandLine|contains: '--sigma'}, condition: s}",
    "level: high",
  ].join("\n");
  const files = [{ name: "shell.yml", text }];
  const bad = { name: "bad.yml", text: "title: [" };
  const taken = await value({ kind: "rules", version: 3, files: [...files, bad] });
  expect(taken).toMatchObject({ content: { rules: 3 }, refused: 1 });
  const { answer } = await ask({ kind: "rules", version: 4, files: [bad] });
  expect(answer).toMatchObject({ ok: false, code: "ERR_UC_RULES", message: /bad\.yml/ });
  const policy = await ask({ kind: "policy", version: 5, text: "rules: [{" });
  expect(policy.answer).toMatchObject({ ok: false, code: "ERR_UC_POLICY" });
  await value({ kind: "policy", version: 5, text: "name: quiet\nrules: []" });
  await evil("/tmp/x --evil");
  expect(server.approvals).toEqual([]);
});

test("what a guest writes keeps no report and no answer from the manager", async () => {
  const noise = "\u0001".repeat(12_000);
  for (let at = 0; at < 40; at++) await evil(`/tmp/${at} --evil ${noise}`);
  await until(() => told("finding").length >= 40);
  expect(told("dropped")).toEqual([]);
  expect(told("finding")[39]?.finding.evidence).toHaveLength(1);
  const found = await ask(search("kind:process.exec", { limit: 1000 }));
  expect(found.answer).toMatchObject({ ok: true, value: { rows: 40 } });
  expect(String(found.rows[0]?.command_line)).toHaveLength(`/tmp/39 --evil ${noise}`.length);
  expect((await ask({ kind: "processes", guest: guestId })).rows).toHaveLength(40);
  expect(link.isConnected).toBe(true);
});

test("a guest of an earlier start is known by its id", async () => {
  await evil("/tmp/early --evil");
  server.detachGuest(guest.name);
  await link.close();
  link = await open();
  await until(() => link.isConnected);
  const mine = await ask(search("image:/tmp/early", { guests: [guestId] }));
  expect(mine.rows).toHaveLength(1);
});

test("a server protects while its manager is away, and tells of it afterwards", async () => {
  const { port } = rig;
  await rig.listener.close();
  await until(() => !link.isConnected);
  await evil("/tmp/alone --evil");
  expect(server.approvals).toHaveLength(1);
  // Also over a restart of the link.
  await link.close();
  link = await open();
  await rig.listen(port);
  await until(() => told("finding").length > 0);
  expect(told("finding")[0]?.finding.evidence[0]).toMatchObject({ path: "/tmp/alone" });
});
