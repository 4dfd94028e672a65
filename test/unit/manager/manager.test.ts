// SPDX-License-Identifier: Apache-2.0
// The manager as programs and browsers see it, over its real API and the real link: who may call
// what, what servers told, searches over several of them.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  API_ROUTES,
  type ApiRouteName,
  type LinkRequest,
  ROLES,
} from "../../../lib/model/model.ts";
import { findingOf, guestNamed, ManagerRig, PASSWORD } from "./rig.ts";

let rig: ManagerRig;
beforeEach(async () => {
  rig = await ManagerRig.open();
});
afterEach(() => rig.close());

async function signIn(): Promise<Record<string, string>> {
  const { invitation = "" } = rig.manager;
  const body = { invitation, password: PASSWORD };
  const answer = await rig.call("useInvitation", { body });
  expect(answer.status).toBe(200);
  const cookie = String(answer.headers["set-cookie"]).split(";")[0] ?? "";
  return { cookie, "x-csrf-token": answer.body.csrf };
}

describe("who may call", () => {
  test("each route refuses whoever has no session, and each role below its own", async () => {
    const bearers = ROLES.map((role) => rig.bearer(role));
    for (const [name, [, , least]] of Object.entries(API_ROUTES)) {
      if (least === "anyone" || name === "liveUpdates") continue;
      const route = name as ApiRouteName;
      expect([name, (await rig.call(route)).status]).toEqual([name, 401]);
      for (const [at, role] of ROLES.entries()) {
        const { status } = await rig.call(route, { headers: bearers[at] ?? {} });
        const isRefused = at < ROLES.indexOf(least);
        expect([name, role, status === 403]).toEqual([name, role, isRefused]);
      }
    }
  });

  test("the first password comes by a link that counts once; there is no default one", async () => {
    const session = await signIn();
    const again = await rig.call("useInvitation", {
      body: { invitation: rig.manager.invitation, password: PASSWORD },
    });
    expect(again.status).toBe(401);
    const me = await rig.call("readSession", { headers: session });
    expect(me.body.user).toMatchObject({ name: "admin", role: "admin" });
    expect((await rig.call("signOut", { headers: session })).status).toBe(200);
    expect((await rig.call("listUsers", { headers: session })).status).toBe(401);
    const body = { name: "admin", password: PASSWORD };
    const back = await rig.call("signIn", { body });
    expect(back.status).toBe(200);
    expect(String(back.headers["set-cookie"])).toMatch(/HttpOnly; Secure; SameSite=Strict/);
  });

  test("a short password, an unknown user and a wrong password", async () => {
    const { invitation } = rig.manager;
    const short = await rig.call("useInvitation", { body: { invitation, password: "short" } });
    expect(short).toMatchObject({ status: 400, body: { code: "ERR_UC_ARGUMENT" } });
    await signIn();
    const wrong = await rig.call("signIn", { body: { name: "admin", password: "wrong" } });
    const nobody = await rig.call("signIn", { body: { name: "nobody", password: "wrong" } });
    expect(wrong.status).toBe(401);
    expect(nobody.body).toEqual(wrong.body);
  });

  test("five wrong passwords lock an account for a while", async () => {
    await signIn();
    const attempt = (password: string) =>
      rig.call("signIn", { body: { name: "admin", password } }).then(({ status }) => status);
    // All at once: none of them must be counted as the first.
    const wrong = await Promise.all(Array.from({ length: 5 }, () => attempt("wrong")));
    expect(wrong).toEqual([401, 401, 401, 401, 401]);
    expect(await attempt(PASSWORD)).toBe(401);
    rig.nowMs = () => Date.now() + 6 * 60_000;
    expect(await attempt(PASSWORD)).toBe(200);
  });

  test("a session's cookie alone changes nothing", async () => {
    const { cookie = "" } = await signIn();
    const body = { name: "eve", role: "admin", groups: [] };
    expect((await rig.call("addUser", { body, headers: { cookie } })).status).toBe(403);
    expect((await rig.call("listUsers", { headers: { cookie } })).status).toBe(200);
  });

  test("the last admin stays, others come by invitation", async () => {
    const headers = await signIn();
    const body = { name: "Ann", role: "analyst", groups: ["db"] };
    const added = await rig.call("addUser", { body, headers });
    expect(added.body.user).toMatchObject({ name: "Ann", role: "analyst", groups: ["db"] });
    expect((await rig.call("addUser", { body, headers })).status).toBe(400);
    const users = await rig.call("listUsers", { headers });
    const admin = users.body.find(({ name }: { name: string }) => name === "admin");
    const fall = { id: admin.id, body: { role: "analyst" }, headers };
    expect((await rig.call("changeUser", fall)).body.message).toMatch(/last admin/);
  });

  test("bodies that are not as described are refused with the place", async () => {
    const headers = rig.bearer("admin");
    const body = { name: "x", role: "emperor", groups: [] };
    const wrong = await rig.call("addUser", { body, headers });
    expect(wrong).toMatchObject({ status: 400, body: { place: "/role" } });
    const more = await rig.call("makeEnrolment", { body: { name: "x", more: 1 }, headers });
    expect(more.status).toBe(400);
    expect((await rig.ask("GET", "/api/v1/nothing")).body.message).toMatch(/no such call/);
  });

  test("the description names each route, and pages may run no foreign script", async () => {
    const { body, headers } = await rig.ask("GET", "/api/v1/openapi.json");
    const paths = Object.values(body.paths as Record<string, object>);
    expect(paths.flatMap((path) => Object.keys(path))).toHaveLength(Object.keys(API_ROUTES).length);
    expect(headers["content-security-policy"]).toMatch(/script-src 'self'(;|$)/);
  });
});

