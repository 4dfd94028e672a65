// SPDX-License-Identifier: Apache-2.0
// Routes of servers and guests: what they are, what is done to them.
import Type from "typebox";
import type {
  ApiAction,
  ApiApproval,
  ApiGuest,
  ApiGuestDetail,
  ApiOverview,
  GuestAction,
  GuestState,
  LinkAnswer,
  LinkAnswerValues,
  ServerState,
} from "../../model/model.ts";
import { findingOf } from "../fleet.ts";
import type { SqlRow } from "../state.ts";
import {
  answered,
  type Call,
  closed,
  guestOf,
  isSeen,
  NotFound,
  type Parts,
  pageOf,
  type Routes,
  seenGuests,
} from "./call.ts";
import { openFindings } from "./finding-routes.ts";

const label = Type.String({ maxLength: 64 });
const reason = Type.String({ minLength: 1, maxLength: 1000 });
const kindOf = <const T extends string>(kind: T): Type.TLiteral<T> => Type.Literal(kind);
const PROCESSES_MAX = 100_000;
const ENROLMENT_MS = 3600 * 1000;
/** A kill is confirmed by what the guest does next; below the guest things take longer. */
const ACTION_MS = 60_000;

const action = Type.Union([
  ...(
    ["start-monitoring", "stop-monitoring", "release", "pause", "resume", "snapshot"] as const
  ).map((kind) => Type.Object({ kind: kindOf(kind) }, closed)),
  Type.Object(
    {
      ...{ kind: kindOf("kill"), pid: Type.Integer({ minimum: 1 }) },
      processStartNs: Type.String({ pattern: "^[0-9]{1,20}$" }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: kindOf("isolate"),
      allow: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 }),
      expiresInMs: Type.Optional(Type.Integer({ minimum: 1000 })),
    },
    closed,
  ),
]);

export const fleetRoutes: Routes = {
  health: { handle: () => ({ ok: true }) },
  overview: { handle: (call) => overviewOf(call) },
  listServers: { handle: ({ parts }) => parts.fleet.servers },
  makeEnrolment: {
    body: Type.Object({ name: Type.String({ minLength: 1, maxLength: 64 }) }, closed),
    handle: ({ parts, body }) => ({
      token: parts.authority.makeToken(String(body.name), ENROLMENT_MS),
      manager: parts.link.url,
      expiresMs: parts.nowMs() + ENROLMENT_MS,
    }),
  },
  revokeServer: {
    handle: ({ parts, id }) => {
      if (!parts.link.revoke(id)) throw new NotFound("server");
      return {};
    },
  },
  listGuests: {
    query: Type.Partial(
      Type.Object({ state: label, text: label, cursor: label, limit: label }, closed),
    ),
    handle: ({ parts, caller, query }) => {
      const text = query.text?.toLowerCase() ?? "";
      const isWanted = ({ name, state, id, group, tags }: ApiGuest): boolean =>
        (query.state === undefined || state === query.state) &&
        [name, id, group, ...tags].some((word) => word.toLowerCase().includes(text));
      return pageOf(parts.fleet.guests(caller.groups).filter(isWanted), query);
    },
  },
  readGuest: {
    handle: (call): ApiGuestDetail => {
      const guest = guestOf(call);
      const { parts } = call;
      const findings = parts.state.all(
        "SELECT * FROM finding WHERE guest = ? ORDER BY last_ms DESC LIMIT 50",
        guest.id,
      );
      const statistics = parts.fleet.statisticsOf(guest.id, guest.server);
      return {
        ...guest,
        history: parts.fleet.historyOf(guest.id),
        findings: findings.map(findingOf),
        actions: actionsOf(parts, guest.id),
        ...(statistics === undefined ? {} : { statistics }),
      };
    },
  },
  changeGuest: {
    body: Type.Partial(
      Type.Object({ group: label, tags: Type.Array(label, { maxItems: 32 }) }, closed),
    ),
    handle: (call) => {
      const { id, group, tags } = guestOf(call);
      const { parts, caller, body } = call;
      const next = { group, tags, ...body };
      // Who sees some groups only must not move a guest out of sight, nor others' into it.
      if (!isSeen(caller, next.group)) throw new NotFound("group");
      parts.state.run(
        `INSERT INTO label(guest, group_name, tags) VALUES(?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET group_name = ?2, tags = ?3`,
        ...[id, next.group, JSON.stringify(next.tags)],
      );
      const guest = guestOf(call);
      parts.changed({ kind: "guest", guest });
      return guest;
    },
  },
  listProcesses: {
    handle: async (call) => {
      const { id, server } = guestOf(call);
      const rows: unknown[] = [];
      const answer = await call.parts.link.request(
        ...[server, { kind: "processes", guest: id } as const],
        { onRows: (part) => void rows.push(...part), rowsMax: PROCESSES_MAX },
      );
      return answered(call, answer, () => rows);
    },
  },
  actOnGuest: { body: Type.Object({ action, reason }, closed), handle: (call) => act(call) },
  listActions: {
    handle: (call) => {
      const seen = seenGuests(call);
      return actionsOf(call.parts).filter(({ guest }) => seen === undefined || seen.has(guest));
    },
  },
  listApprovals: { handle: (call) => approvalsOf(call) },
  answerApproval: {
    body: Type.Object({ isApproved: Type.Boolean() }, closed),
    handle: async (call) => {
      const { parts, caller, id, body } = call;
      const approval = approvalsOf(call).find((one) => one.id === id);
      if (approval === undefined) throw new NotFound("approval");
      const answer = await parts.link.request(approval.server, {
        ...{ kind: "approval", id, isApproved: body.isApproved === true },
        requestedBy: caller.name,
      });
      return answered(call, answer);
    },
  },
};

