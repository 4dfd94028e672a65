// SPDX-License-Identifier: Apache-2.0
// Rules and the response policy as texts that are checked by the manager and taken whole or not.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiRuleFile } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { failureText, useDesk, useLoad, useShared } from "../state/use.tsx";
import { Field } from "./field.tsx";
import { Empty, GuestText, Panel, Show } from "./parts.tsx";

const TEXT_MAX = 1 << 19;

export function RulesPanel({ onDone }: { onDone: () => void }): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("rules", (signal) => callApi("readRules", { signal }));
  return (
    <Panel title={say("rules.title")} hint={say("rules.hint")} class="wide">
      <Show loaded={loaded} again={again}>
        {(files) => (
          <RulesForm
            key={JSON.stringify(files)}
            files={files}
            onSaved={() => {
              again();
              onDone();
            }}
          />
        )}
      </Show>
    </Panel>
  );
}

function RulesForm(props: { files: readonly ApiRuleFile[]; onSaved: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const mayChange = useDesk().may("admin");
  const [files, setFiles] = useState(props.files);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const change = (at: number, part: Partial<ApiRuleFile>): void =>
    setFiles(files.map((file, index) => (index === at ? { ...file, ...part } : file)));
  const add = (added: readonly ApiRuleFile[]): void => setFiles([...files, ...added]);
  const save = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    callApi("changeRules", { body: { files } }).then(
      ({ problems }) => {
        if (problems.length > 0) setFault(problems.slice(0, 5).join("; "));
        else {
          tell(say("do.saved"));
          props.onSaved();
        }
      },
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <form onSubmit={save}>
      {files.length === 0 && <Empty title={say("rules.empty")} hint={say("rules.empty.hint")} />}
      {files.map(({ name, text }, at) => (
        // A file may be renamed while it is written: its place is what it is known by.
        <details key={at} open={text === ""}>
          <summary>
            <GuestText text={name} max={200} />
          </summary>
          <Field
            {...{ label: say("rules.name"), value: name, max: 200 }}
            onInput={(value) => change(at, { name: value })}
          />
          <Field
            {...{ label: say("rules.text"), value: text, rows: 12, max: TEXT_MAX }}
            onInput={(value) => change(at, { text: value })}
          />
          <button
            type="button"
            class="plain"
            onClick={() => setFiles(files.filter((_, index) => index !== at))}
          >
            {say("rules.remove")}
          </button>
        </details>
      ))}
      {fault !== undefined && (
        <p class="fault" role="alert">
          <GuestText text={fault} />
        </p>
      )}
      <label class="file">
        {say("rules.files")}
        <input
          type="file"
          multiple
          accept=".yml,.yaml"
          onChange={({ currentTarget }) => {
            const chosen = [...(currentTarget.files ?? [])];
            void Promise.all(
              chosen.map(async (file) => ({ name: file.name, text: await file.text() })),
            ).then(add);
          }}
        />
      </label>
      <div class="buttons">
        <button
          type="button"
          onClick={() => add([{ name: `rule-${files.length + 1}.yml`, text: "" }])}
        >
          {say("rules.add")}
        </button>
        <button
          type="submit"
          class="main"
          disabled={!mayChange}
          title={mayChange ? undefined : say("do.needsRole", { role: "admin" })}
        >
          {say("rules.save")}
        </button>
      </div>
    </form>
  );
}

export function PolicyPanel({ onDone }: { onDone: () => void }): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("policy", (signal) => callApi("readPolicy", { signal }));
  return (
    <Panel title={say("policy.title")} hint={say("policy.hint")}>
      <Show loaded={loaded} again={again}>
        {({ text }) => (
          <PolicyForm
            key={text}
            text={text}
            onSaved={() => {
              again();
              onDone();
            }}
          />
        )}
      </Show>
    </Panel>
  );
}

function PolicyForm(props: { text: string; onSaved: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const mayChange = useDesk().may("admin");
  const [text, setText] = useState(props.text);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const save = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    callApi("changePolicy", { body: { text } }).then(
      () => {
        tell(say("do.saved"));
        props.onSaved();
      },
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <form onSubmit={save}>
      <Field
        {...{ label: say("policy.text"), hint: say("policy.text.hint"), rows: 12, fault }}
        {...{ value: text, onInput: setText, max: TEXT_MAX }}
      />
      <div class="buttons">
        <button
          type="submit"
          class="main"
          disabled={!mayChange}
          title={mayChange ? undefined : say("do.needsRole", { role: "admin" })}
        >
          {say("policy.save")}
        </button>
      </div>
    </form>
  );
}
