// SPDX-License-Identifier: Apache-2.0
// What runs in a guest now, as a tree, and the way to end one of it.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ApiGuest } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { type ProcessLine, processTree } from "../state/lists.ts";
import { useDesk, useLoad, useShared } from "../state/use.tsx";
import type { AskedAction } from "./action-dialog.tsx";
import { FilterBox } from "./filter-box.tsx";
import { Cut, Empty, Panel, Show } from "./parts.tsx";

/** More are found by the filter. */
const SHOWN_MAX = 300;

export function Processes(props: {
  guest: ApiGuest;
  onAct: (asked: AskedAction) => void;
}): JSX.Element {
  const { say } = useShared();
  const { id, state } = props.guest;
  const [text, setText] = useState("");
  const [loaded, again] = useLoad(`${id} ${state}`, async (signal) => {
    return processTree(await callApi("listProcesses", { id, signal }));
  });
  return (
    <Panel
      title={say("guest.processes")}
      class="wide tall"
      aside={
        <>
          <FilterBox label={say("guest.processes.filter")} value={text} onInput={setText} />
          <button type="button" onClick={again}>
            {say("load.refresh")}
          </button>
        </>
      }
    >
      <Show loaded={loaded} again={again}>
        {(lines) => <ProcessTable {...{ lines, text, onAct: props.onAct }} />}
      </Show>
    </Panel>
  );
}

function ProcessTable(props: {
  lines: readonly ProcessLine[];
  text: string;
  onAct: (asked: AskedAction) => void;
}): JSX.Element {
  const { say } = useShared();
  const { lines, text } = props;
  const mayAct = useDesk().may("responder");
  const shown = useMemo(() => {
    const word = text.toLowerCase();
    const isWanted = ({ program, pid, user }: ProcessLine): boolean =>
      [program, String(pid), user].some((part) => part.toLowerCase().includes(word));
    return word === "" ? lines : lines.filter(isWanted);
  }, [lines, text]);
  if (lines.length === 0) {
    return <Empty title={say("guest.processes.empty")} hint={say("guest.processes.empty.hint")} />;
  }
  if (shown.length === 0) {
    return <Empty title={say("guest.processes.none")} hint={say("guests.none.hint")} />;
  }
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("guest.processes")}>
      <table class="processes">
        <thead>
          <tr>
            <th class="number">{say("process.pid")}</th>
            <th>{say("process.program")}</th>
            <th>{say("process.user")}</th>
            <th>
              <span class="unseen-label">{say("action.kill")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.slice(0, SHOWN_MAX).map(({ pid, startNs, program, user, depth }) => (
            <tr key={`${pid} ${startNs}`}>
              <td class="number">{pid}</td>
              <td class={`depth-${text === "" ? depth : 0}`}>
                <Cut class="code" text={program} />
              </td>
              <td>
                <Cut text={user} />
              </td>
              <td>
                <button
                  type="button"
                  class="plain"
                  disabled={!mayAct}
                  aria-label={`${say("action.kill")} ${pid}`}
                  onClick={() => props.onAct({ kind: "kill", pid, processStartNs: startNs })}
                >
                  {say("action.kill")}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length > SHOWN_MAX && (
        <p class="hint">{say("table.shown", { shown: SHOWN_MAX, total: shown.length })}</p>
      )}
    </div>
  );
}
