// SPDX-License-Identifier: Apache-2.0
// The TAXII client against a real HTTP server: paging in both ways of the specification, the
// cursor, content types, retries, limits, and what a page that breaks off leaves.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { ImportReport } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import { discoverTaxii, type FeedOptions, TaxiiClient } from "../../../lib/feeds/feeds.ts";

const TYPE = "application/taxii+json;version=2.1";
const COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";

interface StoredObject {
  readonly added: string;
  readonly object: object;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    handler(request, response, new URL(request.url ?? "/", "http://localhost"));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
}

function objects(count: number): StoredObject[] {
  return Array.from({ length: count }, (_, at) => ({
    // Three objects share each time.
    added: `2026-01-01T00:00:00.${String(Math.floor(at / 3)).padStart(6, "0")}Z`,
    object: {
      ...{ type: "indicator", id: `indicator--${at}`, pattern_type: "stix" },
      pattern: `[domain-name:value = 'n${at}.example']`,
    },
  }));
}

/** A server of one collection that pages by `next`, or by time alone. */
function collectionHandler(all: readonly StoredObject[], limit: number, hasNext: boolean): Handler {
  return (request, response, url) => {
    if (request.headers.accept !== TYPE) return answer(response, 406, {});
    const after = url.searchParams.get("added_after") ?? "";
    const next = Number(url.searchParams.get("next") ?? 0);
    const rest = all.filter(({ added }) => added > after);
    let end = Math.min(rest.length, next + limit);
    // Without `next`, a page may not end between objects of one time.
    if (!hasNext) while (end < rest.length && rest[end]?.added === rest[end - 1]?.added) end++;
    const page = rest.slice(next, end);
    const more = end < rest.length;
    const last = page.at(-1)?.added;
    answer(
      response,
      200,
      {
        more,
        ...(more && hasNext ? { next: String(end) } : {}),
        objects: page.map((o) => o.object),
      },
      last === undefined ? {} : { "x-taxii-date-added-last": last },
    );
  };
}

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": TYPE, ...headers });
  response.end(JSON.stringify(body));
}

const waits: number[] = [];
const QUICK: FeedOptions = {
  wait: async (ms) => {
    waits.push(ms);
  },
};

async function pull(root: string, addedAfter?: string, options: FeedOptions = QUICK) {
  waits.length = 0;
  const values: string[] = [];
  const report = new ImportReport(({ value }) => values.push(value));
  const range = addedAfter === undefined ? {} : { addedAfter };
  const result = await new TaxiiClient(root, options).pull(COLLECTION, "taxii", report, range);
  return { ...result, values, report };
}

async function failure(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (cause) {
    if (isUndercroftError(cause) && cause.code === "ERR_UC_FEED") return cause.message;
    throw cause;
  }
  return "";
}

test("roots and collections are found", async () => {
  const root = await serve((_request, response, url) => {
    if (url.pathname === "/taxii2/") {
      answer(response, 200, { title: "T", api_roots: ["/api/", "https://other.example/x/", 5] });
    } else {
      answer(response, 200, {
        collections: [{ id: COLLECTION, title: "C", can_read: true }, { id: 5 }, null],
      });
    }
  });
  const discovery = root.replace("/api/", "/taxii2/");
  expect(await discoverTaxii(discovery)).toEqual([root, "https://other.example/x/"]);
  expect(await new TaxiiClient(root).collections()).toEqual([
    { id: COLLECTION, title: "C", canRead: true },
  ]);
});

test("all pages are read, by next or by time, and the cursor goes on from there", async () => {
  for (const hasNext of [true, false]) {
    const all = objects(100);
    const root = await serve(collectionHandler(all, 7, hasNext));
    const first = await pull(root);
    expect(new Set(first.values).size).toBe(100);
    expect(first.values).toHaveLength(100);
    expect(first.pages).toBeGreaterThan(10);
    expect(first.addedAfter).toBe(all.at(-1)?.added);
    const again = await pull(root, first.addedAfter);
    expect(again).toMatchObject({ values: [], pages: 1, addedAfter: first.addedAfter });
    const half = await pull(root, all[49]?.added);
    expect(half.values).toHaveLength(49);
  }
});

test("the query stays the same while next is followed", async () => {
  const queries: string[] = [];
  const handler = collectionHandler(objects(9), 3, true);
  const root = await serve((request, response, url) => {
    queries.push(url.search);
    handler(request, response, url);
  });
  await pull(root, "2026-01-01T00:00:00.000000Z");
  expect(queries.map((one) => new URLSearchParams(one).get("added_after"))).toEqual([
    "2026-01-01T00:00:00.000000Z",
    "2026-01-01T00:00:00.000000Z",
  ]);
  expect(new URLSearchParams(queries[1]).get("next")).toBe("3");
  expect(new URLSearchParams(queries[0]).get("match[type]")).toContain("indicator");
});

