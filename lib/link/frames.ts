// SPDX-License-Identifier: Apache-2.0
// Frames of the link, one JSON text each: docs/link.md. What arrives is checked here against one
// schema and only then believed to be of its type. A frame that is not is the peer's fault.
import Type, { type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { UndercroftError } from "../errors/errors.ts";
import {
  LINK_VERSION,
  type LinkAnswer,
  type LinkAnswerValues,
  type LinkHello,
  type LinkReport,
  type LinkRequest,
  type LinkStatistics,
  plainJson,
} from "../model/model.ts";

/** Reports of one frame at most. */
export const REPORTS_MAX = 256;
/** Bytes of one frame from a server, and from a manager, which sends whole lists of indicators. */
export const SERVER_FRAME_BYTES_MAX: number = 8 << 20;
export const MANAGER_FRAME_BYTES_MAX: number = 256 << 20;
/** Bytes of one report: less than a frame, with room for its envelope. */
export const REPORT_BYTES_MAX: number = 1 << 20;

const text = (maxLength: number): Type.TString => Type.String({ maxLength });
const name = text(256);
const reason = text(4096);
const count = Type.Integer({ minimum: 0 });
const timeMs = Type.Number({ minimum: 0 });
const anyObject = Type.Record(Type.String(), Type.Unknown());
const state = Type.Enum([
  ...["offline", "registered", "monitored", "paused", "silent", "quarantined", "left"],
]);

const guest = Type.Object({
  ...{ id: name, name, state, sinceMs: timeMs, reason, boot: name },
  driver: Type.Optional(anyObject),
  isIsolated: Type.Boolean(),
});
const content = Type.Object({ indicators: count, rules: count, policy: count });
const kind = <const T extends string>(value: T): Type.TLiteral<T> => Type.Literal(value);

const report = Type.Union([
  Type.Object({ kind: kind("guest"), guest }),
  Type.Object({
    ...{ kind: kind("guest-state"), id: name },
    change: Type.Object({ guest: name, from: state, to: state, reason, timeMs }),
  }),
  Type.Object({ kind: kind("guest-left"), id: name, timeMs }),
  Type.Object({
    ...{ kind: kind("finding"), guest: name },
    finding: Type.Object({
      ...{ id: name, guest: name, rule: text(1024), title: text(4096), field: text(256) },
      severity: Type.Enum(["informational", "low", "medium", "high", "critical"]),
      ...{ firstMs: timeMs, lastMs: timeMs, count, value: Type.String() },
      process: anyObject,
      evidence: Type.Array(anyObject, { maxItems: 64 }),
      commands: Type.Array(name, { maxItems: 4096 }),
      disposition: Type.Enum(["none", "blocked", "killed", "allowed", "failed", "pending"]),
      tags: Type.Array(text(1024), { maxItems: 256 }),
    }),
  }),
  Type.Object({
    ...{ kind: kind("command"), guest: name },
    command: Type.Object({
      ...{ id: name, guest: name, command: anyObject, requestedBy: text(1024) },
      ...{ createdMs: timeMs, deadlineMs: timeMs, outcome: name, detail: Type.Integer() },
    }),
  }),
  Type.Object({
    ...{ kind: kind("response"), guest: name },
    response: Type.Object({
      ...{ finding: name, guest: name, action: name, reason, timeMs },
      command: Type.Optional(name),
    }),
  }),
  Type.Object({
    ...{ kind: kind("approval"), guest: name },
    approval: Type.Object({
      ...{ id: name, finding: name, guest: name, action: name, reason },
      ...{ requestedMs: timeMs, expiresMs: timeMs },
      state: Type.Enum(["waiting", "approved", "rejected", "expired"]),
    }),
  }),
  Type.Object({ kind: kind("fault"), guest: name, fault: name, reason, timeMs }),
  Type.Object({
    ...{ kind: kind("dropped"), count, firstMs: timeMs, lastMs: timeMs },
    byKind: Type.Record(Type.String(), count),
  }),
]);

const counts = Type.Record(Type.String({ maxLength: 256 }), count);
const statistics = Type.Object({
  ...{ timeMs, uptimeMs: timeMs, cpuSeconds: Type.Number(), memoryBytes: count },
  ...{ storeEvents: count, storeBytes: count, queued: count },
  guests: Type.Array(
    Type.Object({
      ...{ id: name, events: count, bytes: count, lost: count, lostBy: counts, findings: count },
      ...{ ringBytesUsed: count, byClass: counts, packets: count, heartbeatMs: timeMs },
    }),
    { maxItems: 10_000 },
  ),
});

const answer = Type.Union([
  Type.Object({ ok: Type.Literal(true), value: Type.Unknown() }),
  Type.Object({ ok: Type.Literal(false), code: name, message: reason }),
]);

const fromServer = {
  hello: Type.Object({
    ...{ type: kind("hello"), nowMs: timeMs, stream: name },
    hello: Type.Object({
      ...{ version: Type.Literal(LINK_VERSION), software: name, machine: name, instance: name },
      ...{ guests: Type.Array(guest, { maxItems: 10_000 }), content },
    }),
  }),
  reports: Type.Object({
    type: kind("reports"),
    reports: Type.Array(Type.Object({ number: Type.Integer({ minimum: 1 }), report }), {
      ...{ minItems: 1, maxItems: REPORTS_MAX },
    }),
  }),
  statistics: Type.Object({ type: kind("statistics"), statistics }),
  part: Type.Object({ type: kind("part"), id: count, rows: Type.Array(anyObject) }),
  answer: Type.Object({ type: kind("answer"), id: count, answer }),
  renew: Type.Object({ type: kind("renew"), request: text(8192) }),
};

const fromManager = {
  welcome: Type.Object({ type: kind("welcome"), acknowledged: count, nowMs: timeMs }),
  acknowledged: Type.Object({ type: kind("acknowledged"), number: count }),
  // TRUST: a server's certificate says that this comes from its manager; the service that answers
  // looks at each field of a request itself.
  ask: Type.Object({
    ...{ type: kind("ask"), id: count },
    request: Type.Intersect([anyObject, Type.Object({ kind: name })]),
  }),
  cancel: Type.Object({ type: kind("cancel"), id: count }),
  renewed: Type.Object({ type: kind("renewed"), certificate: text(8192) }),
};

/** A report with its place in the stream of its server. */
export interface NumberedReport {
  readonly number: number;
  readonly report: LinkReport;
}

/** Rows of an answer, as the server found them. */
export type LinkRows = ReadonlyArray<Readonly<Record<string, unknown>>>;

/** What a server sends. */
export type ServerFrame =
  | {
      readonly type: "hello";
      readonly nowMs: number;
      readonly stream: string;
      readonly hello: LinkHello;
    }
  | { readonly type: "reports"; readonly reports: readonly NumberedReport[] }
  | { readonly type: "statistics"; readonly statistics: LinkStatistics }
  | { readonly type: "part"; readonly id: number; readonly rows: LinkRows }
  | { readonly type: "answer"; readonly id: number; readonly answer: LinkAnswer }
  | { readonly type: "renew"; readonly request: string };

/** What a manager sends. */
export type ManagerFrame =
  | { readonly type: "welcome"; readonly acknowledged: number; readonly nowMs: number }
  | { readonly type: "acknowledged"; readonly number: number }
  | { readonly type: "ask"; readonly id: number; readonly request: LinkRequest }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "renewed"; readonly certificate: string };

