// SPDX-License-Identifier: Apache-2.0
// What a search means, how one that is wrong is refused, and what the printer gives back.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import {
  completeSearch,
  eventSchema,
  parseSearch,
  printSearch,
  type Row,
  runSearch,
} from "../../../lib/search/search.ts";
import { NOW_MS, search } from "./arbitrary.ts";

const ROWS: readonly Row[] = [
  { id: 1, kind: "process.exec", time: NOW_MS - 1000, guest: "web", image: "C:\\Windows\\cmd.exe" },
  {
    id: 2,
    kind: "process.exec",
    time: NOW_MS - 7_200_000,
    image: "/bin/Bash",
    command_line: "-c id",
  },
  { id: 3, kind: "socket.connect", time: NOW_MS - 1, remote_port: 443, remote_address: "10.1.2.3" },
  { id: 4, kind: "socket.accept", time: NOW_MS - 2, local_port: 22, remote_address: "fe80::7" },
  {
    id: 5,
    kind: "dns",
    time: NOW_MS - 3,
    query: "evil.example",
    answers: ["1.2.3.4", "cname.test"],
  },
  {
    id: 6,
    kind: "exit",
    time: Date.parse("2025-12-01T12:00:00Z"),
    truncated: true,
    start_ns: 2n ** 60n,
  },
].map((row) => ({ server: "hv1", ...row }));

function found(text: string): unknown[] {
  const rows = runSearch(parseSearch(text, eventSchema), ROWS, eventSchema, NOW_MS, ["id"]);
  return rows.map((row) => row.id).sort();
}

test.each([
  ["", [1, 2, 3, 4, 5, 6]],
  ["*", [1, 2, 3, 4, 5, 6]],
  ["image:*\\CMD.EXE", [1]],
  ['image:"C:\\Windows\\cmd.exe"', [1]],
  ['image:"C:\\Windows\\\\"*', [1]],
  ["image:/bin/b?sh", [2]],
  ["image:bash", []],
  ["bash", [2]],
  ['"-c id"', [2]],
  ["kind:(process.exec OR dns)", [1, 2, 5]],
  ["kind:socket.*", [3, 4]],
  ["kind:process.exec NOT image:*bash", [1]],
  ["not kind:process.exec and not port:*", [5, 6]],
  ["port:443", [3]],
  ["port:[1 TO 1024]", [3, 4]],
  ["port:{22 to 443]", [3]],
  ["port:>=0x1bb", [3]],
  ["port: < 443", [4]],
  ["port:(22 OR 443) guest:*", []],
  ["remote_address:10.0.0.0/8", [3]],
  ["address:fe80::/10 OR address:[10.1.2.0 TO 10.1.2.9]", [3, 4]],
  ["answers:1.2.3.4", [5]],
  ["cname", [5]],
  ["10.1.2.3", [3]],
  ["last:1h", [1, 3, 4, 5]],
  ["time:>now-1h kind:dns", [5]],
  ["time:2025-12-01", [6]],
  ["time:2025-12-01T12:00", [6]],
  ["time:<=2025-12-01", [6]],
  ["time:>2025-12-01", [1, 2, 3, 4, 5]],
  ["time:[2025-11-30 TO 2025-12-01]", [6]],
  ["time:[2025-12-01T12:00:00+00:00 TO 2025-12-01T12:00:00.000Z]", [6]],
  ["truncated:true", [6]],
  ["start_ns:1152921504606846976", [6]],
  ["start_ns:>1152921504606846976", []],
  ["server:hv1 kind:dns", [5]],
  [["host", "hv2"].join(":"), []],
  ["(a OR kind:dns) AND (query:evil* AND NOT query:*x)", [5]],
])("%s", (text, ids) => {
  expect(found(text)).toEqual(ids);
});

test("stages count, sort, cut and choose", () => {
  const run = (text: string) =>
    runSearch(parseSearch(text, eventSchema), ROWS, eventSchema, NOW_MS, ["id"]);
  expect(
    run(
      "kind:socket.* OR kind:process.exec | stats count(), max(port) by kind".replace(
        ", max(port)",
        "",
      ) + " | sort -count, kind",
    ),
  ).toEqual([
    { kind: "process.exec", "count()": 2 },
    { kind: "socket.accept", "count()": 1 },
    { kind: "socket.connect", "count()": 1 },
  ]);
  expect(run("| sort time | limit 1 | fields kind, truncated")).toEqual([
    { kind: "exit", truncated: true },
  ]);
  expect(run("last:3h | stats count by bin(time, 1h) | sort time")).toEqual([
    { time: NOW_MS - 7_200_000, "count()": 1 },
    { time: NOW_MS - 3_600_000, "count()": 4 },
  ]);
});

