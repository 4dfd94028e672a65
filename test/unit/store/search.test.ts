// SPDX-License-Identifier: Apache-2.0
// Searches as analysts write them, over stored events.
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventSchema, parseSearch } from "../../../lib/search/search.ts";
import { openEventStore, searchConditions } from "../../../lib/store/store.ts";
import { exec, file } from "../events.ts";

test("a search of the search room finds what it says, in log and segment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "uc-search-"));
  const nowMs = Date.now();
  const store = await openEventStore({ folder, key: createSecretKey(randomBytes(32)) });
  try {
    await store.append([
      exec({ pid: 1, timeMs: nowMs - 2, path: "/usr/bin/curl", arguments: ["curl", "http://x"] }),
      file({ pid: 2, timeMs: nowMs - 1, path: "/tmp/Dropped.bin" }),
      file({ pid: 3, timeMs: nowMs, path: "/etc/passwd", kind: "file.write" }),
    ]);
    const pids = async (text: string): Promise<number[]> => {
      const { where } = parseSearch(text, eventSchema);
      const found: number[] = [];
      const compiled = searchConditions(where, eventSchema, nowMs);
      for await (const { event } of store.search({ compiled, fromMs: nowMs - 5 })) {
        if ("pid" in event) found.push(event.pid);
      }
      return found;
    };
    for (const round of ["log", "segment"]) {
      expect(await pids("pid:2"), round).toEqual([2]);
      expect(await pids("curl"), round).toEqual([1]);
      expect(await pids("kind:file.write OR pid:<2"), round).toEqual([3, 1]);
      expect(await pids("file:*dropped*"), round).toEqual([2]);
      expect(await pids("NOT pid:2 last:1h"), round).toEqual([3, 1]);
      await store.settle();
    }
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
});
