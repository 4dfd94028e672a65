// SPDX-License-Identifier: Apache-2.0
// In which states a guest was: a band over time, and the changes with their reasons.
import type { JSX } from "preact";
import type { ApiGuestDetail, GuestState } from "../../lib/model/model.ts";
import { useShared } from "../state/use.tsx";
import { Badge, Empty, GuestText, Panel, Time } from "./parts.tsx";

const SHOWN_MAX = 12;

export interface StateSpan {
  readonly state: GuestState;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The spans between the changes, oldest first, the last one until now. */
export function stateSpans(
  { history }: Pick<ApiGuestDetail, "history">,
  nowMs: number,
): readonly StateSpan[] {
  const ordered = [...history].sort((a, b) => a.timeMs - b.timeMs);
  return ordered.map(({ to, timeMs }, at) => {
    return { state: to, fromMs: timeMs, toMs: Math.max(timeMs, ordered[at + 1]?.timeMs ?? nowMs) };
  });
}

export function StateHistory({ guest }: { guest: ApiGuestDetail }): JSX.Element {
  const { say, format } = useShared();
  const nowMs = Date.now();
  const spans = stateSpans(guest, nowMs);
  const [first] = spans;
  const changes = [...guest.history].sort((a, b) => b.timeMs - a.timeMs).slice(0, SHOWN_MAX);
  if (first === undefined) {
    return (
      <Panel title={say("guest.history")}>
        <Empty title={say("guest.history.empty")} hint={say("guest.history.empty.hint")} />
      </Panel>
    );
  }
  const label = say("guest.history.label", {
    ...{ from: format.time(first.fromMs), to: format.time(nowMs) },
  });
  return (
    <Panel title={say("guest.history")}>
      <div class="shares" role="img" aria-label={label}>
        {spans.map(({ state, fromMs, toMs }) => (
          <span
            key={fromMs}
            class={`state-${state}`}
            title={`${say(`state.${state}`)} ${format.time(fromMs)} – ${format.time(toMs)}`}
            style={{ flexGrow: Math.max(1, toMs - fromMs) }}
          />
        ))}
      </div>
      <ol class="story">
        {changes.map(({ timeMs, to, reason }) => (
          <li key={timeMs}>
            <Badge family="state" value={to} /> <Time ms={timeMs} />
            <p class="hint">
              <GuestText text={reason} max={300} />
            </p>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
