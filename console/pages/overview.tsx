// SPDX-License-Identifier: Apache-2.0
// The first page: how the whole fleet is, and what wants somebody now.
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { ApiApproval, ApiOverview, ApiServer, GuestState } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { AnswerDialog } from "../parts/answer-dialog.tsx";
import { Chart } from "../parts/chart.tsx";
import { FindingLine } from "../parts/finding-line.tsx";
import { Badge, Cut, Empty, Panel, Show, Time } from "../parts/parts.tsx";
import { placeAddress } from "../place.ts";
import { GUEST_STATES, SEVERITIES } from "../state/lists.ts";
import { useDesk, useEvery, useLoad, useShared, useUpdates } from "../state/use.tsx";
import { sayKind } from "../words/words.ts";

const REFRESH_MS = 5000;
const SILENT_SHOWN_MAX = 8;
/** Many updates make one reading. */
const SETTLE_MS = 1000;

interface Whole {
  readonly overview: ApiOverview;
  readonly servers: readonly ApiServer[];
  readonly approvals: readonly ApiApproval[];
}

export function OverviewPage(): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("overview", readWhole);
  const settling = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useUpdates(() => {
    clearTimeout(settling.current);
    settling.current = setTimeout(again, SETTLE_MS);
  }, again);
  useEvery(REFRESH_MS, again);
  return (
    <div class="page">
      <h1>{say("page.overview")}</h1>
      <Show loaded={loaded} again={again}>
        {({ overview, servers, approvals }) => (
          <div class="tiles">
            <GuestsPanel overview={overview} />
            <ApprovalsPanel approvals={approvals} again={again} />
            <SilentPanel overview={overview} />
            <RatesPanel overview={overview} />
            <FindingsPanel overview={overview} />
            <ServersPanel servers={servers} />
          </div>
        )}
      </Show>
    </div>
  );
}

async function readWhole(signal: AbortSignal): Promise<Whole> {
  const [overview, servers, approvals] = await Promise.all([
    callApi("overview", { signal }),
    callApi("listServers", { signal }),
    callApi("listApprovals", { signal }),
  ]);
  return { overview, servers, approvals };
}

