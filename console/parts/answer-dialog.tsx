// SPDX-License-Identifier: Apache-2.0
// Asks once more before a response that waits for a person is approved or rejected.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiApproval } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { failureText, useShared } from "../state/use.tsx";
import { visibleText } from "../text.ts";
import { Dialog } from "./dialog.tsx";
import { GuestText } from "./parts.tsx";

export function AnswerDialog(props: {
  approval: ApiApproval;
  isApproved: boolean;
  onDone: () => void;
  onClose: () => void;
}): JSX.Element {
  const { say, tell } = useShared();
  const { approval, isApproved } = props;
  const [isBusy, setBusy] = useState(false);
  const { action, guestName: guest } = approval;
  const verb = say(isApproved ? "approval.approve" : "approval.reject");
  const answer = (): void => {
    setBusy(true);
    callApi("answerApproval", { id: approval.id, body: { isApproved } }).then(
      ({ outcome }) => {
        tell(say("act.done", { action: verb, outcome: visibleText(outcome) }));
        props.onDone();
        props.onClose();
      },
      (error: unknown) => {
        const outcome = visibleText(failureText(say, error));
        tell(say("act.failed", { action: verb, outcome }), true);
        props.onClose();
      },
    );
  };
  return (
    <Dialog title={verb} onClose={props.onClose}>
      <p>
        <GuestText text={say(isApproved ? "approval.will" : "approval.wont", { action, guest })} />
      </p>
      <p class="hint">
        <GuestText text={approval.reason} />
      </p>
      <div class="buttons">
        <button type="button" onClick={props.onClose}>
          {say("do.cancel")}
        </button>
        <button type="button" class="main" disabled={isBusy} onClick={answer}>
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
