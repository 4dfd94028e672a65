// SPDX-License-Identifier: Apache-2.0
// A region dump must show what is there and refuse every unusable file by its own code.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toJson } from "../../../lib/cli/json.ts";
import { readRegion } from "../../../lib/cli/region.ts";
import { regionLines } from "../../../lib/cli/region-lines.ts";
import type { GuestDriver } from "../../../lib/model/model.ts";
import {
  encodeHello,
  encodeSession,
  encodeSuperblock,
  HELLO_OFFSET,
  planRegion,
  SESSION_OFFSET,
  SESSION_READY,
  SUPERBLOCK_LAYOUT,
} from "../../../lib/wire/wire.ts";

const bytes = 1 << 20;
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-dump-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function region(): Uint8Array {
  const image = new Uint8Array(bytes);
  const superblock = {
    layout: planRegion({ regionBytes: bytes, dataRings: 2 }),
    ...{ serverInstance: "ab".repeat(16), serverEpoch: 7n, recordBytesMax: 65536 },
    ...{ featuresOffered: 3n, featuresRequired: 0n },
  };
  image.set(encodeSuperblock(superblock));
  const driver: GuestDriver = {
    ...{ version: "1.2.3", os: "linux", osVersion: "6.1 \x1b[31mred", cpuCount: 2 },
    ...{ mapKind: "write-back", capabilities: 0x1_0000_0001n, wireHash: 1 },
  };
  const hello = {
    ...{ helloSeq: 3n, protocol: 1, featuresAccepted: 0n, bootId: "cd".repeat(16), attachNs: 1n },
    ...{ serverEpoch: 7n, clockBoottimeNs: 1n, clockRealtimeNs: 2n, sequence: 0n, driver },
  };
  image.set(encodeHello(hello), HELLO_OFFSET);
  const session = {
    ...{ state: SESSION_READY, sessionId: 0xbeef, helloSeq: 3n, bootId: hello.bootId },
    ...{ features: 0n, guestId: "ef".repeat(16), serverEpoch: 7n, heartbeat: 9n, reason: 0 },
    serverRealtimeNs: 0n,
  };
  image.set(encodeSession(session), SESSION_OFFSET);
  return image;
}

function file(name: string, content: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe("region dump", () => {
  test("shows who is registered, the session and every ring", async () => {
    const description = await readRegion(file("good", region()));
    const text = regionLines(description).join("\n");
    for (const part of [
      "1048576 bytes, 4 rings",
      `instance ${"ab".repeat(16)}, epoch 7`,
      "ready, id 0xbeef, answers hello 3",
      "driver 1.2.3 on linux 6.1 \\x1b[31mred, 2 CPUs",
      "can process kill",
      "ring 0   command:",
      "ring 3   data 1: 0 of",
    ]) {
      expect(text).toContain(part);
    }
    expect(JSON.parse(toJson(description))).toMatchObject({
      sessionState: "ready",
      superblock: { serverEpoch: "7" },
    });
  });

  test("shows a ring whose guest broke the rules", async () => {
    const image = region();
    const { rings } = planRegion({ regionBytes: bytes, dataRings: 2 });
    new DataView(image.buffer).setBigUint64(rings[2]?.producerOffset ?? 0, 1n << 60n, true);
    const text = regionLines(await readRegion(file("liar", image))).join("\n");
    expect(text).toContain("then the rules are broken: E_TAIL_RANGE");
  });

  test("refuses each unusable file with its own code and the path", async () => {
    const patched = (at: number, value: number): Uint8Array => {
      const image = region();
      new DataView(image.buffer).setUint32(at, value, true);
      return image;
    };
    const cut = file("cut", region());
    truncateSync(cut, bytes / 2);
    const fifo = join(directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    const cases = [
      [join(directory, "absent"), "ERR_UC_REGION_OPEN"],
      [directory, "ERR_UC_REGION_OPEN"],
      [fifo, "ERR_UC_REGION_OPEN"],
      [file("odd", new Uint8Array(bytes + 1)), "ERR_UC_REGION_SIZE"],
      [file("empty", new Uint8Array(0)), "ERR_UC_REGION_SIZE"],
      [cut, "ERR_UC_REGION_SIZE"],
      [
        file("grown", new Uint8Array([...region(), ...new Uint8Array(bytes)])),
        "ERR_UC_REGION_CORRUPT",
      ],
      [file("magic", patched(SUPERBLOCK_LAYOUT.magic, 1)), "ERR_UC_REGION_MAGIC"],
      [file("major", patched(SUPERBLOCK_LAYOUT.layoutVersion, 99)), "ERR_UC_REGION_VERSION"],
      [file("seal", patched(SUPERBLOCK_LAYOUT.featuresOffered, 99)), "ERR_UC_REGION_CORRUPT"],
    ] as const;
    for (const [path, code] of cases) {
      const error: unknown = await readRegion(path).catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code });
      expect(String(error)).toContain(path);
    }
  });
});
