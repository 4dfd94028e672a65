// SPDX-License-Identifier: Apache-2.0
// The manager's HTTP API as its callers see it: routes, who may call them, shapes. The manager
// registers exactly these routes; a console or a program imports these types.
import type { CommandRecord } from "./command.ts";
import type { Finding } from "./finding.ts";
import type { GuestState, GuestStateChange } from "./guest.ts";
import type {
  GuestAction,
  LinkApproval,
  LinkContentVersions,
  LinkGuest,
  LinkGuestStatistics,
  LinkResponse,
} from "./link.ts";
import type { Plain } from "./plain.ts";

/** Each role may do what those before it may. */
export const ROLES = ["read-only", "analyst", "responder", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Method, path under /api/v1, and the least role; "anyone" needs no session. */
export type ApiRoute = readonly [
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  role: Role | "anyone",
];

export const API_ROUTES = {
  readSession: ["GET", "/session", "anyone"],
  signIn: ["POST", "/session", "anyone"],
  signOut: ["DELETE", "/session", "read-only"],
  /** Sets the password of the user that a one-time link was made for, and signs in. */
  useInvitation: ["POST", "/invitation", "anyone"],
  changePassword: ["POST", "/session/password", "read-only"],
  /** Server-sent events of type LiveUpdate. */
  liveUpdates: ["GET", "/updates", "read-only"],
  overview: ["GET", "/overview", "read-only"],
  listServers: ["GET", "/servers", "read-only"],
  makeEnrolment: ["POST", "/servers/enrolments", "admin"],
  revokeServer: ["POST", "/servers/:id/revoke", "admin"],
  listGuests: ["GET", "/guests", "read-only"],
  readGuest: ["GET", "/guests/:id", "read-only"],
  changeGuest: ["PATCH", "/guests/:id", "analyst"],
  listProcesses: ["GET", "/guests/:id/processes", "read-only"],
  actOnGuest: ["POST", "/guests/:id/actions", "responder"],
  listActions: ["GET", "/actions", "read-only"],
  listApprovals: ["GET", "/approvals", "read-only"],
  answerApproval: ["POST", "/approvals/:id", "responder"],
  listFindings: ["GET", "/findings", "read-only"],
  readFinding: ["GET", "/findings/:id", "read-only"],
  triageFinding: ["PATCH", "/findings/:id", "analyst"],
  startSearch: ["POST", "/searches", "analyst"],
  readSearch: ["GET", "/searches/:id", "analyst"],
  cancelSearch: ["DELETE", "/searches/:id", "analyst"],
  searchFields: ["GET", "/search-fields", "read-only"],
  completeSearch: ["POST", "/search-completion", "analyst"],
  trace: ["POST", "/traces", "analyst"],
  /** Replaces the indicators of one source. */
  uploadIndicators: ["PUT", "/indicators", "analyst"],
  lookUpIndicator: ["GET", "/indicators", "read-only"],
  /** Which server has which version of what. */
  contentState: ["GET", "/content", "read-only"],
  pushContent: ["POST", "/content/push", "analyst"],
  readRules: ["GET", "/rules", "read-only"],
  changeRules: ["PUT", "/rules", "admin"],
  readPolicy: ["GET", "/policy", "read-only"],
  changePolicy: ["PUT", "/policy", "admin"],
  listUsers: ["GET", "/users", "admin"],
  addUser: ["POST", "/users", "admin"],
  changeUser: ["PATCH", "/users/:id", "admin"],
  listTokens: ["GET", "/tokens", "admin"],
  addToken: ["POST", "/tokens", "admin"],
  deleteToken: ["DELETE", "/tokens/:id", "admin"],
  listAudit: ["GET", "/audit", "admin"],
  health: ["GET", "/health", "anyone"],
} as const;

export type ApiRouteName = keyof typeof API_ROUTES;

/** What every failure answers. */
export interface ApiError {
  readonly code: string;
  readonly message: string;
  /** The field or place that is wrong, where there is one. */
  readonly place?: string;
}

/** A page of a list; `next` is asked for as `cursor`. */
export interface ApiPage<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly total: number;
}

export interface ApiUser {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Groups of guests that this user sees; empty: all. */
  readonly groups: readonly string[];
  readonly isDisabled: boolean;
  readonly lastSeenMs?: number;
}

export interface ApiSession {
  readonly user: ApiUser;
  /** To be sent as `x-csrf-token` with every call that changes something. */
  readonly csrf: string;
  readonly expiresMs: number;
}

export type ServerState = "online" | "offline" | "revoked";