function GuestsPanel({ overview: { guests } }: { overview: ApiOverview }): JSX.Element {
  const { say, format } = useShared();
  const count = Object.values(guests).reduce((sum, part) => sum + part, 0);
  const shown = GUEST_STATES.filter((state) => guests[state] > 0);
  const addressOf = (state: GuestState): string => placeAddress(["guests"], { state });
  return (
    <Panel
      title={say("overview.guests")}
      class="wide"
      aside={<span class="number">{say("overview.guests.count", { n: count })}</span>}
    >
      {count === 0 ? (
        <Empty title={say("overview.guests.empty")} hint={say("overview.guests.empty.hint")} />
      ) : (
        <>
          <div class="shares" aria-hidden="true">
            {shown.map((state) => (
              <span key={state} class={`state-${state}`} style={{ flexGrow: guests[state] }} />
            ))}
          </div>
          <ul class="counts">
            {shown.map((state) => (
              <li key={state}>
                <a href={addressOf(state)}>
                  <b>{format.count(guests[state])}</b>
                  <Badge family="state" value={state} />
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

function RatesPanel({ overview }: { overview: ApiOverview }): JSX.Element {
  const { say, format } = useShared();
  const { rates } = useDesk();
  const { eventsPerSecond, lost } = overview;
  const losses = format.short(rates.last(1));
  const events = format.short(eventsPerSecond);
  return (
    <Panel
      title={say("overview.rates")}
      hint={say("overview.rates.hint")}
      class="wide"
      aside={
        <ul class="figures">
          <li>
            <span class="key line-events" />
            {say("overview.events")} <b>{events}</b>
          </li>
          <li>
            <span class="key line-losses" />
            {say("overview.losses")} <b>{losses}</b>
          </li>
          <li>
            {say("overview.lost")} <b>{format.short(lost)}</b>
          </li>
        </ul>
      }
    >
      <Chart
        label={say("overview.rates.label", { events, losses })}
        series={rates.series}
        lines={[
          { label: say("overview.events"), color: "accent" },
          { label: say("overview.losses"), color: "critical" },
        ]}
      />
    </Panel>
  );
}

function FindingsPanel({ overview }: { overview: ApiOverview }): JSX.Element {
  const { say, format } = useShared();
  const { findings, newest } = overview;
  const shown = SEVERITIES.filter((severity) => (findings[severity] ?? 0) > 0);
  return (
    <Panel
      title={say("overview.findings")}
      class="wide"
      aside={<a href={placeAddress(["findings"])}>{say("overview.findings.all")}</a>}
    >
      <ul class="counts">
        {shown.map((severity) => (
          <li key={severity}>
            <a href={placeAddress(["findings"], { severity })}>
              <b>{format.count(findings[severity] ?? 0)}</b>
              <Badge family="severity" value={severity} />
            </a>
          </li>
        ))}
      </ul>
      {newest.length === 0 ? (
        <Empty title={say("overview.findings.empty")} hint={say("overview.findings.empty.hint")} />
      ) : (
        <ul class="lines">
          {newest.map((finding) => (
            <FindingLine key={finding.id} finding={finding} hasGuest={true} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function ApprovalsPanel(props: {
  approvals: readonly ApiApproval[];
  again: () => void;
}): JSX.Element {
  const { say } = useShared();
  const desk = useDesk();
  const [asked, setAsked] = useState<[ApiApproval, boolean] | undefined>(undefined);
  const mayAnswer = desk.may("responder");
  const hint = mayAnswer ? undefined : say("do.needsRole", { role: "responder" });
  return (
    <Panel title={say("overview.approvals")}>
      {props.approvals.length === 0 && (
        <Empty
          title={say("overview.approvals.empty")}
          hint={say("overview.approvals.empty.hint")}
        />
      )}
      <ul class="lines">
        {props.approvals.map((approval) => (
          <li key={approval.id} class="approval">
            <span class="grow">
              <a href={placeAddress(["guests", approval.guest])}>
                <Cut text={approval.guestName} />
              </a>
              <Cut text={say("approval.asks", { action: approval.action })} />
              <Cut class="hint" text={approval.reason} />
            </span>
            {[true, false].map((isApproved) => (
              <button
                type="button"
                key={String(isApproved)}
                disabled={!mayAnswer}
                title={hint}
                onClick={() => setAsked([approval, isApproved])}
              >
                {say(isApproved ? "approval.approve" : "approval.reject")}
              </button>
            ))}
          </li>
        ))}
      </ul>
      {asked !== undefined && (
        <AnswerDialog
          {...{ approval: asked[0], isApproved: asked[1], onDone: props.again }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </Panel>
  );
}

function SilentPanel({ overview: { silent } }: { overview: ApiOverview }): JSX.Element {
  const { say } = useShared();
  return (
    <Panel
      title={say("overview.silent")}
      aside={
        silent.length > SILENT_SHOWN_MAX && (
          <a href={placeAddress(["guests"], { state: "silent" })}>
            {say("table.shown", { shown: SILENT_SHOWN_MAX, total: silent.length })}
          </a>
        )
      }
    >
      {silent.length === 0 ? (
        <Empty title={say("overview.silent.empty")} hint={say("overview.silent.empty.hint")} />
      ) : (
        <ul class="lines">
          {silent.slice(0, SILENT_SHOWN_MAX).map(({ id, name, serverName, sinceMs }) => (
            <li key={id}>
              <a class="grow" href={placeAddress(["guests", id])}>
                <Cut text={name} />
              </a>
              <Cut class="hint" text={serverName} />
              <Time ms={sinceMs} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function ServersPanel({ servers }: { servers: readonly ApiServer[] }): JSX.Element {
  const { say, format } = useShared();
  return (
    <Panel title={say("overview.servers")} class="wide">
      {servers.length === 0 ? (
        <Empty title={say("overview.servers.empty")} hint={say("overview.servers.empty.hint")} />
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={say("overview.servers")}>
          <table>
            <thead>
              <tr>
                <th>{say("table.name")}</th>
                <th>{say("table.state")}</th>
                <th class="number">{say("table.guests")}</th>
                <th>{say("table.software")}</th>
                <th class="number">{say("table.skew")}</th>
                <th>{say("table.seen")}</th>
              </tr>
            </thead>
            <tbody>
              {servers.map((server) => (
                <tr key={server.id}>
                  <th scope="row">
                    <Cut text={server.name} />
                  </th>
                  <td title={sayKind(say, "server", server.state)}>
                    <Badge family="server" value={server.state} />
                  </td>
                  <td class="number">{format.count(server.guests)}</td>
                  <td>
                    <Cut text={server.software} />
                  </td>
                  <td class="number">{format.count(server.clockSkewMs)} ms</td>
                  <td>
                    <Time ms={server.lastSeenMs} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