test("a server that goes in circles is left", async () => {
  const root = await serve((_request, response) => {
    answer(response, 200, { more: true, next: "1", objects: [] });
  });
  expect(await failure(pull(root))).toContain("says that there is more, but not where");
  const time = { "x-taxii-date-added-last": "2026-01-01T00:00:00.000000Z" };
  const stuck = await serve((_request, response) => {
    answer(response, 200, { more: true, objects: [] }, time);
  });
  expect(await failure(pull(stuck))).toContain("says that there is more, but not where");
});

test("what is no TAXII answer is refused, not read as empty", async () => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ["text/html", /content type is text\/html/],
    ["application/json", /content type/],
    ["application/taxii+json;version=2.0", /version=2\.0/],
    ["application/vnd.oasis.stix+json", /content type/],
  ];
  for (const [type, reason] of cases) {
    const root = await serve((_request, response) => {
      answer(response, 200, { objects: [] }, { "content-type": type });
    });
    expect(await failure(pull(root))).toMatch(reason);
  }
  const loose = await serve((_request, response) => {
    answer(
      response,
      200,
      { objects: [] },
      { "content-type": 'Application/TAXII+json; version="2.1"' },
    );
  });
  expect((await pull(loose)).values).toEqual([]);
});

test("a server that is busy is asked again, as late as it says", async () => {
  let attempt = 0;
  const handler = collectionHandler(objects(3), 10, true);
  const root = await serve((request, response, url) => {
    attempt++;
    if (attempt === 1) answer(response, 503, {}, { "retry-after": "7" });
    else if (attempt === 2) answer(response, 429, {}, { "retry-after": "999999999" });
    else handler(request, response, url);
  });
  expect((await pull(root)).values).toHaveLength(3);
  expect(waits).toEqual([7000, 2000]);
  const dead = await serve((_request, response) => answer(response, 502, {}));
  expect(await failure(pull(dead))).toContain("answers 502 Bad Gateway, 4 times");
  expect(waits).toEqual([1000, 2000, 4000]);
});

test("an error of ours is told at once, without the credentials", async () => {
  let attempt = 0;
  const root = await serve((request, response) => {
    attempt++;
    expect(request.headers.authorization).toBe("Basic c2VjcmV0");
    answer(response, 401, {});
  });
  const options = { ...QUICK, headers: { authorization: "Basic c2VjcmV0" } };
  const secret = root.replace("http://", "http://user:hidden@");
  const message = await failure(pull(root, undefined, options));
  expect(message).toContain("answers 401 Unauthorized; check the credentials");
  expect(attempt).toBe(1);
  expect(() => new TaxiiClient("ftp://user:hidden@x/")).toThrow(/is no address/);
  const refused = await failure(pull(secret, undefined, options));
  expect(refused).toContain("credentials in its address");
  expect(refused).not.toContain("hidden");
});

test("a page that breaks off leaves nothing, and is read again as a whole", async () => {
  let attempt = 0;
  const all = objects(2000);
  const handler = collectionHandler(all, 5000, true);
  const root = await serve((request, response, url) => {
    attempt++;
    if (attempt > 2) return handler(request, response, url);
    const text = JSON.stringify({ objects: all.map((one) => one.object) });
    response.writeHead(200, { "content-type": TYPE, "content-length": text.length });
    response.write(text.slice(0, text.length / 2));
    setTimeout(() => response.destroy(), 20);
  });
  const { values, report } = await pull(root);
  expect(attempt).toBe(3);
  expect(values).toHaveLength(2000);
  expect(report.problemCount).toBe(0);
});

test("an answer that is too large, also when unpacked, or too slow is left", async () => {
  const body = gzipSync(JSON.stringify({ objects: [], filler: "x".repeat(5_000_000) }));
  const root = await serve((_request, response) => {
    response.writeHead(200, { "content-type": TYPE, "content-encoding": "gzip" });
    response.end(body);
  });
  const message = await failure(pull(root, undefined, { ...QUICK, bytesMax: 1_000_000 }));
  expect(message).toContain("more than 1000000 bytes");
  const slow = await serve(() => {});
  const options = { ...QUICK, timeoutMs: 50, attempts: 2 };
  expect(await failure(pull(slow, undefined, options))).toMatch(/timeout.*, 2 times/);
});

test("a redirection is not followed, nobody listening is told", async () => {
  const root = await serve((_request, response) => {
    response.writeHead(302, { location: "http://127.0.0.1:1/elsewhere" });
    response.end();
  });
  expect(await failure(pull(root, undefined, { ...QUICK, attempts: 1 }))).toMatch(/redirect/);
  const gone = await serve(() => {});
  for (const server of servers.splice(-1)) await new Promise((done) => server.close(done));
  expect(await failure(pull(gone))).toMatch(/ECONNREFUSED.*, 4 times/);
});

test("bad objects of a page are told, the others come", async () => {
  const root = await serve((_request, response) => {
    answer(response, 200, { objects: [{ type: "indicator" }, ...objects(2).map((o) => o.object)] });
  });
  const { values, report } = await pull(root);
  expect(values).toHaveLength(2);
  expect(report.problems).toMatchObject([{ source: "taxii", place: "$.objects[0]" }]);
});
