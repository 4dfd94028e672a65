// SPDX-License-Identifier: Apache-2.0
// The link over real TLS on loopback: who may join and connect, that nothing is lost or doubled,
// and what becomes of those who break the rules.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionOptions as TlsOptions } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import {
  Authority,
  certificateFacts,
  enrol,
  LinkListener,
  ReportQueue,
  readIdentity,
} from "../../../lib/link/link.ts";
import type { LinkReport, LinkRequest } from "../../../lib/model/model.ts";
import { faultReport, HELLO, LinkRig, until } from "./rig.ts";

const MANAGER_NAME = "manager.undercroft.internal";

let rig: LinkRig;
beforeEach(async () => {
  rig = await LinkRig.open();
});
afterEach(() => rig.close());

const numbers = (): number[] => rig.heard.reports.map(({ number }) => number);
const reasons = (): string[] =>
  rig.heard.reports.flatMap(({ report }) => (report.kind === "fault" ? [report.reason] : []));

test("a server enrols once with a token, and its folder is its own", async () => {
  const token = rig.authority.makeToken("web", 60_000);
  const manager = rig.listener.url;
  const folder = join(rig.folder, "one");
  const identity = await enrol({ manager, token, name: "web", folder });
  expect(readIdentity(folder)).toEqual(identity);
  expect(statSync(join(folder, "identity.json")).mode & 0o777).toBe(0o600);
  expect(rig.authority.servers).toMatchObject([{ id: identity.id, name: "web" }]);
  const again = enrol({ manager, token, name: "web", folder: join(rig.folder, "two") });
  await expect(again).rejects.toThrow(/unknown, was used, or is too old/);
  expect(existsSync(join(rig.folder, "two"))).toBe(false);
  const twice = enrol({ manager, token, name: "web", folder });
  await expect(twice).rejects.toThrow(/holds an identity already/);
});

test("two that come with one token: one is taken", async () => {
  const token = rig.authority.makeToken("web", 60_000);
  const manager = rig.listener.url;
  const both = await Promise.allSettled(
    ["a", "b"].map((name) => enrol({ manager, token, name, folder: join(rig.folder, name) })),
  );
  expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(rig.authority.servers).toHaveLength(1);
});

test("a token past its time, and one that is none", async () => {
  const manager = rig.listener.url;
  const folder = join(rig.folder, "late");
  const late = rig.authority.makeToken("web", -1);
  await expect(enrol({ manager, token: late, name: "w", folder })).rejects.toThrow(/too old/);
  const none = enrol({ manager, token: "nonsense", name: "w", folder });
  await expect(none).rejects.toThrow(/no enrolment token/);
});

test("a manager that did not make the token is told nothing", async () => {
  const other = await Authority.open(join(rig.folder, "other"));
  const token = other.makeToken("web", 60_000);
  const folder = join(rig.folder, "web");
  const attempt = enrol({ manager: rig.listener.url, token, name: "web", folder });
  await expect(attempt).rejects.toThrow(/not the manager that made the token/);
  other.close();
});

test("reports arrive in order, are acknowledged, and leave the queue", async () => {
  const queue = rig.queue();
  for (let at = 1; at <= 1000; at++) queue.add(faultReport(at), at);
  const client = rig.connect(await rig.enrol("web"), queue);
  await until(() => queue.count === 0);
  expect(numbers()).toEqual(Array.from({ length: 1000 }, (_, at) => at + 1));
  client.report(faultReport(1001));
  await until(() => queue.count === 0);
  expect(reasons().at(-1)).toBe("1001");
  await until(() => rig.heard.statistics > 0);
});

test("what is not on disk yet is not acknowledged", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.heard.commit = () => promise;
  const queue = rig.queue();
  queue.add(faultReport(1), 1);
  rig.connect(await rig.enrol("web"), queue);
  await until(() => rig.heard.events.length > 0);
  await new Promise((next) => setTimeout(next, 50));
  expect(queue.count).toBe(1);
  resolve();
  await until(() => queue.count === 0);
});