export interface ApiServer {
  readonly id: string;
  readonly name: string;
  readonly state: ServerState;
  readonly software: string;
  readonly enrolledMs: number;
  readonly lastSeenMs: number;
  readonly guests: number;
  readonly content: LinkContentVersions;
  readonly certificateEndsMs: number;
  readonly clockSkewMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly storeEvents: number;
  readonly storeBytes: number;
  /** Reports that its queue could not hold. */
  readonly dropped: number;
}

export interface ApiGuest extends LinkGuest {
  readonly server: string;
  readonly serverName: string;
  /** False where its server is not connected: the state is the last that was heard. */
  readonly isCurrent: boolean;
  readonly group: string;
  readonly tags: readonly string[];
  readonly openFindings: number;
  readonly eventsPerSecond: number;
  readonly lost: number;
}

export interface ApiGuestDetail extends ApiGuest {
  readonly history: readonly GuestStateChange[];
  readonly findings: readonly ApiFinding[];
  readonly actions: readonly ApiAction[];
  readonly statistics?: LinkGuestStatistics;
}

export type TriageState = "open" | "in-work" | "true-positive" | "false-positive" | "closed";

export interface ApiFinding extends Plain<Finding> {
  readonly guestId: string;
  readonly server: string;
  readonly triage: TriageState;
  readonly assignee?: string;
}

export interface ApiFindingDetail extends ApiFinding {
  /** What happened, in plain sentences. */
  readonly story: readonly string[];
  readonly notes: ReadonlyArray<{
    readonly user: string;
    readonly timeMs: number;
    readonly text: string;
  }>;
  readonly responses: readonly LinkResponse[];
  readonly commandRecords: ReadonlyArray<Plain<CommandRecord>>;
}

/** One thing that a user had done to a guest. */
export interface ApiAction {
  readonly id: string;
  readonly guest: string;
  readonly guestName: string;
  readonly action: GuestAction;
  readonly user: string;
  readonly reason: string;
  readonly timeMs: number;
  readonly state: "waiting" | "done" | "failed";
  /** What really happened, as far as it was seen. */
  readonly outcome: string;
}

export interface ApiApproval extends LinkApproval {
  readonly guestName: string;
  readonly server: string;
}

export interface ApiOverview {
  readonly guests: Readonly<Record<GuestState, number>>;
  readonly servers: Readonly<Record<ServerState, number>>;
  readonly findings: Readonly<Record<string, number>>;
  readonly eventsPerSecond: number;
  readonly lost: number;
  readonly silent: readonly ApiGuest[];
  readonly newest: readonly ApiFinding[];
  readonly approvals: number;
}

export interface ApiSearchServer {
  readonly server: string;
  readonly name: string;
  readonly state: "waiting" | "running" | "done" | "failed" | "away" | "cancelled";
  readonly rows: number;
  readonly message?: string;
}

/** A search over several servers; rows are merged newest first or in the order of the stages. */
export interface ApiSearch {
  readonly id: string;
  readonly query: string;
  readonly state: "running" | "done" | "cancelled";
  /** False where a server failed, was away or was cut short. */
  readonly isComplete: boolean;
  /** There is more than `rows`. */
  readonly isCut: boolean;
  readonly servers: readonly ApiSearchServer[];
  readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>;
  readonly startedMs: number;
  readonly tookMs: number;
}

/** What an upload of indicators came to, with the first of its bad entries. */
export interface ApiUpload {
  readonly added: number;
  readonly removed: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

export interface ApiContentServer {
  readonly server: string;
  readonly content: LinkContentVersions;
  readonly pushedMs?: number;
  readonly error?: string;
}

/** What the manager has, and what each server has of it. */
export interface ApiContentState {
  readonly current: LinkContentVersions;
  readonly indicators: number;
  readonly servers: readonly ApiContentServer[];
}

export interface ApiRuleFile {
  readonly name: string;
  readonly text: string;
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly groups: readonly string[];
  readonly expiresMs: number;
  readonly lastUsedMs?: number;
}

export interface ApiAuditEntry {
  readonly id: number;
  readonly timeMs: number;
  readonly user: string;
  readonly address: string;
  /** Name of the route, or what the manager did by itself. */
  readonly call: ApiRouteName | string;
  readonly subject: string;
  readonly status: number;
  readonly detail: string;
}

/** What changed; the console reads again what it shows of it. */
export type LiveUpdate =
  | { readonly kind: "guest"; readonly guest: ApiGuest }
  | { readonly kind: "guest-left"; readonly id: string }
  | { readonly kind: "finding"; readonly finding: ApiFinding }
  | { readonly kind: "action"; readonly action: ApiAction }
  | { readonly kind: "server"; readonly server: ApiServer }
  | { readonly kind: "search"; readonly id: string };
