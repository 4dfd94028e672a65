// SPDX-License-Identifier: Apache-2.0
// A form that makes a secret for somebody or something, and shows it once.
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { ROLES, type Role } from "../../lib/model/model.ts";
import { failureText, useShared } from "../state/use.tsx";
import { Field } from "./field.tsx";
import { tagsOf } from "./label-form.tsx";

const DAYS = 90;

export interface Grant {
  readonly name: string;
  readonly role: Role;
  readonly groups: readonly string[];
  readonly days: number;
}

export function GrantForm(props: {
  title: string;
  hint: string;
  /** Makes it; the result is the secret. */
  add: (grant: Grant) => Promise<string>;
  onDone: () => void;
  hasDays?: boolean;
  isNameOnly?: boolean;
}): JSX.Element {
  const { say } = useShared();
  const id = useId();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("analyst");
  const [groups, setGroups] = useState("");
  const [days, setDays] = useState(String(DAYS));
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [secret, setSecret] = useState<string | undefined>(undefined);
  const add = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    setSecret(undefined);
    const grant = { name: name.trim(), role, groups: tagsOf(groups), days: Number(days) };
    props.add(grant).then(
      (made) => {
        setSecret(made);
        setName("");
        props.onDone();
      },
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <details class="grant">
      <summary>{props.title}</summary>
      <form onSubmit={add}>
        <p class="hint">{props.hint}</p>
        <Field
          {...{ label: say("table.name"), value: name, onInput: setName, fault }}
          {...{ isRequired: true, max: 64 }}
        />
        {props.isNameOnly !== true && (
          <>
            <div class="field">
              <label for={id}>{say("users.role")}</label>
              <select
                id={id}
                value={role}
                onChange={({ currentTarget: { value } }) =>
                  setRole(ROLES.find((one) => one === value) ?? "read-only")
                }
              >
                {ROLES.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            </div>
            <Field
              {...{ label: say("users.groups"), hint: say("users.groups.hint") }}
              {...{ value: groups, onInput: setGroups }}
            />
          </>
        )}
        {props.hasDays === true && (
          <Field
            {...{ label: say("tokens.days"), value: days, onInput: setDays, type: "number" }}
          />
        )}
        <div class="buttons">
          <button type="submit">{props.title}</button>
        </div>
      </form>
      {secret !== undefined && (
        <div role="status">
          <p class="hint">{say("grant.once")}</p>
          <pre class="value" tabIndex={0}>
            {secret}
          </pre>
        </div>
      )}
    </details>
  );
}
