// SPDX-License-Identifier: Apache-2.0
// Routes of searches, traces, the audit trail, and live updates.
import Type from "typebox";
import type { ApiAuditEntry, LiveUpdate } from "../../model/model.ts";
import { completeSearch, eventSchema } from "../../search/search.ts";
import {
  answered,
  type Call,
  closed,
  guestOf,
  isSeen,
  NotFound,
  pageOf,
  type Routes,
  seenGuests,
} from "./call.ts";

const word = Type.String({ maxLength: 64 });
const query = Type.String({ maxLength: 10_000 });
const SPAN_MS = 24 * 3600 * 1000;
const TRACE_MS = 60_000;
/** Keeps proxies from ending a quiet stream. */
const BEAT_MS = 15_000;

export const searchRoutes: Routes = {
  startSearch: {
    body: Type.Object(
      { query, servers: Type.Optional(Type.Array(word, { maxItems: 10_000 })) },
      closed,
    ),
    handle: (call) => {
      const { parts, caller, body } = call;
      const chosen = body.servers as readonly string[] | undefined;
      const seen = seenGuests(call);
      const servers = parts.fleet.servers.filter(
        ({ id, state }) => state !== "revoked" && (chosen === undefined || chosen.includes(id)),
      );
      const guests = seen === undefined ? {} : { guests: [...seen] };
      const { name: user } = caller;
      return parts.searches.start({ query: String(body.query), servers, user, ...guests });
    },
  },
  readSearch: {
    handle: ({ parts, caller, id }) => {
      const search = parts.searches.read(id, caller.name);
      if (search === undefined) throw new NotFound("search");
      return search;
    },
  },
  cancelSearch: {
    handle: ({ parts, caller, id }) => {
      if (!parts.searches.cancel(id, caller.name)) throw new NotFound("search");
      return {};
    },
  },
  searchFields: { handle: () => eventSchema.fields },
  completeSearch: {
    body: Type.Object({ query, at: Type.Integer({ minimum: 0 }) }, closed),
    handle: ({ body }) => completeSearch(String(body.query), Number(body.at), eventSchema),
  },
  trace: {
    body: Type.Object(
      {
        ...{ guest: word, pid: Type.Integer({ minimum: 0 }), timeMs: Type.Number({ minimum: 0 }) },
        direction: Type.Enum(["backward", "forward"]),
        spanMs: Type.Optional(Type.Integer({ minimum: 1 })),
        boot: Type.Optional(word),
        startNs: Type.Optional(Type.String({ pattern: "^[0-9]{1,20}$" })),
      },
      closed,
    ),
    handle: async (call) => {
      const { parts, caller, body } = call;
      const { server, id } = guestOf({ parts, caller, id: String(body.guest) });
      const seen = seenGuests(call);
      const answer = await parts.link.request(
        server,
        {
          ...{ kind: "trace", guest: id, pid: Number(body.pid), timeMs: Number(body.timeMs) },
          direction: body.direction === "forward" ? "forward" : "backward",
          spanMs: Number(body.spanMs ?? SPAN_MS),
          ...(typeof body.boot === "string" ? { boot: body.boot } : {}),
          ...(typeof body.startNs === "string" ? { startNs: body.startNs } : {}),
          ...(seen === undefined ? {} : { guests: [...seen] }),
        },
        { timeoutMs: TRACE_MS },
      );
      return answered(call, answer);
    },
  },
  listAudit: {
    query: Type.Partial(Type.Object({ cursor: word, limit: word, user: word }, closed)),
    handle: ({ parts, query: asked }) => {
      const rows = parts.state.all("SELECT * FROM audit ORDER BY id DESC LIMIT 100000");
      const entries = rows.map((row): ApiAuditEntry => {
        return {
          ...{ id: Number(row.id), timeMs: Number(row.time_ms), user: String(row.user) },
          ...{ address: String(row.address), call: String(row.call), status: Number(row.status) },
          ...{ subject: String(row.subject), detail: String(row.detail) },
        };
      });
      return pageOf(
        entries.filter(({ user }) => asked.user === undefined || user === asked.user),
        asked,
      );
    },
  },
  liveUpdates: { handle: (call) => sendUpdates(call) },
};

// Server-sent events (HTML Living Standard §9.2). Who reads too slowly misses updates, not the
// manager its memory: the console reads lists again when it comes back.
function sendUpdates(call: Call): void {
  const { parts, reply } = call;
  const { raw } = reply.hijack();
  raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  raw.write(": the updates follow\n\n");
  const end = parts.listen((update) => {
    if (!raw.writableNeedDrain && isFor(call, update)) {
      raw.write(`data: ${JSON.stringify(update)}\n\n`);
    }
  });
  // Who was signed out, or may see less since, starts anew or not at all.
  const beat = setInterval(() => {
    if (call.isCurrent()) raw.write(": still here\n\n");
    else raw.end();
  }, BEAT_MS);
  raw.on("close", () => {
    clearInterval(beat);
    end();
  });
}

function isFor({ caller, parts }: Call, update: LiveUpdate): boolean {
  switch (update.kind) {
    case "guest":
      return isSeen(caller, update.guest.group);
    case "finding":
      return isSeenGuest(update.finding.guestId);
    case "action":
      return isSeenGuest(update.action.guest);
    case "guest-left":
    case "server":
    case "search":
      return true;
  }
  function isSeenGuest(id: string): boolean {
    return isSeen(caller, parts.fleet.guest(id)?.group ?? "");
  }
}
