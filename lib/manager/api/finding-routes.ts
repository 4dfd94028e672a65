// SPDX-License-Identifier: Apache-2.0
// Routes of findings: the queue, one with its story, what people make of it.
import Type from "typebox";
import type {
  ApiFinding,
  ApiFindingDetail,
  CommandRecord,
  LinkResponse,
  Plain,
} from "../../model/model.ts";
import { findingOf } from "../fleet.ts";
import type { SqlRow } from "../state.ts";
import { storyOf } from "../story.ts";
import { type Call, closed, NotFound, pageOf, type Routes, seenGuests } from "./call.ts";

const word = Type.String({ maxLength: 64 });
const TRIAGE = ["open", "in-work", "true-positive", "false-positive", "closed"];
/** Findings that lists look at. */
const LISTED_MAX = 10_000;
const NEWEST = 10;

export const findingRoutes: Routes = {
  listFindings: {
    query: Type.Partial(
      Type.Object({ triage: word, severity: word, guest: word, cursor: word, limit: word }, closed),
    ),
    handle: (call) => {
      const { triage, severity, guest } = call.query;
      const isWanted = (finding: ApiFinding): boolean =>
        (triage === undefined || finding.triage === triage) &&
        (severity === undefined || finding.severity === severity) &&
        (guest === undefined || finding.guestId === guest);
      return pageOf(listFindings(call).filter(isWanted), call.query);
    },
  },
  readFinding: { handle: (call) => detailOf(call) },
  triageFinding: {
    body: Type.Partial(
      Type.Object(
        { triage: Type.Enum(TRIAGE), assignee: word, note: Type.String({ maxLength: 10_000 }) },
        closed,
      ),
    ),
    handle: (call) => {
      const row = rowOf(call);
      const { parts, caller, id, body } = call;
      const { triage = row.triage, assignee = row.assignee, note } = body;
      parts.state.transaction(() => {
        parts.state.run(
          "UPDATE finding SET triage = ?, assignee = ? WHERE id = ?",
          ...[String(triage), assignee === null ? null : String(assignee), id],
        );
        if (typeof note !== "string" || note === "") return;
        const add = "INSERT INTO note(finding, user, time_ms, text) VALUES(?, ?, ?, ?)";
        parts.state.run(add, id, caller.name, parts.nowMs(), note);
      });
      parts.changed({ kind: "finding", finding: findingOf(rowOf(call)) });
      return detailOf(call);
    },
  },
};

/** The newest findings that a caller may see. */
function listFindings(call: Call): readonly ApiFinding[] {
  const seen = seenGuests(call);
  const sql = `SELECT * FROM finding ORDER BY last_ms DESC, id LIMIT ${LISTED_MAX}`;
  return call.parts.state
    .all(sql)
    .filter((row) => seen === undefined || seen.has(String(row.guest)))
    .map(findingOf);
}

/** How many open findings of which severity a caller may see, and the newest of them. */
export function openFindings(call: Call): {
  readonly counts: Readonly<Record<string, number>>;
  readonly newest: readonly ApiFinding[];
} {
  const seen = seenGuests(call);
  const guests = seen === undefined ? null : JSON.stringify([...seen]);
  const where = `triage IN ('open', 'in-work')
    AND (?1 IS NULL OR guest IN (SELECT value FROM json_each(?1)))`;
  const { state } = call.parts;
  const counts = state.all(
    `SELECT severity, count(*) AS count FROM finding WHERE ${where} GROUP BY severity`,
    guests,
  );
  const newest = state.all(
    `SELECT * FROM finding WHERE ${where} ORDER BY last_ms DESC, id LIMIT ${NEWEST}`,
    guests,
  );
  return {
    counts: Object.fromEntries(counts.map(({ severity, count }) => [severity, Number(count)])),
    newest: newest.map(findingOf),
  };
}

function rowOf(call: Call): SqlRow {
  const row = call.parts.state.one("SELECT * FROM finding WHERE id = ?", call.id);
  const seen = seenGuests(call);
  if (row === undefined || seen?.has(String(row.guest)) === false) throw new NotFound("finding");
  return row;
}

function detailOf(call: Call): ApiFindingDetail {
  const finding = findingOf(rowOf(call));
  const { state } = call.parts;
  const responses = state
    .all("SELECT json FROM response WHERE finding = ? ORDER BY rowid", finding.id)
    .map(({ json }) => JSON.parse(String(json)) as LinkResponse);
  const commands = state
    .all(
      "SELECT json FROM command WHERE finding = ? AND server = ? ORDER BY rowid",
      ...[finding.id, finding.server],
    )
    .map(({ json }) => JSON.parse(String(json)) as Plain<CommandRecord>);
  const notes = state.all("SELECT * FROM note WHERE finding = ? ORDER BY rowid", finding.id);
  return {
    ...finding,
    story: storyOf(finding, responses),
    notes: notes.map((note) => ({
      user: String(note.user),
      timeMs: Number(note.time_ms),
      text: String(note.text),
    })),
    responses,
    commandRecords: commands,
  };
}
