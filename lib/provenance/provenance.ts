// SPDX-License-Identifier: Apache-2.0
// Face of the provenance room: who started whom, who touched what, and the way from one to the
// other. Pure, no I/O.
export {
  type Ancestor,
  type Ancestry,
  ancestorsOf,
  imageOf,
  type ProcessTree,
  type TreeQuery,
  treeOf,
} from "./ancestry.ts";
export {
  type DocumentNode,
  type DocumentProcess,
  type ProvenanceDocument,
  provenanceDocument,
  provenanceDot,
} from "./document.ts";
export {
  type Doubt,
  type Edge,
  type EdgeKind,
  type Entity,
  entityId,
  type ProcessEntity,
  processId,
} from "./entity.ts";
export { type Gap, type GraphLimits, ProvenanceGraph } from "./graph.ts";
export type { ParentBasis, ProcessLife, Program } from "./process-forest.ts";
export {
  type Cut,
  type HistorySource,
  type Trace,
  type TraceNode,
  type TraceQuery,
  traceHistory,
} from "./trace.ts";
