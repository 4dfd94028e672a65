// SPDX-License-Identifier: Apache-2.0
// The manager's HTTP API: registers each route of API_ROUTES, and decides in one place who may
// call it. Handlers are in the files beside this one and never look at roles.
import cookie from "@fastify/cookie";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { isUndercroftError, UndercroftError } from "../../errors/errors.ts";
import type { KeyedCertificate } from "../../link/link.ts";
import { API_ROUTES, type ApiError, type ApiRoute, type ApiRouteName } from "../../model/model.ts";
import { type Caller, isAtLeast } from "../users.ts";
import { NotFound, type Parts, type Route } from "./call.ts";
import { serveConsole } from "./console-files.ts";
import { contentRoutes } from "./content-routes.ts";
import { findingRoutes } from "./finding-routes.ts";
import { fleetRoutes } from "./fleet-routes.ts";
import { searchRoutes } from "./search-routes.ts";
import { SESSION_COOKIE, sessionRoutes } from "./session-routes.ts";

const BODY_BYTES_MAX = 1 << 20;
const NOBODY: Caller = { name: "", role: "read-only", groups: [] };
/** Calls that only read, and that the audit trail has nevertheless: they show evidence. */
const EVIDENCE: ReadonlySet<string> = new Set(["readFinding", "listProcesses", "readSearch"]);

/** Scripts, styles and all else come from here only, and nobody frames us. */
const POLICY = [
  ...["default-src 'self'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:"],
  ...["connect-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"],
  "frame-ancestors 'none'",
].join("; ");

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller;
  }
}

