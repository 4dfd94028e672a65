// SPDX-License-Identifier: Apache-2.0
// `undercroft server enrol` and `undercroft serve --manager` as an operator runs them, with a guest
// process, a store and a manager's listener: the server is killed and comes back.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { LinkRequest } from "../../lib/model/model.ts";
import { LinkRig, until } from "../unit/link/rig.ts";
import { startGuestProcess } from "./guest-process.ts";

const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));

test("a server under a manager: told, asked, killed, back again", async () => {
  const directory = mkdtempSync("/dev/shm/uc-manager-");
  const rig = await LinkRig.open();
  const guest = await startGuestProcess(directory, "web-1");
  const folder = join(rig.folder, "hv1");
  const keyFile = join(rig.folder, "store.key");
  writeFileSync(keyFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  let server: ChildProcess | undefined;
  const serve = (): void => {
    const store = ["--store", join(rig.folder, "store"), "--store-key-file", keyFile];
    const region = ["--region", `web-1=${guest.path}`, "--manager", folder];
    server = spawn(process.execPath, [CLI, "serve", ...region, ...store], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server === undefined || server.exitCode !== null) return;
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  try {
    const token = rig.authority.makeToken("hv1", 60_000);
    const words = ["--manager", rig.listener.url, "--token", token, "--dir", folder];
    const enrol = () => spawnEnrol(words);
    expect(await enrol()).toMatchObject({ status: 0 });
    // One use, and a folder that has an identity is left as it is.
    expect(await enrol()).toMatchObject({ status: 1, stderr: /holds an identity already/ });
    const [{ id = "" } = {}] = rig.authority.servers;
    serve();
    const states = (): string[] =>
      rig.heard.reports.flatMap(({ report }) =>
        report.kind === "guest-state" ? [report.change.to] : [],
      );
    await until(() => states().includes("monitored"));
    const attached = rig.heard.reports.find(({ report }) => report.kind === "guest");
    const guestId = attached?.report.kind === "guest" ? attached.report.guest.id : "";
    guest.child.stdin?.write("begin\n");
    const ask = async (request: LinkRequest) => {
      const rows: Array<Readonly<Record<string, unknown>>> = [];
      const answer = await rig.listener.request(id, request, {
        onRows: (part) => void rows.push(...part),
      });
      return { answer, rows };
    };
    const execs: LinkRequest = {
      ...{ kind: "search", query: "kind:process.exec", limit: 500, nowMs: Date.now() + 60_000 },
    };
    let found = await ask(execs);
    for (let tries = 0; tries < 100 && found.rows.length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      found = await ask(execs);
    }
    const [row] = found.rows;
    expect(row).toMatchObject({ guest: "web-1", kind: "process.exec" });
    const kill = await ask({
      ...{ kind: "act", guest: guestId, requestedBy: "ann", reason: "test" },
      action: { kind: "kill", pid: 4_000_000, processStartNs: "1" },
    });
    expect(kill.answer).toMatchObject({ ok: false, code: "ERR_UC_COMMAND_FAILED" });
    const processes = await ask({ kind: "processes", guest: guestId });
    expect(processes.rows.length).toBeGreaterThan(0);
    await end("SIGKILL");
    await until(() => !rig.listener.online.includes(id));
    const { length } = rig.heard.reports;
    serve();
    await until(() => rig.listener.online.includes(id));
    await until(() =>
      rig.heard.reports
        .slice(length)
        .some(({ report }) => report.kind === "guest-state" && report.change.to === "monitored"),
    );
    const numbers = rig.heard.reports.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    rig.listener.revoke(id);
    await until(() => !rig.listener.online.includes(id));
  } finally {
    await end("SIGTERM");
    await guest.stop();
    await rig.close();
    rmSync(directory, { recursive: true });
  }
});

/** In a process of its own: the listener answers in this one. */
async function spawnEnrol(words: readonly string[]) {
  const child = spawn(process.execPath, [CLI, "server", "enrol", ...words]);
  let stderr = "";
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
  });
  const [status] = (await once(child, "close")) as [number];
  return { status, stderr };
}
