// SPDX-License-Identifier: Apache-2.0
// A trace as a picture: drawn by Cytoscape, which is loaded with the first graph that is shown.
// The list beside it says the same in words; the picture is for those who see it.
import type { Core, ElementDefinition, StylesheetJson } from "cytoscape";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Trace, TraceNode } from "../api/results.ts";
import { isDark } from "../state/preferences.ts";
import { edgeId, placeNodes } from "../state/trace.ts";
import { useShared } from "../state/use.tsx";
import { visibleText } from "../text.ts";

const LABEL_MAX = 60;
const ZOOM_FIT_MAX = 1.2;
const SHAPES: Readonly<Record<string, string>> = {
  ...{ process: "round-rectangle", file: "rectangle", module: "pentagon", key: "tag" },
  ...{ socket: "ellipse", address: "ellipse", name: "ellipse" },
};

export function TraceGraph(props: {
  trace: Trace;
  chosen: string | undefined;
  onChoose: (node: TraceNode | undefined) => void;
}): JSX.Element {
  const { say, tell, preferences } = useShared();
  const box = useRef<HTMLDivElement>(null);
  const [graph, setGraph] = useState<Core | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const isNight = isDark(preferences);
  useEffect(() => {
    let made: Core | undefined;
    let isLeft = false;
    void import("cytoscape").then(({ default: cytoscape }) => {
      const container = box.current;
      if (isLeft || container === null) return;
      keepFromStyling();
      made = cytoscape({ container, minZoom: 0.05, maxZoom: 3, wheelSensitivity: 0.3 });
      made.on("tap", ({ target }) => {
        const { trace, onChoose } = latest.current;
        const id = target === made ? undefined : String(target.id());
        onChoose(trace.nodes.find((node) => node.id === id));
      });
      setGraph(made);
    });
    return () => {
      isLeft = true;
      made?.destroy();
    };
  }, []);
  useEffect(() => {
    if (box.current !== null) graph?.style(styleOf(box.current)).update();
  }, [graph, isNight]);
  useEffect(() => {
    if (graph === undefined) return;
    const count = graph.nodes().length;
    graph.batch(() => {
      graph.elements().remove();
      graph.add(elementsOf(props.trace));
      graph.$id(props.trace.start).addClass("start");
    });
    if (graph.nodes().length > count) fitWhole(graph);
  }, [graph, props.trace]);
  useEffect(() => {
    graph?.elements().removeClass("chosen");
    if (props.chosen !== undefined) graph?.$id(props.chosen).addClass("chosen");
  }, [graph, props.chosen, props.trace]);
  const zoom = (by: number): void => {
    if (graph === undefined) return;
    const middle = { x: graph.width() / 2, y: graph.height() / 2 };
    graph.zoom({ level: graph.zoom() * by, renderedPosition: middle });
  };
  const save = (): void => {
    if (graph === undefined || box.current === null) return;
    const { backgroundColor: bg } = getComputedStyle(box.current);
    const link = document.createElement("a");
    link.href = graph.png({ full: true, scale: 2, bg, maxWidth: 8000, maxHeight: 8000 });
    link.download = "undercroft-trace.png";
    link.click();
    tell(say("trace.saved"));
  };
  return (
    <div class="graph">
      <div
        class="graph-box"
        ref={box}
        role="img"
        aria-label={say("trace.label", { n: props.trace.nodes.length })}
      />
      <div class="graph-tools">
        <button type="button" aria-label={say("trace.closer")} onClick={() => zoom(1.3)}>
          +
        </button>
        <button type="button" aria-label={say("trace.further")} onClick={() => zoom(1 / 1.3)}>
          −
        </button>
        <button type="button" onClick={() => graph !== undefined && fitWhole(graph)}>
          {say("trace.fit")}
        </button>
        <button type="button" onClick={save}>
          {say("trace.save")}
        </button>
      </div>
    </div>
  );
}

/** All of it, but never larger than texts around it. */
function fitWhole(graph: Core): void {
  graph.fit(undefined, 30);
  if (graph.zoom() <= ZOOM_FIT_MAX) return;
  graph.zoom(ZOOM_FIT_MAX);
  graph.center();
}

// Cytoscape puts a style sheet into the page, which the page's policy refuses, unless an element
// of this id is there. What it would say stands in style/trace.css.
function keepFromStyling(): void {
  const id = "__________cytoscape_stylesheet";
  if (document.getElementById(id) !== null) return;
  const mark = document.createElement("meta");
  mark.id = id;
  document.head.append(mark);
}

function elementsOf(trace: Trace): ElementDefinition[] {
  const known = new Set(trace.nodes.map(({ id }) => id));
  return [
    ...placeNodes(trace).map(({ node, x, y }) => ({
      data: { id: node.id, label: shortLabel(node), shape: SHAPES[node.kind] ?? "ellipse" },
      ...{ position: { x, y }, classes: node.kind },
    })),
    ...trace.edges
      .filter(({ source, target }) => known.has(source) && known.has(target))
      .map((edge) => ({
        data: {
          ...{ id: edgeId(edge), source: edge.source, target: edge.target },
          label: edge.count > 1 ? `${edge.kind} ×${edge.count}` : edge.kind,
        },
        classes: edge.doubts.length > 0 ? "doubtful" : "",
      })),
  ];
}

// The end of a path tells more than its beginning.
function shortLabel({ label }: TraceNode): string {
  const text = visibleText(label, 400);
  return text.length > LABEL_MAX ? `…${text.slice(-LABEL_MAX)}` : text;
}

function styleOf(box: HTMLElement): StylesheetJson {
  const color = (name: string): string => {
    box.style.color = `var(--${name})`;
    const { color: applied } = getComputedStyle(box);
    box.style.color = "";
    return applied;
  };
  return [
    {
      selector: "node",
      style: {
        ...{ label: "data(label)", shape: "data(shape)" as "ellipse", width: 26, height: 22 },
        ...{
          "font-size": 11,
          color: color("text"),
          "text-wrap": "wrap",
          "text-max-width": "190px",
        },
        ...{ "text-valign": "bottom", "text-margin-y": 3, "text-overflow-wrap": "anywhere" },
        ...{ "background-color": color("info"), "border-width": 1, "border-color": color("line") },
      },
    },
    { selector: "node.process", style: { "background-color": color("accent") } },
    { selector: "node.file", style: { "background-color": color("low") } },
    {
      selector: "node.start",
      style: { "border-width": 4, "border-color": color("critical"), width: 34, height: 28 },
    },
    {
      selector: "edge",
      style: {
        ...{ label: "data(label)", "font-size": 10, color: color("muted"), width: 1.5 },
        ...{ "curve-style": "bezier", "target-arrow-shape": "triangle" },
        ...{ "line-color": color("edge"), "target-arrow-color": color("edge") },
        ...{ "text-background-color": color("sunken"), "text-background-opacity": 0.9 },
      },
    },
    { selector: "edge.doubtful", style: { "line-style": "dashed" } },
    { selector: ".chosen", style: { "overlay-color": color("accent"), "overlay-opacity": 0.25 } },
  ];
}