/** Makes the server of the API; whoever calls listens and closes. */
export async function makeApi(parts: Parts, tls: KeyedCertificate): Promise<FastifyInstance> {
  const app = fastify({
    https: { key: tls.key, cert: tls.certificate, minVersion: "TLSv1.2" },
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
  }) as unknown as FastifyInstance;
  app.decorateRequest("caller", null as unknown as Caller);
  await app.register(cookie);
  // A console reads much while findings come; several people may share an address.
  await app.register(rateLimit, { max: 3000, timeWindow: 60_000 });
  await app.register(swagger, {
    openapi: { info: { title: "Undercroft manager", version: "1" } },
  });
  app.addHook("onSend", async (_, reply) => {
    reply.headers({
      "content-security-policy": POLICY,
      "strict-transport-security": "max-age=31536000",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply));
  app.setNotFoundHandler((_, reply) => {
    return reply.code(404).send({ code: "ERR_UC_MANAGER", message: "there is no such call" });
  });
  const all = {
    ...sessionRoutes,
    ...fleetRoutes,
    ...findingRoutes,
    ...searchRoutes,
    ...contentRoutes,
  };
  for (const [name, route] of Object.entries(API_ROUTES)) {
    const handler = all[name as ApiRouteName];
    if (handler === undefined) throw new TypeError(`nothing handles ${name}`);
    register(app, parts, name as ApiRouteName, route, handler);
  }
  await serveConsole(app);
  app.get("/api/v1/openapi.json", { schema: { hide: true } }, () => app.swagger());
  return app;
}

function register(
  app: FastifyInstance,
  parts: Parts,
  name: ApiRouteName,
  [method, path, role]: ApiRoute,
  route: Route,
): void {
  // Passwords and one-time links are not to be tried out.
  const isGuessed = name === "signIn" || name === "useInvitation";
  app.route({
    method,
    url: `/api/v1${path}`,
    bodyLimit: route.bodyBytesMax ?? BODY_BYTES_MAX,
    schema: {
      operationId: name,
      description: role === "anyone" ? "Anyone may call it." : `Least role: ${role}.`,
      ...(route.body === undefined ? {} : { body: route.body }),
      ...(route.query === undefined ? {} : { querystring: route.query }),
    },
    ...(isGuessed ? { config: { rateLimit: { max: 20, timeWindow: 60_000 } } } : {}),
    // Before the body is looked at: who may not call learns nothing of what is expected.
    onRequest: async (request) => {
      request.caller = admit(parts, request, method, role);
    },
    onResponse: async (request, reply) => {
      if (method === "GET" && !EVIDENCE.has(name)) return;
      parts.state.run(
        `INSERT INTO audit(time_ms, user, address, call, subject, status, detail)
         VALUES(?, ?, ?, ?, ?, ?, ?)`,
        ...[parts.nowMs(), whoOf(request), request.ip, name, idOf(request), reply.statusCode],
        detailOf(name, request.body),
      );
    },
    handler: (request, reply) =>
      route.handle({
        ...{ parts, caller: request.caller, id: idOf(request), request, reply },
        isCurrent: () => isSameCaller(request.caller, callerOf(parts, request)),
        query: request.query as Readonly<Record<string, string | undefined>>,
        body: (request.body ?? {}) as Readonly<Record<string, unknown>>,
      }),
  });
}

// TRUST: the one place that decides who may call. A cookie alone changes nothing: the browser
// sends it along, but a foreign page does not know the CSRF text that must come with it.
function admit(
  { users }: Parts,
  request: FastifyRequest,
  method: ApiRoute[0],
  role: ApiRoute[2],
): Caller {
  const caller = callerOf({ users }, request);
  if (role === "anyone") return caller ?? NOBODY;
  if (caller === undefined) throw new UndercroftError("ERR_UC_SIGN_IN", "sign in first");
  const csrf = request.headers["x-csrf-token"];
  if (method !== "GET" && caller.session !== undefined && csrf !== caller.session.csrf) {
    throw new Forbidden("the x-csrf-token of the session is missing");
  }
  if (!isAtLeast(caller.role, role)) throw new Forbidden(`this needs the role ${role}`);
  return caller;
}

function callerOf({ users }: Pick<Parts, "users">, request: FastifyRequest): Caller | undefined {
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return users.ofToken(bearer);
  const { [SESSION_COOKIE]: secret } = request.cookies;
  return secret === undefined ? undefined : users.ofSession(secret);
}

function isSameCaller(before: Caller, now: Caller | undefined): boolean {
  return now?.role === before.role && now.groups.join("\n") === before.groups.join("\n");
}

class Forbidden extends UndercroftError {
  constructor(message: string) {
    super("ERR_UC_MANAGER", message);
  }
}

function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = (status: number, body: ApiError): FastifyReply => reply.code(status).send(body);
  if (isUndercroftError(error)) {
    const { code, message } = error;
    return answer(statusOf(error), { code, message });
  }
  const {
    validation,
    statusCode = 500,
    message,
  } = error as {
    readonly validation?: ReadonlyArray<{ readonly instancePath: string }>;
    readonly statusCode?: number;
    readonly message: string;
  };
  const place = validation?.[0]?.instancePath ?? "";
  if (statusCode < 500) {
    const where = place === "" ? {} : { place };
    return answer(statusCode, { code: "ERR_UC_ARGUMENT", message, ...where });
  }
  // A bug: the caller learns that much, the log the rest.
  process.stderr.write(`undercroft: ${request.method} ${request.url}: ${String(error)}\n`);
  return answer(500, { code: "ERR_UC_MANAGER", message: "the manager failed; see its log" });
}

function statusOf(error: UndercroftError): number {
  if (error instanceof NotFound) return 404;
  if (error instanceof Forbidden) return 403;
  return error.code === "ERR_UC_SIGN_IN" ? 401 : 400;
}

function idOf({ params }: FastifyRequest): string {
  const { id = "" } = params as { readonly id?: string };
  return id;
}

function whoOf({ caller, body }: FastifyRequest): string {
  if (caller !== null && caller.name !== "") return caller.name;
  const { name } = (body ?? {}) as { readonly name?: unknown };
  return typeof name === "string" ? `? ${name.slice(0, 64)}` : "?";
}

/** What was asked for, without secrets. */
function detailOf(name: string, body: unknown): string {
  if (name === "signIn" || name === "useInvitation" || name === "changePassword") return "";
  return body === undefined || body === null ? "" : JSON.stringify(body).slice(0, 2000);
}
