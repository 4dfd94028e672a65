// SPDX-License-Identifier: Apache-2.0
// A trace for others: as a JSON document (docs/provenance.md) and as a DOT graph for Graphviz.
import { type Doubt, type Edge, type Entity, entityId } from "./entity.ts";
import type { Gap, ProvenanceGraph } from "./graph.ts";
import { type ProcessLife, programAt } from "./process-forest.ts";
import type { Cut, Trace } from "./trace.ts";

const LABEL_MAX = 200;

/** What docs/provenance.md describes; bigints are decimal texts. */
export interface ProvenanceDocument {
  readonly format: "undercroft-provenance/1";
  readonly start: string;
  readonly direction: "backward" | "forward";
  readonly timeMs: number;
  readonly spanMs: number;
  readonly nodes: readonly DocumentNode[];
  readonly edges: readonly Edge[];
  readonly cuts: readonly Cut[];
  readonly gaps: readonly Gap[];
}

export interface DocumentNode {
  readonly id: string;
  readonly kind: Entity["kind"];
  readonly label: string;
  readonly depth: number;
  readonly process?: DocumentProcess;
}

export interface DocumentProcess {
  readonly guest: string;
  readonly boot: string;
  readonly pid: number;
  readonly startNs: string;
  readonly firstMs: number;
  readonly exitMs?: number;
  readonly image: string;
  readonly commandLine: string;
  readonly user: string;
  readonly sha256: string;
  /** No parent is known. */
  readonly isOrphan: boolean;
  readonly doubts: readonly Doubt[];
}

/** Makes the document of a trace. */
export function provenanceDocument(trace: Trace, graph: ProvenanceGraph): ProvenanceDocument {
  const { start, direction, timeMs, spanMs } = trace.query;
  const nodes = trace.nodes.map(({ id, entity, depth }): DocumentNode => {
    const life = graph.process(id);
    const base = { id, kind: entity.kind, label: labelOf(entity, life), depth };
    return life === undefined ? base : { ...base, process: processOf(life) };
  });
  const { edges, cuts, gaps } = trace;
  const format = "undercroft-provenance/1";
  return { format, start: entityId(start), direction, timeMs, spanMs, nodes, edges, cuts, gaps };
}

function processOf(life: ProcessLife): DocumentProcess {
  const { guest, boot, pid, startNs, firstMs, exitMs, parent, parentBasis } = life;
  const program = programAt(life);
  const doubts: Doubt[] = parentBasis === "exec" ? ["parent-at-exec"] : [];
  if (program === undefined) doubts.push("program-unknown");
  return {
    guest,
    boot,
    pid,
    startNs: String(startNs),
    firstMs,
    ...(exitMs === undefined ? {} : { exitMs }),
    image: program?.image ?? "",
    commandLine: program?.commandLine ?? "",
    user: program?.user ?? "",
    sha256: program?.sha256 ?? "",
    isOrphan: parent === undefined,
    doubts,
  };
}

function labelOf(entity: Entity, life: ProcessLife | undefined): string {
  switch (entity.kind) {
    case "process": {
      const image = life === undefined ? "" : (programAt(life)?.image ?? "");
      return `${image === "" ? "?" : image} [${entity.pid}]`.slice(0, LABEL_MAX);
    }
    case "file":
      return entity.path.slice(0, LABEL_MAX);
    case "key":
      return entity.key.slice(0, LABEL_MAX);
    case "module":
      return entity.name.slice(0, LABEL_MAX);
    case "address": {
      const { address, port } = entity;
      if (port === 0) return address;
      return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    }
  }
}

const SHAPES: Readonly<Record<Entity["kind"], string>> = {
  address: "diamond",
  file: "note",
  key: "folder",
  module: "component",
  process: "box",
};

/** The document as a DOT graph: what is in doubt is dashed, where it was cut is said. */
export function provenanceDot(document: ProvenanceDocument): string {
  const places = new Map(document.nodes.map(({ id }, at) => [id, `n${at}`]));
  const cut = new Map(document.cuts.map((one) => [one.entity, one.reason]));
  const nodes = document.nodes.map(({ id, kind, label, process }) => {
    const reason = cut.get(id);
    const text = reason === undefined ? label : `${label}\ncut: ${reason}`;
    const style = (process?.doubts.length ?? 0) > 0 ? ", style=dashed" : "";
    return `  ${places.get(id)} [shape=${SHAPES[kind]}, label=${dotText(text)}${style}];`;
  });
  const edges = document.edges.map(({ kind, source, target, doubts, isTwoWay, count }) => {
    const label = dotText(count > 1 ? `${kind} x${count}` : kind);
    const style = doubts.length > 0 ? ", style=dashed" : "";
    const ends = isTwoWay ? ", dir=both" : "";
    return `  ${places.get(source)} -> ${places.get(target)} [label=${label}${style}${ends}];`;
  });
  return ["digraph provenance {", "  rankdir=LR;", ...nodes, ...edges, "}", ""].join("\n");
}

// TRUST: guests choose paths; a text must not end its quotes.
function dotText(text: string): string {
  // Control characters say nothing in a picture.
  const clean = text.replaceAll(/[^\P{Cc}\n]/gu, "?");
  return `"${clean.replaceAll(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
