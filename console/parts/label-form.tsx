// SPDX-License-Identifier: Apache-2.0
// Group and tags of a guest: what people call it and who may see it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiGuest } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { failureText, useDesk, useShared } from "../state/use.tsx";
import { Field } from "./field.tsx";
import { Panel } from "./parts.tsx";

const LABEL_CHARACTERS_MAX = 64;

export function LabelForm(props: { guest: ApiGuest; onSaved: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const mayChange = useDesk().may("analyst");
  const [group, setGroup] = useState(props.guest.group);
  const [tags, setTags] = useState(props.guest.tags.join(", "));
  const [fault, setFault] = useState<string | undefined>(undefined);
  const save = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    const body = { group: group.trim(), tags: tagsOf(tags) };
    callApi("changeGuest", { id: props.guest.id, body }).then(
      () => {
        tell(say("do.saved"));
        props.onSaved();
      },
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <Panel title={say("guest.label")}>
      <form onSubmit={save}>
        <Field
          {...{ label: say("table.group"), hint: say("guest.group.hint") }}
          {...{ value: group, onInput: setGroup, max: LABEL_CHARACTERS_MAX }}
        />
        <Field
          {...{ label: say("table.tags"), hint: say("guest.tags.hint"), fault }}
          {...{ value: tags, onInput: setTags }}
        />
        <div class="buttons">
          <button
            type="submit"
            disabled={!mayChange}
            title={mayChange ? undefined : say("do.needsRole", { role: "analyst" })}
          >
            {say("do.save")}
          </button>
        </div>
      </form>
    </Panel>
  );
}

/** Tags of a line with commas, each once. */
export function tagsOf(text: string): readonly string[] {
  const tags = text.split(",").map((tag) => tag.trim());
  return [...new Set(tags.filter(Boolean))];
}
