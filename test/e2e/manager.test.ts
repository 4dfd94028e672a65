// SPDX-License-Identifier: Apache-2.0
// `undercroft manager` as an operator runs it: a server enrols, its guest is seen, searched and
// told to kill a process through the API.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DEMO_PAYLOAD_SHA256 } from "../../lib/cli/demo-indicators.ts";
import { startGuestProcess } from "./guest-process.ts";

const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const execute = promisify(execFile);
const run = async (...args: readonly string[]): Promise<string> =>
  (await execute(process.execPath, [CLI, ...args])).stdout.trim();

test("a manager, a server that joins it, a guest that is seen, searched and answered", async () => {
  const directory = mkdtempSync("/dev/shm/uc-manager-");
  const folder = join(directory, "manager");
  const identity = join(directory, "hv1");
  const keyFile = join(directory, "store.key");
  writeFileSync(keyFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const guest = await startGuestProcess(directory, "web-1");
  const children: ChildProcess[] = [];
  const start = (args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    return child;
  };
  try {
    const ports = ["--listen", "127.0.0.1:0", "--link", "127.0.0.1:0"];
    const { stdout } = start(["manager", "--dir", folder, ...ports]);
    if (stdout === null) throw new Error("the manager has no output");
    const [first] = await once(createInterface({ input: stdout }), "line");
    const [, base = "", link = ""] =
      /^console at (\S+), servers at (\S+)$/.exec(String(first)) ?? [];
    const token = await run("manager", "enrolment", "--dir", folder, "--name", "hv1");
    await run("server", "enrol", "--manager", link, "--token", token, "--dir", identity);
    const store = ["--store", join(directory, "store"), "--store-key-file", keyFile];
    start(["serve", "--region", `web-1=${guest.path}`, "--manager", identity, ...store]);
    const role = ["--name", "test", "--role", "responder"];
    const bearer = await run("manager", "token", "--dir", folder, ...role);
    const ca = readFileSync(join(folder, "authority", "authority.crt"));
    const call = (method: string, path: string, body?: object) =>
      ask({ url: `${base}/api/v1${path}`, method, ca, bearer, body });
    const guests = await until(
      () => call("GET", "/guests"),
      ({ items }) => items?.[0]?.state === "monitored",
    );
    expect(guests.items).toMatchObject([{ name: "web-1", serverName: "hv1", isCurrent: true }]);
    const { id } = guests.items[0];
    // Intelligence comes from the manager only; the guest's intrusion then shows it.
    const list = { source: "ours", text: `sha256:${DEMO_PAYLOAD_SHA256} | A miner | high` };
    expect(await call("PUT", "/indicators", list)).toMatchObject({ added: 1, problemCount: 0 });
    await until(
      () => call("GET", "/content"),
      ({ servers }) => servers?.[0]?.content.indicators === 1,
    );
    guest.child.stdin?.write("begin\n");
    const queue = await until(
      () => call("GET", "/findings"),
      ({ total }) => total > 0,
    );
    expect(queue.items[0]).toMatchObject({ guest: "web-1", severity: "high", title: "A miner" });
    const told = await call("GET", `/findings/${queue.items[0].id}`);
    expect(told.story[0]).toMatch(/On guest web-1, process \d+/);
    const processes = await until(
      () => call("GET", `/guests/${id}/processes`),
      (rows) => rows.length > 0,
    );
    expect(processes[0]).toMatchObject({ pid: 1, image: "/sbin/init" });
    const job = await call("POST", "/searches", { query: "kind:process.exec" });
    const found = await until(
      () => call("GET", `/searches/${job.id}`),
      ({ state }) => state === "done",
    );
    expect(found).toMatchObject({ isComplete: true, servers: [{ name: "hv1", state: "done" }] });
    expect(found.rows.length).toBeGreaterThan(0);
    const stop = { action: { kind: "stop-monitoring" }, reason: "a test" };
    const stopped = await call("POST", `/guests/${id}/actions`, stop);
    expect(stopped).toMatchObject({ state: "done", user: "token:test" });
    const paused = await until(
      () => call("GET", `/guests/${id}`),
      ({ state }) => state === "paused",
    );
    expect(paused.history.map(({ to }: { to: string }) => to)).toContain("monitored");
  } finally {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    guest.child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
}, 120_000);

/** Whatever the test says it is. */
type Answer = ReturnType<typeof JSON.parse>;

async function until(
  read: () => Promise<Answer>,
  isEnough: (answer: Answer) => boolean,
): Promise<Answer> {
  for (let turn = 0; turn < 600; turn++) {
    const answer = await read();
    if (isEnough(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it did not come within 60 s: ${JSON.stringify(await read())}`);
}

function ask(options: {
  readonly url: string;
  readonly method: string;
  readonly ca: Buffer;
  readonly bearer: string;
  readonly body: object | undefined;
}): Promise<Answer> {
  const { url, method, ca, bearer, body } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const headers = { authorization: `Bearer ${bearer}`, ...type };
  const sent = request(url, { method, ca, headers }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
    });
    response.on("end", () => resolve(JSON.parse(text)));
  });
  sent.on("error", reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