test.each([
  ["imgae:x", 0, "image"],
  ["a AND comand_line:x", 6, "command_line"],
  ["kind:proces.exec", 5, "process.exec"],
  ["port:http", 5, undefined],
  ["port:[1 TO]", 5, undefined],
  ["port:*1", 5, undefined],
  ["address:10.0.0.0/33", 8, undefined],
  ["time:2025-02-31", 5, undefined],
  ["truncated:maybe", 10, undefined],
  ["(a", 0, undefined],
  ["a)", 1, undefined],
  ['a "b', 2, undefined],
  ["a OR", 4, undefined],
  ["OR a", 0, undefined],
  ["image:", 6, undefined],
  ['""', 0, undefined],
  ["a | sotr time", 4, "sort"],
  ["a | sort tme", 9, "time"],
  ["a | stats sum(image)", 10, undefined],
  ["a | stats count by kind | sort time", 31, undefined],
  ["a | limit 0", 10, undefined],
  ["a | fields kind, kind", 10, undefined],
  ["a | sort answers", 9, undefined],
  ["last:soon", 5, undefined],
])("refused: %s", (text, at, suggestion) => {
  expect(refusal(text)).toEqual({ at, ...(suggestion && { suggestion }) });
});

function refusal(text: string): unknown {
  try {
    parseSearch(text, eventSchema);
  } catch (error) {
    if (!isUndercroftError(error)) throw error;
    expect(error.code).toBe("ERR_UC_SEARCH");
    expect(error.message.length).toBeLessThan(300);
    return error.detail;
  }
  return undefined;
}

test("hostile searches are refused, not run", () => {
  expect(refusal("a".repeat(10_000))).toEqual({ at: 8192 });
  expect(refusal("(".repeat(100))).toEqual({ at: 32 });
  expect(refusal("a ".repeat(300))).toEqual({ at: 512 });
  expect(refusal("image:" + "*a".repeat(20))).toEqual({ at: 6 });
  expect(refusal("a" + "| limit 1".repeat(20))).toEqual({ at: 73 });
});

test("a pattern of many wildcards takes no time", () => {
  const slow = `image:${"*a".repeat(16)}`;
  const rows = [{ image: "a".repeat(20_000) + "b" }];
  const started = performance.now();
  expect(runSearch(parseSearch(slow, eventSchema), rows, eventSchema, 0)).toEqual([]);
  // Backtracking would take longer than the age of the world.
  expect(performance.now() - started).toBeLessThan(60_000);
});

test("parsing what is printed gives the same search", () => {
  fc.assert(
    fc.property(search, (made) => {
      const printed = printSearch(made, eventSchema);
      expect(parseSearch(printed, eventSchema), printed.slice(0, 500)).toEqual(made);
    }),
    { numRuns: 2000 },
  );
});

test("any text is a search or is refused", () => {
  const pieces = fc.constantFrom(
    ...'()|"\\*?:[]{}<>= ',
    "AND",
    "or",
    "NOT",
    "image:",
    "port:",
    "time:",
    "now-",
    "1",
    "stats ",
    "sort ",
    "by ",
    "count(",
    "last:",
    "TO",
    ",",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), (list) => {
      const text = list.join("");
      refusal(text);
      completeSearch(text, text.length, eventSchema);
    }),
    { numRuns: 5000 },
  );
});

test("completion knows where the cursor is", () => {
  const first = (text: string, known?: ReadonlyMap<string, readonly string[]>) => {
    const { from, items } = completeSearch(text, text.length, eventSchema, known);
    return [from, items[0]?.text];
  };
  expect(first("imag")).toEqual([0, "image:"]);
  expect(first("a kind:process.e")).toEqual([7, "process.exec"]);
  expect(first("kind:(dns OR file.o")).toEqual([13, "file.open"]);
  expect(first("truncated:")).toEqual([10, "true"]);
  expect(first("time:")).toEqual([5, ">now-1h"]);
  expect(first("port:")).toEqual([5, ">="]);
  expect(first("guest:w", new Map([["guest", ["web"]]]))).toEqual([6, "web"]);
  expect(first("a | so")).toEqual([4, "sort"]);
  expect(first("a | sort -ti")).toEqual([9, "time"]);
  expect(first("a | stats co")).toEqual([10, "count("]);
  expect(first("a | stats count() by ima")).toEqual([21, "image"]);
  expect(first("kind:dns A")).toEqual([9, "address:"]);
});