test("a manager that is away: the server goes on, and nothing is lost or doubled", async () => {
  const path = join(rig.folder, "queue.sqlite");
  const queue = rig.queue(path);
  const client = rig.connect(await rig.enrol("web"), queue);
  const { port } = rig;
  let sent = 0;
  for (let round = 0; round < 4; round++) {
    for (let at = 0; at < 300; at++) client.report(faultReport(++sent));
    await rig.listener.close();
    for (let at = 0; at < 300; at++) client.report(faultReport(++sent));
    await rig.listen(port);
    await until(() => client.isConnected);
  }
  await until(() => queue.count === 0);
  expect(reasons()).toEqual(Array.from({ length: sent }, (_, at) => `${at + 1}`));
});

test("a server that starts anew goes on with its queue", async () => {
  const path = join(rig.folder, "queue.sqlite");
  const before = new ReportQueue(path);
  before.add(faultReport(1), 1);
  before.add(faultReport(2), 2);
  expect(() => rig.queue(path)).toThrow(/another server uses it/);
  before.close();
  const after = rig.queue(path);
  expect(after.stream).toBe(before.stream);
  rig.connect(await rig.enrol("web"), after);
  await until(() => after.count === 0);
  expect(reasons()).toEqual(["1", "2"]);
});

test("a full queue lets go what is worth least, and says so", async () => {
  const queue = rig.queue(":memory:", { reportsMax: 10 });
  const left = { kind: "guest-left", id: "g", timeMs: 1 } as const;
  for (let at = 1; at <= 5; at++) queue.add(left, at);
  for (let at = 1; at <= 20; at++) queue.add(faultReport(at), 100 + at);
  expect(queue.count).toBe(10);
  rig.connect(await rig.enrol("web"), queue);
  await until(() => queue.count === 0);
  const reports = rig.heard.reports.map(({ report }) => report);
  expect(reports.filter(({ kind }) => kind === "guest-left")).toHaveLength(5);
  expect(reasons()).toEqual(["16", "17", "18", "19", "20"]);
  const named = { count: 15, firstMs: 101, lastMs: 115, byKind: { fault: 15 } };
  expect(reports.filter(({ kind }) => kind === "dropped")).toMatchObject([named]);
});

test("a queue that can no longer be used ends the connection, not the server", async () => {
  const queue = new ReportQueue(":memory:");
  const states: string[] = [];
  const identity = await rig.enrol("web");
  const client = rig.connect(identity, queue, { state: (_, reason) => void states.push(reason) });
  await until(() => client.isConnected);
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.heard.commit = () => promise;
  client.report(faultReport(1));
  await new Promise((next) => setTimeout(next, 50));
  // As a disk does that fails between the report and its acknowledgement.
  queue.close();
  resolve();
  await until(() => states.some((reason) => /queue for the manager cannot be used/.test(reason)));
  expect(() => client.report(faultReport(2))).toThrow(/queue for the manager cannot be used/);
});

test("a report too large for a frame is named as dropped", () => {
  const queue = rig.queue();
  const large = { ...faultReport(1), reason: "x".repeat(2 << 20) };
  queue.add(large, 7);
  expect(queue.after(0, 10, 8).map(({ report }) => report)).toMatchObject([
    { kind: "dropped", count: 1, byKind: { fault: 1 } },
  ]);
});

test("a request is answered in parts, with back-pressure, or refused with its code", async () => {
  const { id } = await rig.enrol("web").then((identity) => {
    rig.connect(identity, rig.queue(), {
      request: async (request, { rows }) => {
        if (request.kind !== "search") throw new RangeError("not a search");
        const all = Array.from({ length: 5000 }, (_, at) => ({ at, text: "x".repeat(1000) }));
        await rows(all);
        return { rows: 5000, isComplete: true };
      },
    });
    return identity;
  });
  await until(() => rig.listener.online.includes(id));
  const search: LinkRequest = { kind: "search", query: "kind:x", limit: 9, nowMs: 1 };
  let seen = 0;
  const onRows = async (rows: readonly unknown[]): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen += rows.length;
  };
  const answer = await rig.listener.request(id, search, { onRows });
  expect(answer).toEqual({ ok: true, value: { rows: 5000, isComplete: true } });
  expect(seen).toBe(5000);
  const much = await rig.listener.request(id, search, { rowsMax: 100 });
  expect(much).toMatchObject({ ok: false, message: "the server sends more than 100 rows" });
  const refused = await rig.listener.request(id, { kind: "processes", guest: "g" });
  expect(refused).toMatchObject({ ok: false, message: "not a search" });
  const away = await rig.listener.request("nobody", search);
  expect(away).toMatchObject({ ok: false, message: "the server is not connected" });
});

