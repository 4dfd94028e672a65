// SPDX-License-Identifier: Apache-2.0
// What each call of the manager's API answers, by the name of its route. Types only; the shapes
// are the model's.
import type {
  ApiAction,
  ApiApproval,
  ApiFinding,
  ApiFindingDetail,
  ApiGuest,
  ApiGuestDetail,
  ApiOverview,
  ApiPage,
  ApiSearch,
  ApiServer,
  ApiSession,
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
}
