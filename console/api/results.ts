// SPDX-License-Identifier: Apache-2.0
// What each call of the manager's API answers, by the name of its route. Types only; the shapes
// are the model's.
import type {
  ApiAction,
  ApiApproval,
  ApiAuditEntry,
  ApiContentState,
  ApiFinding,
  ApiFindingDetail,
  ApiGuest,
  ApiGuestDetail,
  ApiOverview,
  ApiPage,
  ApiRuleFile,
  ApiSearch,
  ApiServer,
  ApiSession,
  ApiToken,
  ApiUpload,
  ApiUser,
} from "../../lib/model/model.ts";

/** A row of a search or of a list of processes: fields by name. */
export type Row = Readonly<Record<string, unknown>>;

/** What may stand at the cursor of a search. */
export interface Completion {
  readonly from: number;
  readonly to: number;
  readonly items: ReadonlyArray<{
    readonly text: string;
    readonly kind: string;
    readonly about: string;
  }>;
}

/** A trace, as docs/provenance.md describes it, as far as the console shows it. */
export interface Trace {
  readonly start: string;
  readonly direction: "backward" | "forward";
  readonly timeMs: number;
  readonly spanMs: number;
  readonly nodes: readonly TraceNode[];
  readonly edges: readonly TraceEdge[];
  readonly cuts: ReadonlyArray<{ readonly entity: string; readonly reason: string }>;
  readonly gaps: ReadonlyArray<{ readonly count: number }>;
}

export interface TraceNode {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly depth: number;
  readonly process?: {
    readonly guest: string;
    readonly boot: string;
    readonly pid: number;
    readonly startNs: string;
    readonly firstMs: number;
    readonly image: string;
    readonly commandLine: string;
    readonly user: string;
    readonly sha256: string;
  };
}

export interface TraceEdge {
  readonly kind: string;
  readonly source: string;
  readonly target: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly doubts: readonly string[];
}

/** An indicator, as its source gave it. */
export interface Indicator {
  readonly source: string;
  readonly kind: string;
  readonly value: string;
  readonly severity?: string;
  readonly title?: string;
  readonly expiresMs?: number;
}

/** Routes that the console calls. */
export interface ApiResults {
  readonly readSession: ApiSession;
  readonly signIn: ApiSession;
  readonly signOut: object;
  readonly useInvitation: ApiSession;
  readonly changePassword: object;
  readonly overview: ApiOverview;
  readonly listServers: readonly ApiServer[];
  readonly listGuests: ApiPage<ApiGuest>;
  readonly readGuest: ApiGuestDetail;
  readonly changeGuest: ApiGuest;
  readonly listProcesses: readonly Row[];
  readonly actOnGuest: ApiAction;
  readonly listApprovals: readonly ApiApproval[];
  readonly answerApproval: { readonly outcome: string };
  readonly listFindings: ApiPage<ApiFinding>;
  readonly readFinding: ApiFindingDetail;
  readonly triageFinding: ApiFindingDetail;
  readonly startSearch: ApiSearch;
  readonly readSearch: ApiSearch;
  readonly cancelSearch: object;
  readonly completeSearch: Completion;
  readonly trace: Trace;
  readonly contentState: ApiContentState;
  readonly pushContent: object;
  readonly uploadIndicators: ApiUpload;
  readonly lookUpIndicator: readonly Indicator[];
  readonly readRules: readonly ApiRuleFile[];
  readonly changeRules: { readonly problems: readonly string[] };
  readonly readPolicy: { readonly text: string };
  readonly changePolicy: object;
  readonly makeEnrolment: { readonly token: string; readonly manager: string };
  readonly listUsers: readonly ApiUser[];
  readonly addUser: { readonly user: ApiUser; readonly invitation: string };
  readonly changeUser: object;
  readonly listTokens: readonly ApiToken[];
  readonly addToken: { readonly secret: string };
  readonly deleteToken: object;
  readonly listAudit: ApiPage<ApiAuditEntry>;
}
