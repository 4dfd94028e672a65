// SPDX-License-Identifier: Apache-2.0
// The events that a finding rests on, and the process that they tell of.
import type { JSX } from "preact";
import type { ApiFindingDetail } from "../../lib/model/model.ts";
import { useShared } from "../state/use.tsx";
import { Empty, GuestText, Panel, Time } from "./parts.tsx";

type Fields = Readonly<Record<string, unknown>>;

/** What tells an event from another at a glance, in this order. */
const FIRST = ["path", "arguments", "query", "remoteAddress", "remotePort", "key", "name"];
/** Said elsewhere on the page, or of use in the raw event only. */
const LEFT_OUT = new Set([
  ...["kind", "timeMs", "guest", "boot", "sequence", "processStartNs", "execGeneration", "cpu"],
  ...["cgroupId", "mountNamespace", "truncated", "tid", "argumentBytes", "argumentCount"],
]);

/** Fields of an event worth a look, the telling ones first. */
export function shownFields(event: Fields): ReadonlyArray<readonly [name: string, text: string]> {
  const rank = (name: string): number => {
    const at = FIRST.indexOf(name);
    return at < 0 ? FIRST.length : at;
  };
  return Object.entries(event)
    .filter(([name, value]) => !LEFT_OUT.has(name) && value !== "" && value !== 0)
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, value]) => [name, fieldText(value)] as const);
}

function fieldText(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(fieldText).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function Evidence({ finding }: { finding: ApiFindingDetail }): JSX.Element {
  const { say } = useShared();
  const evidence = finding.evidence as ReadonlyArray<Fields & { kind: string; timeMs: number }>;
  return (
    <Panel title={say("finding.evidence")} class="wide">
      {evidence.length === 0 && (
        <Empty title={say("finding.evidence.empty")} hint={say("finding.evidence.empty.hint")} />
      )}
      {evidence.map((event, at) => (
        // Events have no id of their own and never change places.
        <article class="event" key={`${at} ${event.timeMs}`}>
          <h3>
            <code>{event.kind}</code> <Time ms={event.timeMs} />
          </h3>
          <dl class="facts">
            {shownFields(event).map(([name, text]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd class="code">
                  <GuestText text={text} max={1000} />
                </dd>
              </div>
            ))}
          </dl>
          <details>
            <summary>{say("finding.raw")}</summary>
            <pre class="value" tabIndex={0}>
              <GuestText text={JSON.stringify(event, null, 1)} max={20_000} />
            </pre>
          </details>
        </article>
      ))}
    </Panel>
  );
}

/** Who did it, and who started that one, as far as the evidence says. */
export function ProcessChain({ finding }: { finding: ApiFindingDetail }): JSX.Element {
  const { say } = useShared();
  const { process } = finding;
  const events = finding.evidence as readonly Fields[];
  const own = events.find((event) => event.pid === process.pid && "path" in event);
  const parent = own?.parentPid;
  return (
    <Panel title={say("finding.chain")} class="wide">
      <ol class="chain">
        {typeof parent === "number" && parent > 0 && (
          <li>
            <span class="hint">{say("finding.chain.parent")}</span> <code>{parent}</code>
          </li>
        )}
        <li>
          <span class="hint">{say("finding.chain.self")}</span> <code>{process.pid}</code>{" "}
          {own !== undefined && (
            <span class="code">
              <GuestText text={fieldText(own.arguments ?? own.path)} max={600} />
            </span>
          )}
        </li>
      </ol>
    </Panel>
  );
}
