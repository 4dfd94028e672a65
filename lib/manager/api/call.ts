// SPDX-License-Identifier: Apache-2.0
// What every route's handler works with. No route is here.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import { UndercroftError } from "../../errors/errors.ts";
import type { Authority, LinkListener } from "../../link/link.ts";
import type { ApiGuest, ApiPage, ApiRouteName, LinkAnswer, LiveUpdate } from "../../model/model.ts";
import type { ContentCentre } from "../content.ts";
import type { Fleet } from "../fleet.ts";
import type { Searches } from "../searches.ts";
import type { ManagerState } from "../state.ts";
import type { Caller, Users } from "../users.ts";

/** The parts of the manager. */
export interface Parts {
  readonly state: ManagerState;
  readonly users: Users;
  readonly fleet: Fleet;
  readonly searches: Searches;
  readonly content: ContentCentre;
  readonly authority: Authority;
  readonly link: Pick<LinkListener, "request" | "revoke" | "url">;
  readonly nowMs: () => number;
  readonly changed: (update: LiveUpdate) => void;
  readonly listen: (listener: (update: LiveUpdate) => void) => () => void;
}

/** One call. Parameters, query and body have passed the route's schema. */
export interface Call {
  readonly parts: Parts;
  readonly caller: Caller;
  readonly id: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** Whether the caller still counts, with the same role and groups. */
  readonly isCurrent: () => boolean;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export interface Route {
  readonly body?: TSchema;
  readonly query?: TSchema;
  /** Where a body may be larger than others. */
  readonly bodyBytesMax?: number;
  readonly handle: (call: Call) => unknown;
}

export type Routes = Partial<Record<ApiRouteName, Route>>;

/** Bodies and queries hold nothing but what is described. */
export const closed: { readonly additionalProperties: false } = { additionalProperties: false };

/** A thing is not there, or not for this caller, which is the same to this caller. */
export class NotFound extends UndercroftError {
  constructor(what: string) {
    super("ERR_UC_MANAGER", `there is no ${what} of that id`);
  }
}

/**
 * The guest of a call, where the caller may see it.
 * @throws {NotFound}
 */
export function guestOf({ parts, caller, id }: Pick<Call, "parts" | "caller" | "id">): ApiGuest {
  const guest = parts.fleet.guest(id);
  if (guest === undefined || !isSeen(caller, guest.group)) throw new NotFound("guest");
  return guest;
}

/** A server's answer as a call's: what it could not do is said as it said it. */
export function answered(
  { reply }: Call,
  answer: LinkAnswer,
  value: (of: unknown) => unknown = (of) => of,
): unknown {
  if (answer.ok) return value(answer.value);
  return reply.code(502).send({ code: answer.code, message: answer.message });
}

/** Whether a caller may see a group's guests. */
export function isSeen({ groups }: Caller, group: string): boolean {
  return groups.length === 0 || groups.includes(group);
}

/** Ids of the guests that a caller may see; undefined: all. */
export function seenGuests({ parts, caller }: Call): ReadonlySet<string> | undefined {
  if (caller.groups.length === 0) return undefined;
  return new Set(parts.fleet.guests(caller.groups).map(({ id }) => id));
}

/** A page of a list that is at hand; a cursor is the place to go on at. */
export function pageOf<T>(
  all: readonly T[],
  query: Readonly<Record<string, string | undefined>>,
): ApiPage<T> {
  const from = Math.max(0, Math.floor(Number(query.cursor ?? 0)) || 0);
  const limit = Math.min(1000, Math.max(1, Math.floor(Number(query.limit ?? 100)) || 100));
  const items = all.slice(from, from + limit);
  const next = from + items.length < all.length ? { next: `${from + items.length}` } : {};
  return { items, total: all.length, ...next };
}
