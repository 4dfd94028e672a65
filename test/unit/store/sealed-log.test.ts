// SPDX-License-Identifier: Apache-2.0
// The sealed log: what was acknowledged is read back, and every change to the file shows.
import { spawn } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSealedLog, readSealedLog, readStoreKey } from "../../../lib/store/store.ts";

const KEY_HEX = randomBytes(32).toString("hex");
const KEY = createSecretKey(KEY_HEX, "hex");
const CHILD = fileURLToPath(new URL("./log-child.ts", import.meta.url));
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uc-store-"));
  path = join(folder, "log");
});
afterEach(() => rmSync(folder, { recursive: true }));

function writeThree(): void {
  const log = createSealedLog(path, KEY);
  for (const text of ["first-marker", "second-marker", "third-marker"]) {
    log.append(Buffer.from(text.repeat(10)));
  }
  log.close();
}

/** Numbers up to the last acknowledged one that the log does not hold. */
function missing(acknowledged: number): number[] {
  const found = new Set(
    readSealedLog(path, KEY).batches.map((batch) => Number(batch.toString().split(" ")[1])),
  );
  return Array.from({ length: acknowledged + 1 }, (_, number) => number).filter(
    (number) => !found.has(number),
  );
}

async function killWhileWriting(acknowledgedMin: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, path, KEY_HEX], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (bytes: Buffer) => {
    said += bytes.toString();
    if (said.split("\n").length > acknowledgedMin) child.kill("SIGKILL");
  });
  await new Promise((resolve) => child.once("close", resolve));
  return said.split("\n").length - 2;
}

test("batches come back, complete, and the file shows none of their text", () => {
  writeThree();
  const content = readSealedLog(path, KEY);
  expect(content.end).toBe("complete");
  expect(content.batches.map(String)).toEqual(
    ["first-marker", "second-marker", "third-marker"].map((text) => text.repeat(10)),
  );
  expect(readFileSync(path).includes("marker")).toBe(false);
});

test("any byte changed is seen, and any cut leaves a prefix that is not called complete", () => {
  writeThree();
  const file = readFileSync(path);
  const whole = readSealedLog(path, KEY).batches;
  for (let at = 0; at < file.length; at += 1) {
    writeFileSync(path, file.subarray(0, at));
    if (at < 40) expect(() => readSealedLog(path, KEY)).toThrow("is not a log");
    else {
      const cut = readSealedLog(path, KEY);
      expect(["open", "torn"]).toContain(cut.end);
      expect(cut.batches).toEqual(whole.slice(0, cut.batches.length));
    }
    const changed = Buffer.from(file);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    writeFileSync(path, changed);
    if (at < 40) expect(() => readSealedLog(path, KEY)).toThrow();
    else expect(["damaged", "torn"]).toContain(readSealedLog(path, KEY).end);
  }
});

test("another key is refused by name, and an existing log is not overwritten", () => {
  writeThree();
  const other = createSecretKey(randomBytes(32));
  const code = (value: string) => expect.objectContaining({ code: value });
  expect(() => readSealedLog(path, other)).toThrow(code("ERR_UC_STORE_KEY"));
  expect(() => createSealedLog(path, KEY)).toThrow(code("ERR_UC_STORE"));
});

test("a key file is 64 digits that only its owner may use", () => {
  const keyPath = join(folder, "key");
  writeFileSync(keyPath, `${KEY_HEX}\n`, { mode: 0o600 });
  expect(readStoreKey(keyPath).equals(KEY)).toBe(true);
  const open = join(folder, "open");
  writeFileSync(open, KEY_HEX, { mode: 0o644 });
  expect(() => readStoreKey(open)).toThrow("chmod 600");
  writeFileSync(keyPath, KEY_HEX.slice(1));
  expect(() => readStoreKey(keyPath)).toThrow("64 hexadecimal digits");
});

test("nothing acknowledged is missing after kill -9", async () => {
  for (let round = 0; round < 5; round += 1) {
    path = join(folder, `log-${round}`);
    const acknowledged = await killWhileWriting(10 + round * 17);
    expect(acknowledged).toBeGreaterThan(0);
    expect(missing(acknowledged)).toEqual([]);
  }
});

test("canary: a batch lost after its acknowledgement is found missing", async () => {
  const acknowledged = await killWhileWriting(10);
  expect(missing(acknowledged)).toEqual([]);
  const file = readFileSync(path);
  writeFileSync(path, file.subarray(0, 40 + 4 + file.readUInt32LE(40)));
  expect(missing(acknowledged)).toContain(1);
});