test("a request that is cancelled, late, or cut off ends with its reason", async () => {
  const aborted: string[] = [];
  const identity = await rig.enrol("web");
  const client = rig.connect(identity, rig.queue(), {
    request: (request, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(request.kind);
          reject(new Error("aborted"));
        });
      }),
  });
  const { id } = identity;
  await until(() => rig.listener.online.includes(id));
  const ending = new AbortController();
  const { signal } = ending;
  const cancelled = rig.listener.request(id, { kind: "processes", guest: "g" }, { signal });
  ending.abort();
  expect(await cancelled).toMatchObject({ ok: false, message: "cancelled" });
  const late = rig.listener.request(
    ...[id, { kind: "processes", guest: "g" } as const, { timeoutMs: 20 }],
  );
  expect(await late).toMatchObject({ ok: false, message: "no answer in time" });
  await until(() => aborted.length === 2);
  const cut = rig.listener.request(id, { kind: "processes", guest: "g" });
  client.close();
  expect(await cut).toMatchObject({ ok: false });
});

test("a revoked server is cut off at once and not let in again", async () => {
  const identity = await rig.enrol("web");
  const client = rig.connect(identity, rig.queue());
  await until(() => client.isConnected);
  expect(rig.listener.revoke(identity.id)).toBe(true);
  await until(() => !client.isConnected);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(rig.listener.online).toEqual([]);
  expect(rig.heard.events).toHaveLength(2);
  expect(rig.heard.events[1]).toMatch(/revoked/);
});

test("without a certificate of this manager there is no link", async () => {
  const other = await Authority.open(join(rig.folder, "other"));
  const foreign = await LinkListener.open({
    ...{ authority: other, address: "127.0.0.1", port: 0 },
    hooks: {
      ...{ lastReport: () => 0, online: () => {}, offline: () => {}, statistics: () => {} },
      reports: () => {},
    },
  });
  const token = other.makeToken("evil", 60_000);
  const folder = join(rig.folder, "evil");
  const evil = await enrol({ manager: foreign.url, token, name: "evil", folder });
  const mine = await rig.enrol("web");
  const outcomes = await Promise.all([
    attempt({ ca: mine.authority }),
    attempt({ ca: mine.authority, key: evil.key, cert: evil.certificate }),
    attempt({ ca: evil.authority, key: mine.key, cert: mine.certificate }),
    // The canary of this test: with all in order it does open.
    attempt({ ca: mine.authority, key: mine.key, cert: mine.certificate }),
  ]);
  expect(outcomes).toEqual([
    expect.stringMatching(/403/),
    expect.stringMatching(/403|alert/),
    expect.stringMatching(/certificate|signature/),
    "open",
  ]);
  await foreign.close();
  other.close();
});

interface Tls {
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
}

function socketOf(tls: Tls): WebSocket {
  const url = `${rig.listener.url.replace("https", "wss")}/link`;
  const options: ClientOptions & TlsOptions = { ...tls, servername: MANAGER_NAME };
  return new WebSocket(url, options);
}

function attempt(tls: Tls): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = socketOf(tls);
  socket.on("open", () => {
    resolve("open");
    socket.close();
  });
  socket.on("error", ({ message }) => resolve(message));
  return promise;
}

const hello = { type: "hello", nowMs: Date.now(), stream: "s", hello: HELLO };
const one = (number: number): object => ({ number, report: faultReport(number) });

