// SPDX-License-Identifier: Apache-2.0
// What servers look for and do: indicators, rules, the response policy, and which server has which
// version of them.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ApiContentState, ApiServer, ApiUpload } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import type { Indicator } from "../api/results.ts";
import { Field } from "../parts/field.tsx";
import { Cut, Empty, GuestText, Panel, Show, Time } from "../parts/parts.tsx";
import { PolicyPanel, RulesPanel } from "../parts/rules-form.tsx";
import { failureText, useDesk, useEvery, useLoad, useShared } from "../state/use.tsx";

const REFRESH_MS = 5000;

interface Whole {
  readonly state: ApiContentState;
  readonly servers: readonly ApiServer[];
}

export function ContentPage(): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("content", async (signal): Promise<Whole> => {
    const [state, servers] = await Promise.all([
      callApi("contentState", { signal }),
      callApi("listServers", { signal }),
    ]);
    return { state, servers };
  });
  useEvery(REFRESH_MS, again);
  return (
    <div class="page">
      <h1>{say("page.content")}</h1>
      <div class="tiles">
        <UploadPanel onDone={again} />
        <LookUpPanel />
        <Panel title={say("content.servers")} class="wide">
          <Show loaded={loaded} again={again}>
            {(whole) => <VersionTable {...whole} again={again} />}
          </Show>
        </Panel>
        <RulesPanel onDone={again} />
        <PolicyPanel onDone={again} />
      </div>
    </div>
  );
}

function UploadPanel({ onDone }: { onDone: () => void }): JSX.Element {
  const { say } = useShared();
  const mayPush = useDesk().may("analyst");
  const [source, setSource] = useState("");
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [upload, setUpload] = useState<ApiUpload | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const push = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    setUpload(undefined);
    setBusy(true);
    callApi("uploadIndicators", { body: { source: source.trim(), text } })
      .then(
        (done) => {
          setUpload(done);
          onDone();
        },
        (error: unknown) => setFault(failureText(say, error)),
      )
      .finally(() => setBusy(false));
  };
  return (
    <Panel title={say("content.upload")} hint={say("content.upload.hint")} class="wide">
      <form onSubmit={push}>
        <Field
          {...{ label: say("content.source"), hint: say("content.source.hint"), isRequired: true }}
          {...{ value: source, onInput: setSource, max: 200 }}
        />
        <label class="file">
          {say("content.file")}
          <input
            type="file"
            onChange={({ currentTarget: { files } }) => {
              const file = files?.[0];
              if (file === undefined) return;
              if (source === "") setSource(file.name.slice(0, 200));
              void file.text().then(setText);
            }}
          />
        </label>
        <Field
          {...{ label: say("content.text"), hint: say("content.text.hint"), rows: 5, fault }}
          {...{ value: text, onInput: setText, max: 64_000_000 }}
        />
        {upload !== undefined && <Uploaded upload={upload} />}
        <div class="buttons">
          <button
            type="submit"
            class="main"
            disabled={!mayPush || isBusy || source.trim() === ""}
            title={mayPush ? undefined : say("do.needsRole", { role: "analyst" })}
          >
            {say("content.push")}
          </button>
        </div>
      </form>
    </Panel>
  );
}

function Uploaded({ upload }: { upload: ApiUpload }): JSX.Element {
  const { say } = useShared();
  const { added, removed, problemCount, problems } = upload;
  return (
    <div role="status">
      <p>{say("content.done", { added, removed, bad: problemCount })}</p>
      <ul class="hint">
        {problems.map((problem) => (
          <li key={problem}>
            <GuestText text={problem} max={300} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function LookUpPanel(): JSX.Element {
  const { say, format } = useShared();
  const [value, setValue] = useState("");
  const [found, setFound] = useState<readonly Indicator[] | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const look = (event: Event): void => {
    event.preventDefault();
    setFault(undefined);
    callApi("lookUpIndicator", { query: { value: value.trim() } }).then(
      setFound,
      (error: unknown) => setFault(failureText(say, error)),
    );
  };
  return (
    <Panel title={say("content.lookup")}>
      <form onSubmit={look}>
        <Field
          {...{ label: say("content.value"), hint: say("content.value.hint"), fault }}
          {...{ value, onInput: setValue, max: 4096 }}
        />
        <div class="buttons">
          <button type="submit" disabled={value.trim() === ""}>
            {say("content.lookup.do")}
          </button>
        </div>
      </form>
      {found?.length === 0 && (
        <Empty title={say("content.unknown")} hint={say("content.unknown.hint")} />
      )}
      <ul class="story">
        {found?.map(({ source, kind, value: text, severity, title, expiresMs }) => (
          <li key={`${source} ${kind}`}>
            <b>
              <GuestText text={title ?? text} max={200} />
            </b>
            <p class="hint">
              <GuestText text={[source, kind, severity].filter(Boolean).join(" · ")} max={300} />
              {expiresMs !== undefined && ` · ${format.time(expiresMs)}`}
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function VersionTable(props: Whole & { again: () => void }): JSX.Element {
  const { say, format, tell } = useShared();
  const mayPush = useDesk().may("analyst");
  const { current, indicators, servers } = props.state;
  const names = new Map(props.servers.map(({ id, name }) => [id, name]));
  const push = (): void => {
    callApi("pushContent").then(
      () => {
        tell(say("content.pushed"));
        props.again();
      },
      (error: unknown) => tell(failureText(say, error), true),
    );
  };
  return (
    <>
      <p>{say("content.current", { n: indicators, ...current })}</p>
      {servers.length === 0 && (
        <Empty title={say("overview.servers.empty")} hint={say("overview.servers.empty.hint")} />
      )}
      {servers.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={say("content.servers")}>
          <table>
            <thead>
              <tr>
                <th>{say("table.server")}</th>
                <th class="number">{say("content.indicators")}</th>
                <th class="number">{say("content.rules")}</th>
                <th class="number">{say("content.policy")}</th>
                <th>{say("content.sent")}</th>
              </tr>
            </thead>
            <tbody>
              {servers.map(({ server, content, pushedMs, error }) => (
                <tr key={server}>
                  <th scope="row">
                    <Cut text={names.get(server) ?? server} />
                  </th>
                  {(["indicators", "rules", "policy"] as const).map((kind) => (
                    <td class="number" key={kind}>
                      <span class={content[kind] === current[kind] ? "" : "hot"}>
                        {format.count(content[kind])}
                      </span>
                    </td>
                  ))}
                  <td>
                    {pushedMs !== undefined && <Time ms={pushedMs} />}
                    {error !== undefined && <Cut class="fault" text={error} />}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div class="buttons">
        <button type="button" disabled={!mayPush} onClick={push}>
          {say("content.again")}
        </button>
      </div>
    </>
  );
}
