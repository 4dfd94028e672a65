// SPDX-License-Identifier: Apache-2.0
// Where a process came from and what it led to: a graph that grows by what is asked of its nodes,
// a time to see it at, and the same as a list. What is asked for is in the address.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { callApi } from "../api/call.ts";
import type { Trace, TraceNode } from "../api/results.ts";
import { Chips, Cut, Empty, Facts, GuestText, Panel, Show, Time } from "../parts/parts.tsx";
import { TraceGraph } from "../parts/trace-graph.tsx";
import { goTo, type Place, placeAddress } from "../place.ts";
import { joinTraces, storyEdges, traceAsOf, traceSpan } from "../state/trace.ts";
import { failureText, useCollection, useDesk, useLoad, useShared } from "../state/use.tsx";
import { visibleText } from "../text.ts";
import { sayKind } from "../words/words.ts";

const SPAN_MS = 24 * 3600 * 1000;
const STEPS = 200;
const EDGES_SHOWN_MAX = 400;

type Direction = "backward" | "forward";

export function TracePage({ place }: { place: Place }): JSX.Element {
  const { say } = useShared();
  const desk = useDesk();
  const { guest = "", pid = "", start = "", time = "", direction = "backward" } = place.query;
  const way = direction === "forward" ? "forward" : "backward";
  const [loaded, again, put] = useLoad(JSON.stringify(place.query), (signal) => {
    const timeMs = time === "" ? Date.now() : Number(time);
    const startNs = start === "" ? {} : { startNs: start };
    const body = { guest, pid: Number(pid), timeMs, direction: way, spanMs: SPAN_MS, ...startNs };
    return callApi("trace", { body, signal });
  });
  if (!desk.may("analyst")) {
    return <Empty title={say("trace.title")} hint={say("do.needsRole", { role: "analyst" })} />;
  }
  return (
    <div class="page">
      <header class="page-head">
        <h1>{say("trace.title")}</h1>
        <Chips
          label={say("trace.direction")}
          value={way}
          onChoose={(value) =>
            goTo(placeAddress(["trace"], { ...place.query, direction: value }), true)
          }
          choices={(["backward", "forward"] as const).map((value) => {
            return { value, label: say(`trace.${value}`) };
          })}
        />
      </header>
      <Show loaded={loaded} again={again}>
        {(trace) => <TraceView trace={trace} onGrown={put} />}
      </Show>
    </div>
  );
}

function TraceView(props: { trace: Trace; onGrown: (trace: Trace) => void }): JSX.Element {
  const { say, format } = useShared();
  const { trace } = props;
  const [chosen, setChosen] = useState<TraceNode | undefined>(undefined);
  const [step, setStep] = useState(STEPS);
  const [firstMs, lastMs] = useMemo(() => traceSpan(trace), [trace]);
  const atMs = step === STEPS ? lastMs : firstMs + ((lastMs - firstMs) * step) / STEPS;
  const shown = useMemo(() => traceAsOf(trace, atMs), [trace, atMs]);
  return (
    <>
      <Doubts trace={trace} />
      <TraceGraph {...{ trace: shown, chosen: chosen?.id, onChoose: setChosen }} />
      <label class="as-of">
        <span>{say("trace.asOf")}</span>
        <input
          type="range"
          min={0}
          max={STEPS}
          value={step}
          aria-valuetext={format.time(atMs)}
          onInput={(event) => setStep(Number(event.currentTarget.value))}
        />
        <Time ms={atMs} />
      </label>
      <div class="tiles">
        <EdgeList {...{ trace: shown, onChoose: setChosen }} />
        <NodePanel {...{ trace, node: chosen, onGrown: props.onGrown }} />
      </div>
    </>
  );
}

/** What the picture cannot show: what was cut off, and what is known to be missing. */
function Doubts({ trace: { cuts, gaps } }: { trace: Trace }): JSX.Element | null {
  const { say } = useShared();
  if (cuts.length === 0 && gaps.length === 0) return null;
  const lost = gaps.reduce((sum, { count }) => sum + count, 0);
  return (
    <p class="hint" role="note">
      {cuts.length > 0 && say("trace.cuts", { n: cuts.length })}{" "}
      {gaps.length > 0 && say("trace.gaps", { n: lost })}
    </p>
  );
}