test.each<[string, readonly (object | string)[], RegExp]>([
  ["no JSON", ["nonsense"], /is no JSON/],
  ["an unknown type", [{ type: "x" }], /unknown type/],
  ["reports before hello", [{ type: "reports", reports: [one(1)] }], /hello must come first/],
  ["hello twice", [hello, hello], /hello came twice/],
  ["another version", [{ ...hello, hello: { ...HELLO, version: 99 } }], /hello.*version/],
  ["reports out of order", [hello, { type: "reports", reports: [one(2), one(1)] }], /out of order/],
  [
    "a report of no kind",
    [hello, { type: "reports", reports: [{ number: 1, report: {} }] }],
    /rep/,
  ],
  ["statistics of nonsense", [hello, { type: "statistics", statistics: {} }], /statistics/],
  ["bytes without end", [hello, "x".repeat(9 << 20)], /Max payload/],
])("%s ends the connection with its reason", async (_, frames, expected) => {
  const { authority: ca, key, certificate: cert } = await rig.enrol("web");
  const socket = socketOf({ ca, key, cert });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("open", () => {
    for (const frame of frames) {
      socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  });
  socket.on("close", (code, reason) =>
    resolve(String(reason) || (code === 1009 ? "Max payload" : `${code}`)),
  );
  socket.on("error", () => {});
  expect(await promise).toMatch(expected);
  expect(rig.heard.reports).toEqual([]);
});

test("reports that were sent before are taken once", async () => {
  const { authority: ca, key, certificate: cert } = await rig.enrol("web");
  const socket = socketOf({ ca, key, cert });
  socket.on("open", () => {
    for (const frame of [hello, [1, 2], [1, 2, 3], [2], [3, 4]]) {
      const reports = Array.isArray(frame) ? frame.map(one) : undefined;
      socket.send(JSON.stringify(reports === undefined ? frame : { type: "reports", reports }));
    }
  });
  await until(() => numbers().length === 4);
  expect(numbers()).toEqual([1, 2, 3, 4]);
  socket.close();
});

test("the skew of clocks is measured, and a certificate near its end is renewed", async () => {
  const identity = await rig.enrol("web");
  const ahead = 70 * 24 * 3600 * 1000;
  rig.connect(identity, rig.queue(), {}, () => Date.now() + ahead);
  await until(() => rig.heard.events.length > 0);
  expect(rig.heard.events[0]).toMatch(new RegExp(`online ${identity.id} ${ahead / 1000}`));
  const renewed = join(rig.folder, "renewed");
  await until(() => existsSync(join(renewed, "identity.json")));
  const { id, key, certificate } = readIdentity(renewed);
  expect(id).toBe(identity.id);
  expect(key).not.toBe(identity.key);
  expect(certificateFacts(certificate).commonName).toBe(id);
});

test("reports are given out by the frame, and what no manager takes is counted", () => {
  const queue = rig.queue();
  const finding = (value: string): LinkReport => ({
    ...{ kind: "finding", guest: "web" },
    finding: {
      ...{ id: "1", guest: "web", rule: "r", title: "t", severity: "high", field: "f", value },
      ...{ firstMs: 1, lastMs: 1, count: 1, evidence: [], commands: [], disposition: "none" },
      process: { guest: "web", boot: "b", pid: 1, processStartNs: "1", execGeneration: 1 },
      tags: [],
    },
  });
  for (let at = 0; at < 20; at++) queue.add(finding("\u{1f608}".repeat(200_000)), at);
  expect(queue.after(0, 256, 0)).toHaveLength(5);
  queue.add(finding("x".repeat(2 << 20)), 20);
  queue.add({ ...faultReport(1), guest: "g".repeat(300) } as LinkReport, 21);
  const last = queue.after(20, 256, 30).at(-1);
  expect(last?.report).toMatchObject({ kind: "dropped", byKind: { finding: 1, fault: 1 } });
  queue.acknowledge(last?.number ?? 0);
  expect(queue.count).toBe(0);
});

test("an answer that no frame carries fails alone", async () => {
  const identity = await rig.enrol("web");
  rig.connect(identity, rig.queue(), { request: async () => "x".repeat(9 << 20) });
  await until(() => rig.listener.online.length === 1);
  const [id = ""] = rig.listener.online;
  const ask = () => rig.listener.request(id, { kind: "processes", guest: "web" });
  expect(await ask()).toMatchObject({ ok: false, message: expect.stringMatching(/ask for less/) });
  expect(await ask()).toMatchObject({ ok: false });
});
