// SPDX-License-Identifier: Apache-2.0
// Before anything is done to a guest: says what it will do, asks why, tells what came of it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiAction, GuestAction } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { failureText, useShared } from "../state/use.tsx";
import { visibleText } from "../text.ts";
import { Dialog } from "./dialog.tsx";
import { Field } from "./field.tsx";
import { GuestText } from "./parts.tsx";

/** What is asked for; what a form still adds to it is left out. */
export type AskedAction =
  | Exclude<GuestAction, { readonly kind: "isolate" }>
  | { readonly kind: "isolate" };

export interface ActionTarget {
  readonly id: string;
  readonly name: string;
}

const ALLOWED_MAX = 64;

export function ActionDialog(props: {
  guest: ActionTarget;
  asked: AskedAction;
  onDone: (action: ApiAction) => void;
  onClose: () => void;
}): JSX.Element {
  const { say } = useShared();
  const { guest, asked } = props;
  const [reason, setReason] = useState("");
  const [allow, setAllow] = useState("");
  const [minutes, setMinutes] = useState("");
  const { isBusy, fault, isMissing, run } = useAct(props);
  const name = say(`action.${asked.kind}`);
  const submit = (event: Event): void => {
    event.preventDefault();
    run(reason.trim(), asked.kind === "isolate" ? isolation(allow, minutes) : asked);
  };
  return (
    <Dialog title={name} onClose={props.onClose}>
      <form onSubmit={submit} noValidate>
        <p>
          <GuestText text={willText(say, guest.name, asked)} />
        </p>
        {asked.kind === "isolate" && (
          <>
            <Field
              {...{ label: say("act.allow"), hint: say("act.allow.hint"), rows: 2 }}
              {...{ value: allow, onInput: setAllow }}
            />
            <Field
              {...{ label: say("act.expires"), hint: say("act.expires.hint"), type: "number" }}
              {...{ value: minutes, onInput: setMinutes }}
            />
          </>
        )}
        <Field
          {...{ label: say("act.reason"), hint: say("act.reason.hint"), rows: 2 }}
          {...{ value: reason, onInput: setReason, isFocused: true, isRequired: true }}
          fault={isMissing ? say("act.reason.missing") : undefined}
        />
        {fault !== undefined && (
          <p class="fault" role="alert">
            <GuestText text={fault} />
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={props.onClose}>
            {say("do.cancel")}
          </button>
          <button type="submit" class="main" disabled={isBusy}>
            {isBusy ? say("act.doing") : name}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function useAct(props: Parameters<typeof ActionDialog>[0]): {
  readonly isBusy: boolean;
  readonly isMissing: boolean;
  readonly fault: string | undefined;
  readonly run: (reason: string, action: GuestAction) => void;
} {
  const { say, tell } = useShared();
  const { guest, onDone, onClose } = props;
  const [isBusy, setBusy] = useState(false);
  const [isMissing, setMissing] = useState(false);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const run = (reason: string, action: GuestAction): void => {
    setMissing(reason === "");
    if (reason === "") return;
    setBusy(true);
    setFault(undefined);
    const name = say(`action.${action.kind}`);
    callApi("actOnGuest", { id: guest.id, body: { action, reason } }).then(
      (done) => {
        const outcome = visibleText(done.outcome);
        const isBad = done.state === "failed";
        tell(say(isBad ? "act.failed" : "act.done", { action: name, outcome }), isBad);
        onDone(done);
        onClose();
      },
      (error: unknown) => {
        setBusy(false);
        setFault(failureText(say, error));
      },
    );
  };
  return { isBusy, isMissing, fault, run };
}

function willText(
  say: ReturnType<typeof useShared>["say"],
  guest: string,
  asked: AskedAction,
): string {
  if (asked.kind === "kill") return say("will.kill", { guest, pid: String(asked.pid) });
  return say(`will.${asked.kind}`, { guest });
}

/** What the form of an isolation says. */
export function isolation(allow: string, minutes: string): GuestAction {
  const addresses = allow.split(/[\s,]+/).filter(Boolean);
  const ms = Math.round(Number(minutes) * 60_000);
  return {
    ...{ kind: "isolate", allow: addresses.slice(0, ALLOWED_MAX) },
    ...(ms >= 1000 ? { expiresInMs: ms } : {}),
  };
}
