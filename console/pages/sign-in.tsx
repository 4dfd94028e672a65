// SPDX-License-Identifier: Apache-2.0
// Before anybody is signed in: sign-in, and the one-time link that sets a first password.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiSession } from "../../lib/model/model.ts";
import { ApiFailure, callApi } from "../api/call.ts";
import { Field } from "../parts/field.tsx";
import { goTo, placeAddress } from "../place.ts";
import { failureText, useShared } from "../state/use.tsx";
import { LANGUAGES, type Language } from "../words/words.ts";

/** What the manager takes at least. */
export const PASSWORD_CHARACTERS_MIN = 12;

type OnSession = (session: ApiSession) => void;

export function SignInPage(props: { hasEnded: boolean; onSession: OnSession }): JSX.Element {
  const { say } = useShared();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const { isBusy, fault, run } = useForm(props.onSession, say("sign.wrong"));
  return (
    <Gatehouse title={say("sign.in")} about={say("sign.about")}>
      {props.hasEnded && fault === undefined && <p role="status">{say("sign.ended")}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(() => callApi("signIn", { body: { name, password } }));
        }}
      >
        <Field
          {...{ label: say("sign.name"), value: name, onInput: setName, isRequired: true }}
          {...{ autoComplete: "username", isFocused: true, max: 64 }}
        />
        <Field
          {...{ label: say("sign.password"), value: password, onInput: setPassword, fault }}
          {...{ type: "password", autoComplete: "current-password", isRequired: true }}
        />
        <button type="submit" class="main" disabled={isBusy}>
          {isBusy ? say("sign.in.doing") : say("sign.in")}
        </button>
        <a href={placeAddress(["invitation"])}>{say("invite.have")}</a>
      </form>
    </Gatehouse>
  );
}

export function InvitationPage(props: { secret: string; onSession: OnSession }): JSX.Element {
  const { say } = useShared();
  const [secret, setSecret] = useState(props.secret);
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const { isBusy, fault, run, refuse } = useForm((session) => {
    goTo(placeAddress(["overview"]), true);
    props.onSession(session);
  });
  const submit = (): void => {
    if (password.length < PASSWORD_CHARACTERS_MIN) {
      refuse(say("invite.short", { n: PASSWORD_CHARACTERS_MIN }));
    } else if (password !== again) refuse(say("invite.differ"));
    else run(() => callApi("useInvitation", { body: { invitation: secret.trim(), password } }));
  };
  return (
    <Gatehouse title={say("invite.title")} about={say("invite.about")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Field
          {...{ label: say("invite.secret"), value: secret, onInput: setSecret }}
          {...{ isRequired: true, isFocused: props.secret === "" }}
        />
        <Field
          {...{ label: say("invite.password"), value: password, onInput: setPassword }}
          {...{ type: "password", autoComplete: "new-password", isRequired: true }}
          {...{ hint: say("invite.short", { n: PASSWORD_CHARACTERS_MIN }) }}
          isFocused={props.secret !== ""}
        />
        <Field
          {...{ label: say("invite.again"), value: again, onInput: setAgain, fault }}
          {...{ type: "password", autoComplete: "new-password", isRequired: true }}
        />
        <button type="submit" class="main" disabled={isBusy}>
          {say("invite.do")}
        </button>
        <a href={placeAddress(["overview"])}>{say("invite.back")}</a>
      </form>
    </Gatehouse>
  );
}

/** One form that ends in a session. */
function useForm(
  onSession: OnSession,
  refusal?: string,
): {
  readonly isBusy: boolean;
  readonly fault: string | undefined;
  readonly run: (work: () => Promise<ApiSession>) => void;
  readonly refuse: (fault: string) => void;
} {
  const { say } = useShared();
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const run = (work: () => Promise<ApiSession>): void => {
    setBusy(true);
    setFault(undefined);
    work().then(onSession, (error: unknown) => {
      setBusy(false);
      const isRefused = error instanceof ApiFailure && error.status === 401;
      setFault(isRefused && refusal !== undefined ? refusal : failureText(say, error));
    });
  };
  return { isBusy, fault, run, refuse: setFault };
}

function Gatehouse(props: {
  title: string;
  about: string;
  children: ComponentChildren;
}): JSX.Element {
  const { preferences, prefer } = useShared();
  return (
    <main class="gatehouse">
      <div class="panel">
        <p class="brand">Undercroft</p>
        <h1>{props.title}</h1>
        <p class="hint">{props.about}</p>
        {props.children}
        <p class="languages">
          {Object.entries(LANGUAGES).map(([language, { name, tag }]) => (
            <button
              type="button"
              class="plain"
              key={language}
              lang={tag}
              aria-pressed={language === preferences.language}
              onClick={() => prefer({ language: language as Language })}
            >
              {name}
            </button>
          ))}
        </p>
      </div>
    </main>
  );
}
