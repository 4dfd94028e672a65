// SPDX-License-Identifier: Apache-2.0
// One guest: what it is and was, what runs, what was found and lost, and what can be done to it.
import type { ComponentChildren, JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { ApiGuestDetail, GuestAction } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { ActionDialog, type AskedAction } from "../parts/action-dialog.tsx";
import { Chart } from "../parts/chart.tsx";
import { FindingLine } from "../parts/finding-line.tsx";
import { LabelForm } from "../parts/label-form.tsx";
import { Badge, Cut, Empty, Facts, GuestText, Panel, Show, Time } from "../parts/parts.tsx";
import { Processes } from "../parts/processes.tsx";
import { StateHistory } from "../parts/state-history.tsx";
import { goTo, placeAddress } from "../place.ts";
import { useKeys } from "../state/keys.ts";
import { Samples } from "../state/samples.ts";
import { withCondition } from "../state/search.ts";
import { useDesk, useEvery, useLoad, useShared, useUpdates } from "../state/use.tsx";
import { visibleText } from "../text.ts";

const REFRESH_MS = 5000;

export function GuestPage({ id }: { id: string }): JSX.Element {
  const rates = useRef(new Samples(1));
  const [asked, setAsked] = useState<AskedAction | undefined>(undefined);
  const [loaded, again] = useLoad(id, async (signal) => {
    const guest = await callApi("readGuest", { id, signal });
    rates.current.add(Date.now(), [guest.eventsPerSecond]);
    return guest;
  });
  useEvery(REFRESH_MS, again);
  useUpdates((update) => {
    if (update.kind === "guest" && update.guest.id === id) again();
    if (update.kind === "finding" && update.finding.guestId === id) again();
    if (update.kind === "action" && update.action.guest === id) again();
  }, again);
  useKeys([
    { keys: "u", word: "keys.back", run: () => goTo(placeAddress(["guests"])) },
    { keys: "r", word: "keys.refresh", run: again },
  ]);
  return (
    <div class="page">
      <Show loaded={loaded} again={again}>
        {(guest) => (
          <>
            <GuestHead guest={guest} onAct={setAsked} />
            <div class="tiles">
              <RatePanel guest={guest} rates={rates.current} />
              <StateHistory guest={guest} />
              <Processes guest={guest} onAct={setAsked} />
              <FindingsPanel guest={guest} />
              <ActionsPanel guest={guest} />
              <LossPanel guest={guest} />
              <CostPanel guest={guest} />
              <FactsPanel guest={guest} />
              <LabelForm
                key={`${guest.group} ${guest.tags.join()}`}
                guest={guest}
                onSaved={again}
              />
            </div>
            {asked !== undefined && (
              <ActionDialog
                {...{ guest, asked, onDone: again }}
                onClose={() => setAsked(undefined)}
              />
            )}
          </>
        )}
      </Show>
    </div>
  );
}

type SimpleKind = Exclude<GuestAction["kind"], "kill">;

/** What makes sense for a guest as it is. */
export function actionsFor({ state, isIsolated }: ApiGuestDetail): readonly SimpleKind[] {
  const isMonitored = state === "monitored" || state === "silent";
  return [
    isMonitored ? "stop-monitoring" : "start-monitoring",
    isIsolated ? "release" : "isolate",
    ...(["pause", "resume", "snapshot"] as const),
  ];
}

function GuestHead(props: {
  guest: ApiGuestDetail;
  onAct: (asked: AskedAction) => void;
}): JSX.Element {
  const { say } = useShared();
  const { guest } = props;
  const mayAct = useDesk().may("responder");
  return (
    <header class="page-head">
      <h1>
        <Cut text={guest.name} />
      </h1>
      <span class="states">
        <Badge family="state" value={guest.state} />
        {guest.isIsolated && <Badge family="state" value="isolated" />}
        <span class="hint">
          {say("table.since")} <Time ms={guest.sinceMs} />
        </span>
        {!guest.isCurrent && <span class="hint">{say("state.stale.why")}</span>}
      </span>
      <div class="buttons">
        <a
          class="button"
          href={placeAddress(["hunt"], { q: withCondition("last:1h", "guest", guest.name, false) })}
        >
          {say("hunt.guest")}
        </a>
        {actionsFor(guest).map((kind) => (
          <button
            type="button"
            key={kind}
            disabled={!mayAct}
            title={mayAct ? undefined : say("do.needsRole", { role: "responder" })}
            onClick={() => props.onAct({ kind })}
          >
            {say(`action.${kind}`)}
          </button>
        ))}
      </div>
    </header>
  );
}

function RatePanel({ guest, rates }: { guest: ApiGuestDetail; rates: Samples }): JSX.Element {
  const { say, format } = useShared();
  const n = format.short(Math.round(guest.eventsPerSecond));
  const series = useMemo(() => rates.series, [guest]);
  return (
    <Panel
      title={say("guest.events")}
      hint={say("guest.events.hint")}
      class="wide"
      aside={<b class="number">{n}</b>}
    >
      <Chart
        label={say("guest.events.label", { n })}
        series={series}
        lines={[{ label: say("table.rate"), color: "accent" }]}
      />
    </Panel>
  );
}

function FindingsPanel({ guest }: { guest: ApiGuestDetail }): JSX.Element {
  const { say } = useShared();
  return (
    <Panel title={say("guest.findings")} class="wide">
      {guest.findings.length === 0 ? (
        <Empty title={say("guest.findings.empty")} hint={say("guest.findings.empty.hint")} />
      ) : (
        <ul class="lines">
          {guest.findings.map((finding) => (
            <FindingLine key={finding.id} finding={finding} hasGuest={false} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function ActionsPanel({ guest }: { guest: ApiGuestDetail }): JSX.Element {
  const { say } = useShared();
  return (
    <Panel title={say("guest.actions")}>
      {guest.actions.length === 0 ? (
        <Empty title={say("guest.actions.empty")} hint={say("guest.actions.empty.hint")} />
      ) : (
        <ol class="story">
          {guest.actions.map((action) => (
            <li key={action.id} class={`outcome-${action.state}`}>
              <b>{say(`action.${action.action.kind}`)}</b>{" "}
              <span class="hint">
                <GuestText text={say("finding.by", { who: action.user })} />{" "}
                <Time ms={action.timeMs} />
              </span>
              <p>
                <GuestText
                  text={action.state === "waiting" ? say("act.waiting") : action.outcome}
                />
              </p>
              <p class="hint">
                <GuestText text={action.reason} />
              </p>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function LossPanel({ guest: { statistics } }: { guest: ApiGuestDetail }): JSX.Element {
  const { say, format } = useShared();
  const losses = Object.entries(statistics?.lostBy ?? {}).sort(([, a], [, b]) => b - a);
  return (
    <Panel title={say("guest.losses")}>
      {losses.length === 0 ? (
        <Empty title={say("guest.losses.empty")} hint={say("guest.losses.empty.hint")} />
      ) : (
        <table>
          <thead>
            <tr>
              <th>{say("guest.losses.class")}</th>
              <th>{say("guest.losses.reason")}</th>
              <th class="number">{say("guest.losses.count")}</th>
            </tr>
          </thead>
          <tbody>
            {losses.map(([what, count]) => {
              const [kind = "", reason = ""] = what.split(":", 2);
              return (
                <tr key={what}>
                  <td>{visibleText(kind)}</td>
                  <td>{visibleText(reason)}</td>
                  <td class="number">{format.count(count)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

function CostPanel({ guest: { statistics } }: { guest: ApiGuestDetail }): JSX.Element {
  const { say, format } = useShared();
  if (statistics === undefined) {
    return (
      <Panel title={say("guest.cost")}>
        <Empty title={say("guest.cost.none")} hint={say("guest.cost.none.hint")} />
      </Panel>
    );
  }
  const { heartbeatMs, byClass } = statistics;
  const beat =
    heartbeatMs === 0
      ? say("guest.cost.heartbeat.none")
      : say("guest.cost.heartbeat.ago", { time: format.span(heartbeatMs) });
  const classes = Object.entries(byClass).sort(([, a], [, b]) => b - a);
  return (
    <Panel title={say("guest.cost")}>
      <Facts
        facts={[
          ["guest.cost.events", format.count(statistics.events)],
          ["guest.cost.bytes", format.bytes(statistics.bytes)],
          ["guest.cost.ring", format.bytes(statistics.ringBytesUsed)],
          ["guest.cost.packets", format.count(statistics.packets)],
          ["guest.cost.heartbeat", beat],
        ]}
      />
      <ul class="counts small">
        {classes.map(([name, count]) => (
          <li key={name}>
            <b>{format.short(count)}</b> {visibleText(name)}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function FactsPanel({ guest }: { guest: ApiGuestDetail }): JSX.Element {
  const { say, format } = useShared();
  const { driver } = guest;
  const shown = (text: string): ComponentChildren => <GuestText text={text} max={200} />;
  return (
    <Panel title={say("guest.facts")}>
      <Facts
        facts={[
          ["table.server", shown(guest.serverName)],
          ["guest.reason", shown(guest.reason)],
          ["guest.driver", shown(driver?.version ?? say("text.unknown"))],
          ["guest.system", shown(driver === undefined ? "" : `${driver.os} ${driver.osVersion}`)],
          ["guest.cpus", driver === undefined ? "" : format.count(driver.cpuCount)],
          ["guest.id", <code key="id">{guest.id}</code>],
          ["guest.boot", <code key="boot">{shown(guest.boot)}</code>],
        ]}
      />
    </Panel>
  );
}
