// SPDX-License-Identifier: Apache-2.0
// The service's socket: answers in order, errors with their codes, and nothing that a wrong caller
// can break.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UndercroftError } from "../../../lib/errors/errors.ts";
import {
  askService,
  listenService,
  type ServiceHandler,
} from "../../../lib/hypervisor/hypervisor.ts";

let folder = "";
let path = "";
let close: (() => Promise<void>) | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-socket-"));
  path = join(folder, "run/service.sock");
});
afterEach(async () => {
  await close?.();
  close = undefined;
  rmSync(folder, { recursive: true });
});

async function listen(handler: ServiceHandler): Promise<void> {
  close = await listenService(path, handler);
}

/** What comes back for bytes as they are. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(path, () => socket.write(bytes));
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.endsWith("\n")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

test("answers, and lets nobody else open it", async () => {
  await listen(async (request) => ({ heard: request.ask, large: 2n ** 60n }));
  expect(await askService(path, { ask: "status" })).toEqual({
    heard: "status",
    large: "1152921504606846976",
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("hands errors on with their code", async () => {
  await listen(async () => {
    throw new UndercroftError("ERR_UC_DOMAIN_UNKNOWN", "no such domain");
  });
  await expect(askService(path, { ask: "status" })).rejects.toMatchObject({
    code: "ERR_UC_DOMAIN_UNKNOWN",
    message: "no such domain",
  });
});

test.each(["nonsense\n", "{}\n", "null\n", "[]\n", '{"ask":"constructor"}\n'])(
  "refuses %j and goes on",
  async (bytes) => {
    await listen(async () => ({ fine: true }));
    expect(await raw(bytes)).toContain("ERR_UC_ARGUMENT");
    expect(await askService(path, { ask: "status" })).toEqual({ fine: true });
  },
);

test("drops a caller that sends without end", async () => {
  await listen(async () => ({ fine: true }));
  expect(await raw("x".repeat(200_000))).toBe("");
  expect(await askService(path, { ask: "status" })).toEqual({ fine: true });
});

test("takes the place of a dead service's socket, not of a living one's", async () => {
  await listen(async () => ({ first: true }));
  await expect(listenService(path, async () => ({}))).rejects.toMatchObject({
    code: "ERR_UC_SERVICE",
  });
  expect(await askService(path, { ask: "status" })).toEqual({ first: true });
  await close?.();
  writeFileSync(path, "");
  await listen(async () => ({ second: true }));
  expect(await askService(path, { ask: "status" })).toEqual({ second: true });
});

test("says what to do when nobody answers", async () => {
  await expect(askService(path, { ask: "status" })).rejects.toThrow("is it running");
  await listen(() => new Promise(() => {}));
  await expect(askService(path, { ask: "status" }, 100)).rejects.toThrow("no answer within 100 ms");
});
