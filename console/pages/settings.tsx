// SPDX-License-Identifier: Apache-2.0
// What a user sets for this browser and for the own account.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { callApi } from "../api/call.ts";
import { Field } from "../parts/field.tsx";
import { Chips, GuestText, Panel } from "../parts/parts.tsx";
import type { Theme } from "../state/preferences.ts";
import { failureText, useDesk, useShared } from "../state/use.tsx";
import { LANGUAGES, type Language } from "../words/words.ts";
import { PASSWORD_CHARACTERS_MIN } from "./sign-in.tsx";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

export function SettingsPage({ onSignOut }: { onSignOut: () => void }): JSX.Element {
  const { say } = useShared();
  return (
    <div class="page">
      <h1>{say("page.settings")}</h1>
      <div class="tiles">
        <LookPanel />
        <AccountPanel onSignOut={onSignOut} />
        <PasswordPanel />
      </div>
    </div>
  );
}

function LookPanel(): JSX.Element {
  const { say, preferences, prefer } = useShared();
  const languages = Object.entries(LANGUAGES);
  return (
    <Panel title={say("settings.look")}>
      <h3>{say("settings.language")}</h3>
      <Chips
        label={say("settings.language")}
        value={preferences.language}
        onChoose={(value) => prefer({ language: value as Language })}
        choices={languages.map(([value, { name }]) => ({ value, label: name }))}
      />
      <h3>{say("settings.theme")}</h3>
      <Chips
        label={say("settings.theme")}
        value={preferences.theme}
        onChoose={(value) => prefer({ theme: value as Theme })}
        choices={THEMES.map((value) => ({ value, label: say(`settings.theme.${value}`) }))}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={preferences.hasKeys}
          onChange={(event) => prefer({ hasKeys: event.currentTarget.checked })}
        />
        {say("settings.keys")}
      </label>
      <p class="hint">{say("settings.keys.hint")}</p>
    </Panel>
  );
}

function AccountPanel({ onSignOut }: { onSignOut: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const { name, role, groups } = useDesk().session.user;
  const leave = (): void => {
    callApi("signOut").then(onSignOut, (error: unknown) => tell(failureText(say, error), true));
  };
  return (
    <Panel title={say("settings.account")}>
      <p>
        <GuestText text={say("settings.account.text", { name, role })} />
      </p>
      {groups.length > 0 && (
        <p class="hint">
          <GuestText text={say("settings.groups", { groups: groups.join(", ") })} />
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={leave}>
          {say("sign.out")}
        </button>
      </div>
    </Panel>
  );
}

function PasswordPanel(): JSX.Element {
  const { say, tell } = useShared();
  const [before, setBefore] = useState("");
  const [after, setAfter] = useState("");
  const [again, setAgain] = useState("");
  const [fault, setFault] = useState<string | undefined>(undefined);
  const change = (event: Event): void => {
    event.preventDefault();
    if (after.length < PASSWORD_CHARACTERS_MIN) {
      setFault(say("invite.short", { n: PASSWORD_CHARACTERS_MIN }));
      return;
    }
    if (after !== again) {
      setFault(say("invite.differ"));
      return;
    }
    setFault(undefined);
    callApi("changePassword", { body: { before, after } }).then(
      () => {
        tell(say("settings.password.done"));
        for (const empty of [setBefore, setAfter, setAgain]) empty("");
      },
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <Panel title={say("settings.password")}>
      <form onSubmit={change}>
        <Field
          {...{ label: say("settings.password.before"), value: before, onInput: setBefore }}
          {...{ type: "password", autoComplete: "current-password", isRequired: true }}
        />
        <Field
          {...{ label: say("invite.password"), value: after, onInput: setAfter }}
          {...{ type: "password", autoComplete: "new-password", isRequired: true }}
        />
        <Field
          {...{ label: say("invite.again"), value: again, onInput: setAgain, fault }}
          {...{ type: "password", autoComplete: "new-password", isRequired: true }}
        />
        <div class="buttons">
          <button type="submit">{say("settings.password")}</button>
        </div>
      </form>
    </Panel>
  );
}