// The action is on record before the server hears of it: one that was sent and not noted would be
// an action of nobody.
async function act(call: Call): Promise<ApiAction> {
  const guest = guestOf(call);
  const { parts, caller, body } = call;
  const { action: wanted, reason: why } = body as { action: GuestAction; reason: string };
  const row = parts.state.one(
    `INSERT INTO action(guest, user, reason, time_ms, action, state, outcome)
     VALUES(?, ?, ?, ?, ?, 'waiting', '') RETURNING id`,
    ...[guest.id, caller.name, why, parts.nowMs(), JSON.stringify(wanted)],
  );
  const request = { kind: "act", guest: guest.id, action: wanted, reason: why } as const;
  const answer = await parts.link.request(
    ...([
      guest.server,
      { ...request, requestedBy: caller.name },
      { timeoutMs: ACTION_MS },
    ] as const),
  );
  const id = Number(row?.id);
  const end = "UPDATE action SET state = ?, outcome = ? WHERE id = ?";
  parts.state.run(end, answer.ok ? "done" : "failed", outcomeOf(answer), id);
  const made = actionsOf(parts, guest.id).find((one) => one.id === String(id));
  if (made === undefined) throw new NotFound("action");
  parts.changed({ kind: "action", action: made });
  return made;
}

function outcomeOf(answer: LinkAnswer): string {
  if (!answer.ok) return answer.message;
  return (answer.value as LinkAnswerValues["act"]).outcome;
}

function actionsOf({ state, fleet }: Parts, guest?: string): readonly ApiAction[] {
  const where = guest === undefined ? "" : "WHERE guest = ?";
  const sql = `SELECT * FROM action ${where} ORDER BY id DESC LIMIT 200`;
  const rows = guest === undefined ? state.all(sql) : state.all(sql, guest);
  return rows.map((row: SqlRow): ApiAction => {
    return {
      id: String(row.id),
      guest: String(row.guest),
      guestName: fleet.guest(String(row.guest))?.name ?? "",
      action: JSON.parse(String(row.action)) as GuestAction,
      user: String(row.user),
      reason: String(row.reason),
      timeMs: Number(row.time_ms),
      state: row.state as ApiAction["state"],
      outcome: String(row.outcome),
    };
  });
}

function approvalsOf({ parts, caller }: Call): readonly ApiApproval[] {
  const waiting = "SELECT * FROM approval WHERE state = 'waiting' ORDER BY rowid DESC";
  return parts.state.all(waiting).flatMap((row): ApiApproval[] => {
    const guest = parts.fleet.guest(String(row.guest));
    if (guest === undefined || !isSeen(caller, guest.group)) return [];
    const approval = JSON.parse(String(row.json)) as ApiApproval;
    return [{ ...approval, guestName: guest.name, server: String(row.server) }];
  });
}

function overviewOf(call: Call): ApiOverview {
  const { parts, caller } = call;
  const guests = parts.fleet.guests(caller.groups);
  const states: Record<GuestState, number> = {
    ...{ offline: 0, registered: 0, monitored: 0, paused: 0, silent: 0, quarantined: 0, left: 0 },
  };
  for (const { state } of guests) states[state] += 1;
  const servers: Record<ServerState, number> = { online: 0, offline: 0, revoked: 0 };
  for (const { state } of parts.fleet.servers) servers[state] += 1;
  const { counts: findings, newest } = openFindings(call);
  return {
    ...{ guests: states, servers, findings },
    eventsPerSecond: guests.reduce((sum, { eventsPerSecond }) => sum + eventsPerSecond, 0),
    lost: guests.reduce((sum, { lost }) => sum + lost, 0),
    silent: guests.filter(({ state }) => state === "silent").slice(0, 50),
    newest,
    approvals: approvalsOf(call).length,
  };
}
