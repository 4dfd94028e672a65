// SPDX-License-Identifier: Apache-2.0
// What a history is made of: entities and the edges between them. An edge points the way that
// cause or data went. Read by tracing, documents and whoever shows them.

/** One life of a pid: execs change its program, not its identity. */
export interface ProcessEntity {
  readonly kind: "process";
  readonly guest: string;
  readonly boot: string;
  readonly pid: number;
  readonly startNs: bigint;
}

export type Entity =
  | ProcessEntity
  | { readonly kind: "file"; readonly guest: string; readonly path: string }
  | { readonly kind: "key"; readonly guest: string; readonly key: string }
  | {
      readonly kind: "module";
      readonly guest: string;
      readonly boot: string;
      readonly name: string;
    }
  /** The other side of a socket: the same one for all guests. */
  | { readonly kind: "address"; readonly address: string; readonly port: number };

export type EdgeKind =
  | "accept"
  | "connect"
  | "delete"
  | "execute"
  | "fork"
  | "inject"
  | "load"
  | "parent"
  | "read"
  | "rename"
  | "write";

/** Why an edge is not to be taken as certain. */
export type Doubt =
  /** Told by an exec: the parent at that time, which may have adopted the process. */
  | "parent-at-exec"
  /** The program that acted is not known, because its exec was lost. */
  | "program-unknown";

export interface Edge {
  readonly kind: EdgeKind;
  readonly source: string;
  readonly target: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  /** Data may have gone both ways. */
  readonly isTwoWay: boolean;
  readonly doubts: readonly Doubt[];
}

/** Name of an entity: equal for equal entities only. */
export function entityId(entity: Entity): string {
  switch (entity.kind) {
    case "process":
      return processId(entity.guest, entity.boot, entity.pid, entity.startNs);
    case "file":
      return `file|${part(entity.guest)}|${entity.path}`;
    case "key":
      return `key|${part(entity.guest)}|${entity.key}`;
    case "module":
      return `module|${part(entity.guest)}|${part(entity.boot)}|${entity.name}`;
    case "address":
      return `address|${part(entity.address)}|${entity.port}`;
  }
}

export function processId(guest: string, boot: string, pid: number, startNs: bigint): string {
  return `process|${part(guest)}|${part(boot)}|${pid}|${startNs}`;
}

/** A part before the last must not hold what parts them. */
function part(text: string): string {
  return text.includes("|") || text.includes("%")
    ? text.replaceAll(/[|%]/g, encodeURIComponent)
    : text;
}