function NodePanel(props: {
  trace: Trace;
  node: TraceNode | undefined;
  onGrown: (trace: Trace) => void;
}): JSX.Element {
  const { say } = useShared();
  const { node } = props;
  if (node === undefined) {
    return (
      <Panel title={say("trace.node")}>
        <Empty title={say("trace.node.none")} hint={say("trace.node.none.hint")} />
      </Panel>
    );
  }
  const { process } = node;
  return (
    <Panel title={say("trace.node")} hint={sayKind(say, "entity", node.kind)}>
      <pre class="value" tabIndex={0}>
        <GuestText text={node.label} />
      </pre>
      {process !== undefined && (
        <>
          <Facts
            facts={[
              ["table.guest", <GuestText key="g" text={process.guest} />],
              ["process.pid", <code key="p">{process.pid}</code>],
              ["process.user", <GuestText key="u" text={process.user} />],
              ["trace.image", <GuestText key="i" text={process.image} />],
              ["process.program", <GuestText key="c" text={process.commandLine} max={1000} />],
              ["trace.sha256", <code key="s">{process.sha256}</code>],
              ["trace.began", <Time key="t" ms={process.firstMs} />],
            ]}
          />
          <Grow {...props} />
        </>
      )}
    </Panel>
  );
}

/** Asks for more of a process and joins it to what is there. */
function Grow(props: Parameters<typeof NodePanel>[0]): JSX.Element {
  const { say, tell } = useShared();
  const guests = useCollection(useDesk().guests);
  const [isBusy, setBusy] = useState(false);
  const process = props.node?.process;
  const grow = (direction: Direction): void => {
    const guest = guests.items.find(({ name }) => name === process?.guest);
    if (process === undefined || guest === undefined) return;
    setBusy(true);
    const { pid, startNs, boot } = process;
    const timeMs = direction === "forward" ? process.firstMs : Date.now();
    const body = { guest: guest.id, pid, startNs, boot, timeMs, direction, spanMs: SPAN_MS };
    callApi("trace", { body })
      .then(
        (more) => {
          const grown = joinTraces(props.trace, more);
          const n = grown.nodes.length - props.trace.nodes.length;
          tell(say("trace.grown", { n }));
          props.onGrown(grown);
        },
        (error: unknown) => tell(visibleText(failureText(say, error)), true),
      )
      .finally(() => setBusy(false));
  };
  return (
    <div class="buttons">
      {(["backward", "forward"] as const).map((direction) => (
        <button type="button" key={direction} disabled={isBusy} onClick={() => grow(direction)}>
          {say(`trace.grow.${direction}`)}
        </button>
      ))}
    </div>
  );
}

function EdgeList(props: { trace: Trace; onChoose: (node: TraceNode) => void }): JSX.Element {
  const { say } = useShared();
  const { trace } = props;
  const nodes = useMemo(() => new Map(trace.nodes.map((node) => [node.id, node])), [trace]);
  const edges = useMemo(() => storyEdges(trace), [trace]);
  const end = (id: string): JSX.Element => {
    const node = nodes.get(id);
    return (
      <button type="button" class="plain code" onClick={() => node && props.onChoose(node)}>
        <Cut text={node?.label ?? id} />
      </button>
    );
  };
  return (
    <Panel title={say("trace.list")} class="wide" hint={say("trace.list.hint")}>
      {edges.length === 0 && <Empty title={say("trace.empty")} hint={say("trace.empty.hint")} />}
      <ol class="edges">
        {edges.slice(0, EDGES_SHOWN_MAX).map((edge) => (
          <li key={`${edge.kind} ${edge.source} ${edge.target}`}>
            <Time ms={edge.firstMs} />
            {end(edge.source)}
            <b>{sayKind(say, "edge", edge.kind)}</b>
            {end(edge.target)}
            <span class="number hint">{edge.count > 1 && `×${edge.count}`}</span>
          </li>
        ))}
      </ol>
      {edges.length > EDGES_SHOWN_MAX && (
        <p class="hint">{say("table.shown", { shown: EDGES_SHOWN_MAX, total: edges.length })}</p>
      )}
    </Panel>
  );
}
