// SPDX-License-Identifier: Apache-2.0
// Routes of signing in and out, users and tokens.
import Type from "typebox";
import { UndercroftError } from "../../errors/errors.ts";
import { ROLES, type Role } from "../../model/model.ts";
import { type Call, closed, NotFound, type Routes } from "./call.ts";

/** Name of the cookie; the prefix makes browsers hold it to this origin (RFC 6265bis §4.1.3). */
export const SESSION_COOKIE = "__Host-undercroft";

const secret = Type.String({ minLength: 1, maxLength: 1024 });
const name = Type.String({ minLength: 1, maxLength: 64, pattern: "^[\\p{L}\\p{N} ._@-]+$" });
const role = Type.Enum([...ROLES]);
const groups = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100 });

export const sessionRoutes: Routes = {
  readSession: {
    handle: ({ caller }) => {
      if (caller.session !== undefined) return caller.session;
      throw new UndercroftError("ERR_UC_SIGN_IN", "sign in first");
    },
  },
  signIn: {
    body: Type.Object({ name: secret, password: secret }, closed),
    handle: async (call) => {
      const { name: who, password } = call.body as { name: string; password: string };
      return opened(call, await call.parts.users.signIn(who, password));
    },
  },
  signOut: {
    handle: ({ parts, request, reply }) => {
      const { [SESSION_COOKIE]: cookie } = request.cookies;
      if (cookie !== undefined) parts.users.signOut(cookie);
      reply.clearCookie(SESSION_COOKIE, { path: "/", secure: true });
      return {};
    },
  },
  useInvitation: {
    body: Type.Object({ invitation: secret, password: secret }, closed),
    handle: async (call) => {
      const { invitation, password } = call.body as { invitation: string; password: string };
      return opened(call, await call.parts.users.accept(invitation, password));
    },
  },
  changePassword: {
    body: Type.Object({ before: secret, after: secret }, closed),
    handle: async ({ parts, caller, body }) => {
      const { before, after } = body as { before: string; after: string };
      if (caller.session === undefined) {
        throw new UndercroftError("ERR_UC_SIGN_IN", "a token has no password");
      }
      await parts.users.changePassword(caller.session.user.id, before, after);
      return {};
    },
  },
  listUsers: { handle: ({ parts }) => parts.users.all },
  addUser: {
    body: Type.Object({ name, role, groups }, closed),
    handle: ({ parts, body }) => {
      const { name: who, role: what, groups: where } = body as unknown as Granted;
      return parts.users.add(who, what, where);
    },
  },
  changeUser: {
    body: Type.Partial(Type.Object({ role, groups, isDisabled: Type.Boolean() }, closed)),
    handle: ({ parts, id, body }) => {
      if (!parts.users.all.some((user) => user.id === id)) throw new NotFound("user");
      return parts.users.change(id, body as Partial<Granted>);
    },
  },
  listTokens: { handle: ({ parts }) => parts.users.tokens },
  addToken: {
    body: Type.Object(
      { name, role, groups, days: Type.Integer({ minimum: 1, maximum: 730 }) },
      closed,
    ),
    handle: ({ parts, body }) => {
      const { name: who, role: what, groups: where, days } = body as unknown as Granted;
      return parts.users.addToken(who, what, where, days);
    },
  },
  deleteToken: {
    handle: ({ parts, id }) => {
      if (!parts.users.deleteToken(id)) throw new NotFound("token");
      return {};
    },
  },
};

interface Granted {
  readonly name: string;
  readonly role: Role;
  readonly groups: readonly string[];
  readonly days: number;
}

function opened<T>({ reply }: Call, { secret: value, session }: { secret: string; session: T }): T {
  reply.setCookie(SESSION_COOKIE, value, {
    ...{ path: "/", secure: true, httpOnly: true, sameSite: "strict" },
  });
  return session;
}
