// SPDX-License-Identifier: Apache-2.0
// One finding: what happened in words, why its rule matched, what shows it, what was done, and
// what people know of it.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ApiFindingDetail, TriageState } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { ActionDialog, type AskedAction } from "../parts/action-dialog.tsx";
import { Evidence, ProcessChain } from "../parts/evidence.tsx";
import { Badge, Chips, Cut, Empty, GuestText, Panel, Show, Time } from "../parts/parts.tsx";
import { goTo, placeAddress } from "../place.ts";
import { useKeys } from "../state/keys.ts";
import { TRIAGES } from "../state/lists.ts";
import { useTriage } from "../state/triage.ts";
import { failureText, useDesk, useLoad, useShared, useUpdates } from "../state/use.tsx";
import { sayKind } from "../words/words.ts";

export function FindingPage({ id }: { id: string }): JSX.Element {
  const [asked, setAsked] = useState<AskedAction | undefined>(undefined);
  const [loaded, again, put] = useLoad(id, (signal) => callApi("readFinding", { id, signal }));
  useUpdates((update) => {
    if (update.kind === "finding" && update.finding.id === id) again();
  }, again);
  useKeys([
    { keys: "u", word: "keys.back", run: () => goTo(placeAddress(["findings"])) },
    { keys: "r", word: "keys.refresh", run: again },
  ]);
  return (
    <div class="page">
      <Show loaded={loaded} again={again}>
        {(finding) => (
          <>
            <FindingHead finding={finding} onAct={setAsked} onChanged={put} />
            <div class="tiles">
              <StoryPanel finding={finding} />
              <WhyPanel finding={finding} />
              <ProcessChain finding={finding} />
              <ResponsesPanel finding={finding} />
              <Evidence finding={finding} />
              <NotesPanel finding={finding} onChanged={put} />
            </div>
            {asked !== undefined && (
              <ActionDialog
                guest={{ id: finding.guestId, name: finding.guest }}
                {...{ asked, onDone: again }}
                onClose={() => setAsked(undefined)}
              />
            )}
          </>
        )}
      </Show>
    </div>
  );
}

interface PartProps {
  readonly finding: ApiFindingDetail;
}

interface ChangeProps extends PartProps {
  readonly onChanged: (finding: ApiFindingDetail) => void;
}

function FindingHead(
  props: ChangeProps & { readonly onAct: (asked: AskedAction) => void },
): JSX.Element {
  const { say } = useShared();
  const desk = useDesk();
  const { triage, isBusy } = useTriage();
  const { finding } = props;
  const mayTriage = desk.may("analyst");
  const set = (at: number): void => {
    const state = TRIAGES[at];
    if (state === undefined || !mayTriage || isBusy) return;
    void triage([finding], state).then((changed) => {
      if (changed !== undefined) props.onChanged(changed);
    });
  };
  useKeys(
    TRIAGES.map((state, at) => ({
      ...({ keys: String(at + 1), word: `triage.${state}` } as const),
      run: () => set(at),
    })),
  );
  return (
    <header class="page-head finding-head">
      <p class="states">
        <Badge family="severity" value={finding.severity} />
        <Badge family="disposition" value={finding.disposition} />
        <span class="hint">
          {say("finding.times", { n: finding.count })} · <Time ms={finding.firstMs} /> –{" "}
          <Time ms={finding.lastMs} />
        </span>
      </p>
      <h1>
        <Cut text={finding.title} />
      </h1>
      <div class="chip-rows">
        <Chips
          label={say("table.triage")}
          value={finding.triage}
          onChoose={(value) => set(TRIAGES.indexOf(value as TriageState))}
          choices={TRIAGES.map((state) => ({ value: state, label: say(`triage.${state}`) }))}
        />
        <Assignee finding={finding} onChanged={props.onChanged} />
        <HeadActions finding={finding} onAct={props.onAct} />
      </div>
    </header>
  );
}

function Assignee({ finding, onChanged }: ChangeProps): JSX.Element {
  const { say, tell } = useShared();
  const desk = useDesk();
  const { name } = desk.session.user;
  const { assignee = "" } = finding;
  if (assignee === name) {
    return (
      <span class="hint">
        <GuestText text={say("finding.taken", { who: assignee })} />
      </span>
    );
  }
  const take = (): void => {
    callApi("triageFinding", { id: finding.id, body: { assignee: name } }).then(
      onChanged,
      (error: unknown) => tell(failureText(say, error), true),
    );
  };
  return (
    <span class="states">
      {assignee !== "" && (
        <span class="hint">
          <GuestText text={say("finding.taken", { who: assignee })} />
        </span>
      )}
      <button type="button" disabled={!desk.may("analyst")} onClick={take}>
        {say("finding.take")}
      </button>
    </span>
  );
}

