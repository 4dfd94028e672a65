// SPDX-License-Identifier: Apache-2.0
// Files of every format by their beginning, and MISP feeds in a folder and over HTTP.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ImportReport } from "../../../lib/detect/detect.ts";
import { importFile, pullMispFeed } from "../../../lib/feeds/feeds.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "uc-feeds-"));
});
afterEach(() => rm(folder, { recursive: true }));

function collect(): { values: string[]; report: ImportReport } {
  const values: string[] = [];
  return { values, report: new ImportReport(({ value }) => values.push(value)) };
}

test("a file is read as what it is", async () => {
  const pattern = "[domain-name:value = 'a.example']";
  const files: Readonly<Record<string, readonly [string, string]>> = {
    "a.json": [
      "stix",
      JSON.stringify({ objects: [{ type: "indicator", id: "indicator--1", pattern }] }),
    ],
    "b.json": [
      "misp",
      JSON.stringify({ Event: { Attribute: [{ type: "domain", value: "a.example" }] } }),
    ],
    "c.csv": ["csv", "value\na.example\n"],
    "d.txt": ["list", "a.example\n"],
    "e.txt": ["list", ""],
  };
  for (const [name, [format, text]] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, text);
    const { values, report } = collect();
    const read = await importFile(path, report);
    expect([read, values, report.problemCount], name).toEqual([
      format,
      text === "" ? [] : ["a.example"],
      0,
    ]);
  }
  const { report } = collect();
  await expect(importFile(join(folder, "none"), report)).rejects.toThrow(/cannot read .*none/);
});

const UUIDS = [1, 2, 3].map((at) => `57c06bb1-625c-4d34-9b9f-4066950d210${at}`);

async function writeFeed(): Promise<void> {
  const manifest = Object.fromEntries(
    UUIDS.map((uuid, at) => [uuid, { timestamp: String(10 * (at + 1)), info: "i" }]),
  );
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  for (const [at, uuid] of UUIDS.entries()) {
    const event = {
      info: "E",
      Attribute: [{ type: "domain", value: `n${at}.example`, to_ids: true }],
    };
    await writeFile(join(folder, `${uuid}.json`), JSON.stringify({ Event: event }));
  }
}

test("a feed in a folder gives what was changed since", async () => {
  await writeFeed();
  const all = collect();
  const first = await pullMispFeed(folder, "feed", all.report);
  expect([first, all.values]).toEqual([
    { changedAfter: 30, events: 3 },
    ["n0.example", "n1.example", "n2.example"],
  ]);
  const later = collect();
  await pullMispFeed(folder, "feed", later.report, 20);
  expect(later.values).toEqual(["n2.example"]);
  const none = collect();
  expect(await pullMispFeed(folder, "feed", none.report, 30)).toEqual({
    changedAfter: 30,
    events: 0,
  });
});

test("an event that cannot be read is told, and is where the next reading begins", async () => {
  await writeFeed();
  await rm(join(folder, `${UUIDS[1]}.json`));
  const { values, report } = collect();
  const pulled = await pullMispFeed(folder, "feed", report);
  expect(values).toEqual(["n0.example", "n2.example"]);
  expect(pulled).toEqual({ changedAfter: 10, events: 2 });
  expect(report.problems).toMatchObject([{ place: `${UUIDS[1]}.json` }]);
  await expect(pullMispFeed(join(folder, "none"), "feed", report)).rejects.toThrow(/manifest/);
});

test("a feed over HTTP is the same", async () => {
  await writeFeed();
  const { readFile } = await import("node:fs/promises");
  let busy = true;
  const server = createServer(async (request, response) => {
    if (busy && request.url?.includes(UUIDS[0] ?? "")) {
      busy = false;
      response.writeHead(503).end();
      return;
    }
    try {
      response.end(await readFile(join(folder, request.url ?? "")));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { values, report } = collect();
  const pulled = await pullMispFeed(place, "feed", report, 0, { wait: async () => {} });
  server.close();
  server.closeAllConnections();
  expect([pulled.events, values, report.problemCount]).toEqual([
    3,
    ["n0.example", "n1.example", "n2.example"],
    0,
  ]);
});
