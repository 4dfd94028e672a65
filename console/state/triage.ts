// SPDX-License-Identifier: Apache-2.0
// Judging findings, one or many: each is told to the manager, and what it says back is shown.
import { useState } from "preact/hooks";
import type { ApiFinding, ApiFindingDetail, TriageState } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { visibleText } from "../text.ts";
import { failureText, useDesk, useShared } from "./use.tsx";

export function useTriage(): {
  readonly isBusy: boolean;
  readonly triage: (
    findings: readonly ApiFinding[],
    state: TriageState,
  ) => Promise<ApiFindingDetail | undefined>;
} {
  const { say, tell } = useShared();
  const desk = useDesk();
  const [isBusy, setBusy] = useState(false);
  const triage = async (
    findings: readonly ApiFinding[],
    state: TriageState,
  ): Promise<ApiFindingDetail | undefined> => {
    setBusy(true);
    let last: ApiFindingDetail | undefined;
    try {
      for (const { id } of findings) {
        last = await callApi("triageFinding", { id, body: { triage: state } });
        desk.findings.put(last);
      }
      const name = say(`triage.${state}`);
      tell(say("findings.triaged", { n: findings.length, state: name }));
    } catch (error) {
      const message = visibleText(failureText(say, error));
      tell(say("findings.triage.failed", { message }), true);
    } finally {
      setBusy(false);
    }
    return last;
  };
  return { isBusy, triage };
}
