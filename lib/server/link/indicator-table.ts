// SPDX-License-Identifier: Apache-2.0
// The manager's indicators on a server's disk, so that they hold after a restart with the manager
// away. Called by content.ts, one change at a time. Long work gives way to the guests.
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as giveWay } from "node:timers/promises";
import { canonicalValue, isIndicatorKind } from "../../detect/detect.ts";
import type { Indicator, LinkIndicator, Severity, TlpMarking } from "../../model/model.ts";

const SEVERITIES: readonly string[] = ["informational", "low", "medium", "high", "critical"];
const TLP: readonly string[] = ["clear", "green", "amber", "amber+strict", "red"];
const TEXT_MAX = 4096;
const AT_ONCE = 2000;
const REASONS_MAX = 10;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS indicator(
    id TEXT PRIMARY KEY, source TEXT NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID`;

/** What a change came to. */
export interface IndicatorsTaken {
  readonly added: readonly Indicator[];
  /** Ids that are gone, by source; one that moved to another source is gone from the first. */
  readonly removed: ReadonlyMap<string, readonly string[]>;
  readonly refused: number;
  /** Why, of the first ones. */
  readonly reasons: readonly string[];
}

/** See the head of this file. */
export class IndicatorTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(SCHEMA);
  }

  /** Sources that any of them names. */
  get sources(): readonly string[] {
    const rows = this.#database.prepare("SELECT DISTINCT source FROM indicator").all();
    return rows.map(({ source }) => String(source));
  }

  /** All of them; whoever reads gives way now and then. */
  *read(): IterableIterator<Indicator> {
    for (const { json } of this.#database.prepare("SELECT json FROM indicator").iterate()) {
      yield JSON.parse(String(json)) as Indicator;
    }
  }

  /** Writes a change within the transaction of the caller. */
  async change(
    isWhole: boolean,
    added: readonly unknown[],
    removed: readonly string[],
  ): Promise<IndicatorsTaken> {
    const find = this.#database.prepare("SELECT source FROM indicator WHERE id = ?");
    const remove = this.#database.prepare("DELETE FROM indicator WHERE id = ?");
    const put = this.#database.prepare("INSERT OR REPLACE INTO indicator VALUES(?, ?, ?)");
    const gone = new Map<string, string[]>();
    const forget = (id: string, source: string): void => {
      const ids = gone.get(source);
      if (ids === undefined) gone.set(source, [id]);
      else ids.push(id);
    };
    if (isWhole) this.#database.exec("DELETE FROM indicator");
    for (const [at, id] of removed.entries()) {
      if (at % AT_ONCE === AT_ONCE - 1) await giveWay();
      const source = find.get(id)?.source;
      if (source === undefined) continue;
      remove.run(id);
      forget(id, String(source));
    }
    const taken: Indicator[] = [];
    const reasons: string[] = [];
    let refused = 0;
    for (const [at, one] of added.entries()) {
      if (at % AT_ONCE === AT_ONCE - 1) await giveWay();
      const indicator = readIndicator(one);
      if (typeof indicator === "string") {
        refused += 1;
        if (reasons.length < REASONS_MAX) reasons.push(indicator);
        continue;
      }
      const { id, source } = indicator;
      const before = find.get(id)?.source;
      if (before !== undefined && before !== source) forget(id, String(before));
      put.run(id, source, JSON.stringify(indicator));
      taken.push(indicator);
    }
    return { added: taken, removed: gone, refused, reasons };
  }
}

/** An indicator as the store takes it, or what is wrong with it. */
function readIndicator(one: unknown): Indicator | string {
  if (typeof one !== "object" || one === null) return "an indicator is no object";
  const fields = one as Readonly<Record<keyof LinkIndicator, unknown>>;
  const { id, kind, value, source, title, severity, confidence, tlp, validUntilMs } = fields;
  if (typeof id !== "string" || id === "" || id.length > TEXT_MAX) return "an indicator has no id";
  const wrong = (what: string): string => `indicator "${id.slice(0, 100)}": ${what}`;
  if (typeof kind !== "string" || !isIndicatorKind(kind)) return wrong("its kind is not known");
  const written = typeof value === "string" ? canonicalValue(kind, value) : undefined;
  if (written === undefined) return wrong(`its value is no ${kind}`);
  if (typeof source !== "string" || source === "") return wrong("it has no source");
  if (typeof severity !== "string" || !SEVERITIES.includes(severity)) {
    return wrong("its severity is not known");
  }
  const isPercent = typeof confidence === "number" && confidence >= 0 && confidence <= 100;
  return {
    ...{ id, kind, value: written, source: source.slice(0, TEXT_MAX) },
    ...{ title: typeof title === "string" ? title.slice(0, TEXT_MAX) : "" },
    severity: severity as Severity,
    ...(isPercent ? { confidence } : {}),
    ...(typeof tlp === "string" && TLP.includes(tlp) ? { tlp: tlp as TlpMarking } : {}),
    ...(typeof validUntilMs === "number" ? { validUntilMs } : {}),
  };
}