const compiled = (schemas: Readonly<Record<string, TSchema>>): ReadonlyMap<string, Checker> =>
  new Map(Object.entries(schemas).map(([type, schema]) => [type, Compile(schema)]));
type Checker = Pick<ReturnType<typeof Compile>, "Check" | "Errors">;

const serverFrames = compiled(fromServer);
const reportShape = Compile(report);
const managerFrames = compiled(fromManager);

const rowCount = Type.Object({ rows: count });
const outcome = Type.Object({ outcome: reason });
const taken = Type.Object({ content, refused: count, reasons: Type.Array(reason) });
const valueShapes: Readonly<Record<keyof LinkAnswerValues, Checker>> = {
  search: Compile(Type.Object({ rows: count, isComplete: Type.Boolean() })),
  trace: Compile(anyObject),
  processes: Compile(rowCount),
  live: Compile(Type.Object({ rows: count, dropped: count })),
  act: Compile(outcome),
  approval: Compile(outcome),
  indicators: Compile(taken),
  rules: Compile(taken),
  policy: Compile(taken),
};

/** Whether a value is what a request of this kind is answered with. */
export function isAnswerValue(kind: LinkRequest["kind"], value: unknown): boolean {
  return kind !== "retro" && valueShapes[kind].Check(value);
}

/** Whether a manager would take it for a report. */
export function isReport(value: unknown): boolean {
  return reportShape.Check(value);
}

/** @throws {UndercroftError} ERR_UC_LINK_FRAME, with the place that is wrong */
export function readServerFrame(json: string): ServerFrame {
  return read(json, serverFrames) as ServerFrame;
}

/** @throws {UndercroftError} ERR_UC_LINK_FRAME, with the place that is wrong */
export function readManagerFrame(json: string): ManagerFrame {
  return read(json, managerFrames) as ManagerFrame;
}

/** A frame as text; 64-bit numbers become decimal texts. */
export function writeFrame(frame: ServerFrame | ManagerFrame): string {
  return plainJson(frame);
}

function read(json: string, checkers: ReadonlyMap<string, Checker>): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw frameError("is no JSON", cause);
  }
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : "";
  const checker = checkers.get(String(type));
  if (checker === undefined)
    throw frameError(`has the unknown type "${String(type).slice(0, 40)}"`);
  if (checker.Check(value)) return value;
  const [first] = checker.Errors(value);
  const place = `${first?.instancePath ?? ""} ${first?.message ?? "is not valid"}`.trim();
  throw frameError(`of type "${String(type)}": ${place.slice(0, 300)}`);
}

function frameError(what: string, cause?: unknown): UndercroftError {
  return new UndercroftError("ERR_UC_LINK_FRAME", `a frame of the link ${what}`, {}, { cause });
}