function HeadActions(props: PartProps & { onAct: (asked: AskedAction) => void }): JSX.Element {
  const { say } = useShared();
  const { guestId, process } = props.finding;
  const mayAct = useDesk().may("responder");
  const why = mayAct ? undefined : say("do.needsRole", { role: "responder" });
  const { pid, processStartNs } = process;
  const trace = {
    ...{ guest: guestId, pid: String(pid), start: processStartNs },
    time: String(Math.ceil(props.finding.lastMs)),
  };
  return (
    <div class="buttons">
      <a class="button" href={placeAddress(["guests", guestId])}>
        {say("finding.guest")}
      </a>
      {processStartNs !== "0" && (
        <a class="button" href={placeAddress(["trace"], trace)}>
          {say("finding.trace")}
        </a>
      )}
      <button
        type="button"
        disabled={!mayAct}
        title={why}
        onClick={() => props.onAct({ kind: "kill", pid, processStartNs })}
      >
        {say("action.kill")}
      </button>
      <button
        type="button"
        disabled={!mayAct}
        title={why}
        onClick={() => props.onAct({ kind: "isolate" })}
      >
        {say("action.isolate")}
      </button>
    </div>
  );
}

function StoryPanel({ finding: { story } }: PartProps): JSX.Element {
  const { say } = useShared();
  return (
    <Panel title={say("finding.story")} class="wide">
      {/* The manager writes it, in English. */}
      <div class="prose" lang="en">
        {story.map((sentence) => (
          <p key={sentence}>
            <GuestText text={sentence} />
          </p>
        ))}
      </div>
    </Panel>
  );
}

function WhyPanel({ finding: { rule, field, value, tags } }: PartProps): JSX.Element {
  const { say } = useShared();
  return (
    <Panel title={say("finding.why")}>
      <p>
        {say("finding.why.rule", { rule: "" })}
        <code>
          <GuestText text={rule} max={200} />
        </code>
      </p>
      <p>
        <GuestText text={say("finding.why.text", { field })} />
      </p>
      <pre class="value" tabIndex={0}>
        <GuestText text={value} />
      </pre>
      <ul class="tags">
        {tags.map((tag) => (
          <li key={tag}>
            <GuestText text={tag} max={100} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function ResponsesPanel({ finding: { responses, commandRecords } }: PartProps): JSX.Element {
  const { say } = useShared();
  const isEmpty = responses.length === 0 && commandRecords.length === 0;
  return (
    <Panel title={say("finding.responses")}>
      {isEmpty && (
        <Empty title={say("finding.responses.empty")} hint={say("finding.responses.empty.hint")} />
      )}
      <ol class="story">
        {responses.map(({ action, reason, timeMs }) => (
          <li key={`${timeMs} ${action}`}>
            <b>
              <GuestText text={sayKind(say, "action", action)} />
            </b>{" "}
            <Time ms={timeMs} />
            <p class="hint">
              <GuestText text={reason} />
            </p>
          </li>
        ))}
        {commandRecords.map(({ id, command, outcome, createdMs, requestedBy }) => (
          <li key={id} class={`outcome-${outcome}`}>
            <b>{command.kind}</b> → <b>{outcome}</b> <Time ms={createdMs} />
            <p class="hint">
              <GuestText text={say("finding.by", { who: requestedBy })} />
            </p>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function NotesPanel({ finding, onChanged }: ChangeProps): JSX.Element {
  const { say, tell } = useShared();
  const mayWrite = useDesk().may("analyst");
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  useKeys([{ keys: "n", word: "keys.note", run: () => box.current?.focus() }]);
  const add = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    callApi("triageFinding", { id: finding.id, body: { note: text.trim() } }).then(
      (changed) => {
        setText("");
        onChanged(changed);
      },
      (error: unknown) => tell(failureText(say, error), true),
    );
  };
  return (
    <Panel title={say("finding.notes")}>
      {finding.notes.length === 0 && (
        <Empty title={say("finding.notes.empty")} hint={say("finding.notes.empty.hint")} />
      )}
      <ol class="story">
        {finding.notes.map(({ user, timeMs, text: note }) => (
          <li key={timeMs}>
            <b>
              <GuestText text={user} max={64} />
            </b>{" "}
            <Time ms={timeMs} />
            <p class="note-text">
              <GuestText text={note} max={10_000} />
            </p>
          </li>
        ))}
      </ol>
      <form onSubmit={add}>
        <textarea
          ref={box}
          rows={2}
          maxLength={10_000}
          aria-label={say("finding.note")}
          placeholder={say("finding.note")}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <div class="buttons">
          <button type="submit" disabled={!mayWrite || text.trim() === ""}>
            {say("finding.note.add")}
          </button>
        </div>
      </form>
    </Panel>
  );
}