describe("what servers tell", () => {
  test("guests, states, findings with their story, and who did what", async () => {
    const analyst = { headers: rig.bearer("analyst") };
    const { client, id } = await rig.server("hv1", [guestNamed("web")]);
    client.report(findingOf("web", "f1"));
    const change = { guest: "web", from: "monitored", to: "silent", reason: "no beat" } as const;
    client.report({ kind: "guest-state", id: "id-web", change: { ...change, timeMs: 2000 } });
    await rig.until(
      async () => (await rig.call("readFinding", { ...analyst, id: "f1" })).status === 200,
    );
    await rig.until(
      async () =>
        (await rig.call("readGuest", { ...analyst, id: "id-web" })).body.state === "silent",
    );
    const finding = await rig.call("readFinding", { ...analyst, id: "f1" });
    expect(finding.body.story[0]).toMatch(/On guest web, process 7 .* and 1 times more/);
    const body = { triage: "false-positive", note: "ours" };
    const marked = await rig.call("triageFinding", { ...analyst, id: "f1", body });
    expect(marked.body).toMatchObject({ triage: "false-positive", notes: [{ text: "ours" }] });
    // Told again, it keeps what people made of it.
    client.report(findingOf("web", "f1", "/tmp/y"));
    await rig.until(
      async () => (await rig.call("readFinding", { ...analyst, id: "f1" })).body.value === "/tmp/y",
    );
    const again = await rig.call("readFinding", { ...analyst, id: "f1" });
    expect(again.body.triage).toBe("false-positive");
    const overview = await rig.call("overview", analyst);
    expect(overview.body).toMatchObject({ guests: { silent: 1 }, servers: { online: 1 } });
    const late = { ...change, to: "monitored", timeMs: 1500 } as const;
    client.report({ kind: "guest-state", id: "id-web", change: late });
    await rig.until(
      async () =>
        (await rig.call("readGuest", { ...analyst, id: "id-web" })).body.history.length === 2,
    );
    const guest = await rig.call("readGuest", { ...analyst, id: "id-web" });
    expect(guest.body).toMatchObject({ state: "silent", server: id, serverName: "hv1" });
    const audit = await rig.call("listAudit", { headers: rig.bearer("admin") });
    const calls = audit.body.items.map(({ call }: { call: string }) => call);
    expect(calls).toEqual(expect.arrayContaining(["triageFinding", "readFinding"]));
  });

  test("a guest's text is data, whatever it holds", async () => {
    const { client } = await rig.server("hv1", [guestNamed("web")]);
    const evil = "<script>alert(1)</script>\u0000\u202e\u001b[31m\"'--";
    client.report(findingOf("web", "f1", evil));
    const call = () => rig.call("readFinding", { id: "f1", headers: rig.bearer("read-only") });
    await rig.until(async () => (await call()).status === 200);
    const { body, headers } = await call();
    expect(body.value).toBe(evil);
    expect(headers["content-type"]).toMatch(/^application\/json/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });

  test("who sees some groups sees nothing of others", async () => {
    const { client } = await rig.server("hv1", [guestNamed("web"), guestNamed("db")]);
    client.report(findingOf("web", "f-web"));
    client.report(findingOf("db", "f-db"));
    const analyst = { headers: rig.bearer("analyst") };
    const moved = { ...analyst, id: "id-db", body: { group: "db" } };
    expect((await rig.call("changeGuest", moved)).body.group).toBe("db");
    await rig.until(async () => (await rig.call("listFindings", analyst)).body.total === 2);
    const some = { headers: rig.bearer("responder", ["db"]) };
    const guests = await rig.call("listGuests", some);
    expect(guests.body.items.map(({ name }: { name: string }) => name)).toEqual(["db"]);
    expect((await rig.call("listFindings", some)).body.total).toBe(1);
    const overview = await rig.call("overview", some);
    expect(overview.body).toMatchObject({ findings: { high: 1 }, newest: [{ id: "f-db" }] });
    expect((await rig.call("overview", analyst)).body.findings).toEqual({ high: 2 });
    const closing = { ...analyst, id: "f-db", body: { triage: "closed" } };
    expect((await rig.call("triageFinding", closing)).status).toBe(200);
    expect((await rig.call("overview", some)).body).toMatchObject({ findings: {}, newest: [] });
    expect((await rig.call("readFinding", { ...some, id: "f-web" })).status).toBe(404);
    expect((await rig.call("readGuest", { ...some, id: "id-web" })).status).toBe(404);
    const body = { action: { kind: "release" }, reason: "why" };
    expect((await rig.call("actOnGuest", { ...some, id: "id-web", body })).status).toBe(404);
    const away = { ...some, id: "id-db", body: { group: "web" } };
    expect((await rig.call("changeGuest", away)).status).toBe(404);
  });

  test("a server says nothing about the guests and findings of another", async () => {
    const { id, client: honest } = await rig.server("hv1", [guestNamed("web")]);
    honest.report(findingOf("web", "f1"));
    const reader = { headers: rig.bearer("read-only") };
    await rig.until(async () => (await rig.call("listFindings", reader)).body.total === 1);
    const { client: evil } = await rig.server("hv2", [guestNamed("web", { sinceMs: 9000 })]);
    const change = { guest: "web", from: "monitored", to: "offline", reason: "evil" } as const;
    evil.report({ kind: "guest-state", id: "id-web", change: { ...change, timeMs: 9000 } });
    evil.report({ kind: "guest-left", id: "id-web", timeMs: 9001 });
    evil.report(findingOf("web", "f1", "nothing at all"));
    const response = { finding: "f1", guest: "web", action: "alert", reason: "evil", timeMs: 1 };
    evil.report({ kind: "response", guest: "id-web", response });
    evil.report(findingOf("web", "f2"));
    // The last of them: all before it has been looked at then.
    evil.report(findingOf("other", "f3"));
    await rig.until(
      async () => (await rig.call("readFinding", { ...reader, id: "f3" })).status === 200,
    );
    expect((await rig.call("readFinding", { ...reader, id: "f2" })).status).toBe(404);
    const guest = await rig.call("readGuest", { ...reader, id: "id-web" });
    expect(guest.body).toMatchObject({ server: id, state: "monitored", history: [] });
    const finding = await rig.call("readFinding", { ...reader, id: "f1" });
    expect(finding.body).toMatchObject({ value: "/tmp/x", server: id, responses: [] });
  });

  test("a guest that was away is in its group again", async () => {
    const { client } = await rig.server("hv1", [guestNamed("db")]);
    const analyst = { headers: rig.bearer("analyst") };
    const body = { group: "db", tags: ["prod"] };
    await rig.call("changeGuest", { ...analyst, id: "id-db", body });
    client.report({ kind: "guest-left", id: "id-db", timeMs: 1 });
    const read = () => rig.call("readGuest", { ...analyst, id: "id-db" });
    await rig.until(async () => (await read()).status === 404);
    client.report({ kind: "guest", guest: guestNamed("db") });
    await rig.until(async () => (await read()).status === 200);
    expect((await read()).body).toMatchObject(body);
  });

  test("an answer that is none fails, and the manager goes on", async () => {
    await rig.server("hv1", [guestNamed("web")], { request: async () => null });
    const headers = rig.bearer("admin");
    const body = { action: { kind: "release" }, reason: "why" };
    const { body: action } = await rig.call("actOnGuest", { id: "id-web", headers, body });
    expect(action).toMatchObject({ state: "failed", outcome: "the server's answer is no act" });
    const text = "name: all\nrules:\n  - name: any\n    actions: [alert]\n";
    await rig.call("changePolicy", { body: { text }, headers });
    await rig.until(async () => {
      const state = await rig.call("contentState", { headers });
      return /is no policy/.test(state.body.servers[0].error ?? "");
    });
    const job = await rig.call("startSearch", { body: { query: "kind:process.exec" }, headers });
    const read = () => rig.call("readSearch", { id: job.body.id, headers });
    await rig.until(async () => (await read()).body.state === "done");
    expect((await read()).body.servers).toMatchObject([{ state: "failed" }]);
  });

  test("a manager that starts anew knows all, and who is away", async () => {
    const linkPort = Number(new URL(rig.manager.linkUrl).port);
    const { client } = await rig.server("hv1", [guestNamed("web")]);
    client.report(findingOf("web", "f1"));
    const reader = { headers: rig.bearer("read-only") };
    await rig.until(async () => (await rig.call("listFindings", reader)).body.total === 1);
    client.close();
    await rig.manager.close();
    await rig.start(linkPort);
    expect((await rig.call("listFindings", reader)).body.total).toBe(1);
    const { body } = await rig.call("listGuests", reader);
    expect(body.items).toMatchObject([{ name: "web", isCurrent: false }]);
  });

  test("an action is sent, answered and on record; one that fails says so", async () => {
    const asked: LinkRequest[] = [];
    await rig.server("hv1", [guestNamed("web")], {
      request: async (request) => {
        asked.push(request);
        if (request.kind === "act" && request.action.kind === "pause") {
          throw new Error("no hypervisor here");
        }
        return { outcome: "the process is gone" };
      },
    });
    const headers = rig.bearer("responder");
    const act = (action: object) =>
      rig.call("actOnGuest", { id: "id-web", headers, body: { action, reason: "a miner" } });
    const killed = await act({ kind: "kill", pid: 7, processStartNs: "70" });
    expect(killed.body).toMatchObject({ state: "done", outcome: "the process is gone" });
    expect(asked[0]).toMatchObject({ requestedBy: "token:responder", reason: "a miner" });
    const paused = await act({ kind: "pause" });
    expect(paused.body).toMatchObject({ state: "failed", outcome: "no hypervisor here" });
    expect((await act({ kind: "kill", pid: 7 })).status).toBe(400);
    const listed = await rig.call("listActions", { headers });
    expect(listed.body).toHaveLength(2);
  });

  test("a revoked server is cut off", async () => {
    const { id, client } = await rig.server("hv1", []);
    const headers = rig.bearer("admin");
    expect((await rig.call("revokeServer", { id, headers })).status).toBe(200);
    await rig.until(async () => !client.isConnected);
    const { body } = await rig.call("listServers", { headers });
    expect(body).toMatchObject([{ id, state: "revoked" }]);
  });
});

describe("searches", () => {
  const headers = () => rig.bearer("analyst");

  async function search(query: string, who: Record<string, string>) {
    const { body, status } = await rig.call("startSearch", { body: { query }, headers: who });
    if (status !== 200) return { status, ...body };
    const read = () => rig.call("readSearch", { id: body.id, headers: who });
    await rig.until(async () => (await read()).body.state !== "running");
    return (await read()).body;
  }

  test("rows of all servers in order; who failed or is away is said", async () => {
    for (const [at, name] of ["hv1", "hv2"].entries()) {
      await rig.server(name, [], {
        request: async (_, { rows }) => {
          await rows(
            [20, 10].map((time) => ({ time: time + at, kind: "process.exec", guest: name })),
          );
          return { rows: 2, isComplete: true };
        },
      });
    }
    const broken = async (): Promise<never> => {
      throw new Error("the store is locked");
    };
    await rig.server("hv3", [], { request: broken });
    const { client } = await rig.server("hv4", []);
    client.close();
    const who = headers();
    await rig.until(async () => {
      const { body } = await rig.call("listServers", { headers: who });
      return body.some(({ state }: { state: string }) => state === "offline");
    });
    const found = await search("kind:process.exec", who);
    expect(found.rows.map(({ time }: { time: number }) => time)).toEqual([21, 20, 11, 10]);
    expect(found.isComplete).toBe(false);
    const states = found.servers.map(({ name, state }: { name: string; state: string }) => [
      ...[name, state],
    ]);
    expect(states).toEqual([
      ...[
        ["hv1", "done"],
        ["hv2", "done"],
        ["hv3", "failed"],
        ["hv4", "away"],
      ],
    ]);
    expect(
      (await rig.call("readSearch", { id: found.id, headers: rig.bearer("admin") })).status,
    ).toBe(404);
  });

  test("stages run over what all servers gave", async () => {
    for (const name of ["hv1", "hv2"]) {
      await rig.server(name, [], {
        request: async (_, { rows }) => {
          await rows([1, 2, 3].map((time) => ({ time, kind: "process.exec", guest: "web" })));
          return { rows: 3, isComplete: true };
        },
      });
    }
    const found = await search("kind:process.exec | stats count by guest", headers());
    expect(found.rows).toEqual([{ guest: "web", "count()": 6 }]);
    expect(found.isComplete).toBe(true);
  });

  test("rows of servers that answer are shown while another is waited for", async () => {
    const row = { time: 5, kind: "process.exec", guest: "web" };
    await rig.server("hv1", [], {
      request: async (_, { rows }) => {
        await rows([row]);
        return { rows: 1, isComplete: true };
      },
    });
    await rig.server("hv2", [], { request: () => new Promise(() => {}) });
    const who = headers();
    const body = { query: "kind:process.exec" };
    const { id } = (await rig.call("startSearch", { body, headers: who })).body;
    const read = async () => (await rig.call("readSearch", { id, headers: who })).body;
    await rig.until(async () => (await read()).rows.length === 1);
    expect(await read()).toMatchObject({ state: "running", rows: [row], isComplete: false });
    await rig.call("cancelSearch", { id, headers: who });
    await rig.until(async () => (await read()).state === "cancelled");
    expect((await read()).rows).toEqual([row]);
  });

  test("a search that is not valid says where; one that is cancelled ends", async () => {
    const who = headers();
    expect(await search("kind:", who)).toMatchObject({ status: 400, code: "ERR_UC_SEARCH" });
    await rig.server("hv1", [], { request: () => new Promise(() => {}) });
    const body = { query: "kind:process.exec" };
    const { body: job } = await rig.call("startSearch", { body, headers: who });
    expect((await rig.call("cancelSearch", { id: job.id, headers: who })).status).toBe(200);
    const read = () => rig.call("readSearch", { id: job.id, headers: who });
    await rig.until(async () => (await read()).body.state === "cancelled");
    expect((await read()).body.servers).toMatchObject([{ state: "cancelled" }]);
  });
});

describe("content", () => {
  const VERSIONS = { indicators: 0, rules: 0, policy: 0 };

  test("indicators go out as increments, and whole where a server is elsewhere", async () => {
    const asked: Array<Extract<LinkRequest, { kind: "indicators" }>> = [];
    let mustFail = false;
    await rig.server("hv1", [], {
      request: async (request) => {
        if (request.kind !== "indicators") throw new Error("not asked for");
        asked.push(request);
        if (mustFail && request.base !== 0) throw new Error("another version is here");
        const content = { ...VERSIONS, indicators: request.version };
        return { content, refused: 0, reasons: [] };
      },
    });
    const headers = rig.bearer("analyst");
    const upload = (text: string) =>
      rig.call("uploadIndicators", { body: { source: "ours", text }, headers });
    const first = await upload("domain:bad.example\ndomain:worse.example\n");
    expect(first.body).toMatchObject({ added: 2, removed: 0 });
    await rig.until(async () => asked.length === 1);
    expect(asked[0]).toMatchObject({ base: 0, version: 1, removed: [] });
    const second = await upload("domain:bad.example\ndomain:new.example\n");
    expect(second.body).toMatchObject({ added: 1, removed: 1 });
    await rig.until(async () => asked.length === 2);
    expect(asked[1]).toMatchObject({ base: 1, version: 2, added: [{ value: "new.example" }] });
    expect(asked[1]?.removed).toHaveLength(1);
    expect((await upload("domain:bad.example\ndomain:new.example\n")).body.added).toBe(0);
    mustFail = true;
    await upload("domain:bad.example\n");
    await rig.until(async () => asked.length === 4);
    expect(asked[3]).toMatchObject({ base: 0, version: 3, added: [{ value: "bad.example" }] });
    const state = await rig.call("contentState", { headers });
    expect(state.body).toMatchObject({ current: { indicators: 3 }, indicators: 1 });
    await rig.until(async () => {
      const { body } = await rig.call("contentState", { headers });
      return body.servers[0].content.indicators === 3;
    });
    const found = await rig.call("lookUpIndicator", { query: "?value=bad.example", headers });
    expect(found.body).toMatchObject([{ source: "ours", kind: "domain" }]);
    const gone = await rig.call("lookUpIndicator", { query: "?value=new.example", headers });
    expect(gone.body).toEqual([]);
  });

  test("a server that comes later gets what it lacks; bad content is refused", async () => {
    const headers = rig.bearer("admin");
    const bad = await rig.call("changePolicy", { body: { text: "rules: 7" }, headers });
    expect(bad).toMatchObject({ status: 400, body: { code: "ERR_UC_POLICY" } });
    const files = [{ name: "x.yml", text: "title: [" }];
    const rules = await rig.call("changeRules", { body: { files }, headers });
    expect(rules).toMatchObject({ status: 400, body: { code: "ERR_UC_RULES" } });
    const list = await rig.call("uploadIndicators", {
      ...{ body: { source: "x", text: "{nonsense", format: "stix" }, headers },
    });
    expect(list).toMatchObject({ status: 400, body: { code: "ERR_UC_INDICATORS" } });
    const text = "name: all\nrules:\n  - name: any\n    severityMin: high\n    actions: [alert]\n";
    const good = await rig.call("changePolicy", { body: { text }, headers });
    const asked: string[] = [];
    await rig.server("hv1", [], {
      request: async (request) => {
        asked.push(request.kind);
        return { content: { ...VERSIONS, policy: 1 }, refused: 0, reasons: [] };
      },
    });
    expect([good.status, good.body]).toEqual([200, {}]);
    await rig.until(async () => asked.length === 1);
    expect(asked).toEqual(["policy"]);
  });
});
