// SPDX-License-Identifier: Apache-2.0
// The SQL of a search, run by a real DuckDB, finds what the evaluator finds: same rows, same
// order. A broken rule must be found out, and no value may reach the text.
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  conditionSql,
  cursorAfter,
  eventSchema,
  isAfter,
  pageOrder,
  parseSearch,
  type Row,
  readCursor,
  rowOrder,
  runSearch,
  type Search,
  stagesSql,
} from "../../../lib/search/search.ts";
import { NOW_MS, rows, search } from "./arbitrary.ts";

const TYPES = {
  address: "VARCHAR",
  bigint: "UBIGINT",
  flag: "BOOLEAN",
  list: "VARCHAR",
  number: "BIGINT",
  real: "DOUBLE",
  text: "VARCHAR",
  time: "DOUBLE",
};
const COLUMNS = ["kind", "time", "guest", "image", "command_line", "pid", "remote_port"];
COLUMNS.push("local_port", "start_ns", "duration_ms", "first", "truncated", "remote_address");
COLUMNS.push("source_address", "answers");
const place = { server: "hv1" };
const relation = { columns: new Set(COLUMNS), place, nowMs: NOW_MS };

let connection: DuckDBConnection;
let instance: DuckDBInstance;

beforeAll(async () => {
  instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  connection = await instance.connect();
  const typed = COLUMNS.map((column) => {
    return `"${column}" ${TYPES[eventSchema.fields.get(column)?.type ?? "text"]}`;
  });
  await connection.run(`CREATE TABLE events (${typed.join(", ")}, "row" BIGINT)`);
});

afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

async function fill(list: readonly Row[]): Promise<void> {
  await connection.run("DELETE FROM events");
  const names = [...COLUMNS, "row"];
  for (const row of list) {
    const values = names.map((column) => {
      const value = row[column] ?? null;
      if (Array.isArray(value)) return JSON.stringify(value);
      return typeof value === "boolean" || value === null ? value : String(value);
    });
    const marks = names.map((column, at) => {
      return `$${at + 1}::${TYPES[eventSchema.fields.get(column)?.type ?? "number"]}`;
    });
    await connection.run(`INSERT INTO events VALUES (${marks.join(", ")})`, values);
  }
}

async function ask({ where, stages }: Search, damage = (sql: string) => sql): Promise<Row[]> {
  const condition = conditionSql(where, eventSchema, relation);
  const test = condition === undefined ? "false" : damage(condition.sql);
  const from = `(SELECT * FROM events WHERE ${test})`;
  const sql = stagesSql(from, stages, pageOrder({ where, stages }, ["row"]));
  const result = await connection.runAndReadAll(sql, [...(condition?.values ?? [])]);
  return result.getRowObjects() as Row[];
}

/** Both sides in one form: numbers as text, lists as JSON, nothing as null. */
function plain(list: readonly Row[]): unknown {
  const form = (value: unknown) => {
    if (value === undefined || value === null) return null;
    if (Array.isArray(value)) return JSON.stringify(value);
    return typeof value === "number" || typeof value === "bigint" ? String(Number(value)) : value;
  };
  return list.map((row) =>
    Object.fromEntries(
      Object.entries(row)
        .filter(([column, value]) => column !== "server" && (value ?? null) !== null)
        .map(([column, value]) => [column, form(value)])
        .sort(([a], [b]) => ((a ?? "") < (b ?? "") ? -1 : 1)),
    ),
  );
}

async function differ(list: readonly Row[], made: Search, damage?: (sql: string) => string) {
  await fill(list);
  const wanted = plain(runSearch(made, list, eventSchema, NOW_MS, ["row"]));
  return [plain(await ask(made, damage)), wanted];
}

test("SQL and evaluator agree", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(rows, fc.array(search, { minLength: 6, maxLength: 6 }), async (list, made) => {
      await fill(list);
      for (const one of made) {
        const wanted = plain(runSearch(one, list, eventSchema, NOW_MS, ["row"]));
        expect(plain(await ask(one))).toEqual(wanted);
      }
    }),
    { numRuns: 150 },
  );
});

test("a wrong translation is found out", { timeout: 120_000 }, async () => {
  const damage = (sql: string) =>
    sql.replaceAll("lower(", "trim(").replaceAll("NOT coalesce", "NOT ");
  const check = fc.check(
    fc.asyncProperty(rows, search, async (list, made) => {
      const [found, wanted] = await differ(list, made, damage);
      expect(found).toEqual(wanted);
    }),
    { numRuns: 2000, endOnFailure: true },
  );
  expect((await check).failed).toBe(true);
});

test("no value reaches the text of the SQL", async () => {
  const evil = "x'); DROP TABLE events; --";
  const written = `image:"${evil}" OR "${evil}" OR answers:*"${evil}"? OR server:"${evil}"`;
  const { where } = parseSearch(written, eventSchema);
  const { sql = "", values = [] } = conditionSql(where, eventSchema, relation) ?? {};
  expect(sql).not.toMatch(/drop/i);
  expect(values.join()).toContain("drop table");
  expect(await ask({ where, stages: [] })).toEqual([]);
});

test("networks hold the addresses at their edges and none beside", async () => {
  const inside = ["10.0.0.0", "10.0.1.255", "fe80::", "febf:ffff::1", "2001:db8::", "::", "::1"];
  const beside = [
    "9.255.255.255",
    "10.0.2.0",
    "fec0::",
    "2001:db9::",
    "2001:db7:ffff::",
    "::2",
    "",
  ];
  const list = [...inside, ...beside].map((address, row) => ({ remote_address: address, row }));
  const networks = ["10.0.0.0/23", "fe80::/10", "2001:db8::/32", "::/127"];
  const written = networks.map((network) => `address:${network}`).join(" OR ");
  const [found, wanted] = await differ(
    list,
    parseSearch(`(${written}) | sort remote_address`, eventSchema),
  );
  expect(found).toEqual(wanted);
  expect(found).toHaveLength(inside.length);
});

test("pages by cursor are the whole, whatever the sort, while rows come in", () => {
  fc.assert(
    fc.property(rows, search, fc.integer({ min: 1, max: 4 }), (list, made, size) => {
      const keys = pageOrder(made, ["row"]);
      const whole = [...list].sort(rowOrder(keys));
      const shown: Row[] = [];
      let rest = whole;
      while (rest.length > 0) {
        const page = rest.slice(0, size);
        shown.push(...page);
        const cursor = readCursor(cursorAfter(page.at(-1) ?? {}, keys), keys);
        // A newer row of the first place changes no later page.
        rest = [{ ...whole[0], row: -1 }, ...whole].filter(isAfter(cursor, keys));
      }
      expect(shown).toEqual(whole);
    }),
  );
  const keys = pageOrder({ where: { kind: "all" }, stages: [] }, ["row"]);
  for (const wrong of ["", "{}", "[1]", '[1,{"a":1}]', "[1,[2]]", "[".repeat(20_000)]) {
    expect(() => readCursor(wrong, keys)).toThrow(/another search/);
  }
});
