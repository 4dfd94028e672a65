// SPDX-License-Identifier: Apache-2.0
// `undercroft store` over a store that a server filled: a simulated guest's events, its findings.
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { main } from "../../../lib/cli/cli.ts";
import { openEventStore } from "../../../lib/store/store.ts";
import { file } from "../events.ts";

const KEY_HEX = randomBytes(32).toString("hex");
let folder: string;
let keyFile: string;
let printed: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uc-store-cli-"));
  keyFile = join(folder, "key");
  writeFileSync(keyFile, KEY_HEX, { mode: 0o600 });
  printed = "";
  const write = (text: string | Uint8Array): boolean => {
    printed += String(text);
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(write as never);
  vi.spyOn(process.stderr, "write").mockImplementation(write as never);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function fill(): Promise<string> {
  const path = join(folder, "store");
  const store = await openEventStore({ folder: path, key: createSecretKey(KEY_HEX, "hex") });
  await store.append(Array.from({ length: 50 }, (_, at) => file({ pid: at, timeMs: Date.now() })));
  await store.close();
  return path;
}

test("stats, check and compact say what there is; a damaged part fails the check", async () => {
  const path = await fill();
  const key = ["--store-key-file", keyFile];
  expect(await main(["store", "compact", path, ...key])).toBe(0);
  expect(await main(["store", "check", path, ...key])).toBe(0);
  printed = "";
  expect(await main(["store", "stats", path, ...key, "--json"])).toBe(0);
  expect(JSON.parse(printed)).toMatchObject({ segments: 1, segmentRows: 50, logRows: 0 });
  const part = readdirSync(path).find((name) => name.startsWith("segment-")) ?? "";
  const bytes = readFileSync(join(path, part));
  bytes.writeUInt8(bytes.readUInt8(80) ^ 1, 80);
  writeFileSync(join(path, part), bytes);
  printed = "";
  expect(await main(["store", "check", path, ...key])).toBe(1);
  expect(printed).toContain(part);
});

test("the key comes from a file, a command or the environment, or is missed by name", async () => {
  const path = await fill();
  const command = `cat ${keyFile}`;
  expect(await main(["store", "stats", path, "--store-key-command", command])).toBe(0);
  expect(await main(["store", "stats", path, "--store-key-command", "false"])).toBe(1);
  expect(await main(["store", "stats", path])).toBe(2);
  vi.stubEnv("UNDERCROFT_STORE_KEY", KEY_HEX);
  expect(await main(["store", "stats", path])).toBe(0);
  vi.stubEnv("UNDERCROFT_STORE_KEY", "0".repeat(64));
  expect(await main(["store", "stats", path])).toBe(1);
  expect(printed).toContain("ERR_UC_STORE_KEY");
});
