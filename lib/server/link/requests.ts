// SPDX-License-Identifier: Apache-2.0
// The shape of each thing that a manager asks. TRUST: the link says that a request comes from the
// server's manager; that it is one is seen here, field by field, before anything is done.
import Type, { type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { UndercroftError } from "../../errors/errors.ts";
import type { LinkRequest } from "../../model/model.ts";

const name = Type.String({ maxLength: 256 });
const text = Type.String({ maxLength: 4096 });
const time = Type.Number({ minimum: 0, maximum: 8.64e15 });
const count = Type.Integer({ minimum: 0 });
const pid = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
const startNs = Type.String({ pattern: "^[0-9]{1,19}$" });
const guests = Type.Optional(Type.Array(name, { maxItems: 100_000 }));
const spanMs = Type.Number({ minimum: 0, maximum: 366 * 24 * 3600 * 1000 });

const action = Type.Union([
  Type.Object({
    kind: Type.Enum([
      ...["start-monitoring", "stop-monitoring", "release", "pause", "resume", "snapshot"],
    ]),
  }),
  Type.Object({ kind: Type.Literal("kill"), pid, processStartNs: startNs }),
  Type.Object({
    kind: Type.Literal("isolate"),
    allow: Type.Array(name, { maxItems: 1024 }),
    expiresInMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 365 * 24 * 3600 * 1000 })),
  }),
]);

const shapes: Readonly<Record<LinkRequest["kind"], TSchema>> = {
  search: Type.Object({
    ...{ query: Type.String({ maxLength: 65_536 }), limit: count, nowMs: time, guests },
    server: Type.Optional(name),
  }),
  trace: Type.Object({
    ...{ guest: name, boot: Type.Optional(name), pid, startNs: Type.Optional(startNs) },
    ...{ timeMs: time, direction: Type.Enum(["backward", "forward"]), spanMs, guests },
  }),
  processes: Type.Object({ guest: name }),
  live: Type.Object({ guest: name, seconds: Type.Number({ minimum: 1, maximum: 3600 }) }),
  act: Type.Object({ guest: name, action, requestedBy: name, reason: text }),
  approval: Type.Object({ id: name, isApproved: Type.Boolean(), requestedBy: name }),
  // What is wrong with one indicator is told of that one: content.ts looks at them.
  indicators: Type.Object({
    ...{ base: count, version: count },
    ...{ added: Type.Array(Type.Unknown()), removed: Type.Array(Type.String()) },
  }),
  rules: Type.Object({
    version: count,
    files: Type.Array(Type.Object({ name: Type.String(), text: Type.String() })),
  }),
  policy: Type.Object({ version: count, text: Type.String({ maxLength: 1 << 20 }) }),
  retro: Type.Object({ sinceMs: time, indicators: Type.Array(Type.String()) }),
};

const checkers = new Map(Object.entries(shapes).map(([kind, shape]) => [kind, Compile(shape)]));

/**
 * Looks whether a request is one.
 * @throws {UndercroftError} ERR_UC_LINK_FRAME naming the field that is wrong
 */
export function checkRequest(request: LinkRequest): void {
  const kind = String(request.kind).slice(0, 40);
  const checker = checkers.get(kind);
  if (checker?.Check(request) === true) return;
  const [first] = checker?.Errors(request) ?? [];
  const place = `${first?.instancePath ?? ""} ${first?.message ?? "is not known here"}`.trim();
  throw new UndercroftError("ERR_UC_LINK_FRAME", `request "${kind}": ${place.slice(0, 300)}`);
}
