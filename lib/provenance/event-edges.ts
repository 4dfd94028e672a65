// SPDX-License-Identifier: Apache-2.0
// Which edges an event stands for. Forks and execs also make the tree of processes, which
// process-forest.ts keeps. Called by the graph.
import type { StoredEvent } from "../model/model.ts";
import type { EdgeKind, Entity } from "./entity.ts";

/** What the acting process did to a thing. */
export interface Deed {
  readonly kind: EdgeKind;
  readonly thing: Entity;
  /** True: from the thing to the process. */
  readonly isInward: boolean;
  readonly isTwoWay: boolean;
}

/** An edge between two things, without the process: a rename's. */
export interface Passage {
  readonly kind: EdgeKind;
  readonly source: Entity;
  readonly target: Entity;
}

const NONE: readonly Deed[] = [];

/** What the process of an event did, tree of processes aside. */
export function deedsOf(event: StoredEvent): readonly Deed[] {
  switch (event.kind) {
    case "process.exec":
    case "process.existing":
      return event.path === "" ? NONE : [inward("execute", fileOf(event.guest, event.path))];
    case "image.load":
      return [inward("load", fileOf(event.guest, event.path))];
    case "thread.remote": {
      const { guest, boot, targetPid: pid, targetStartNs: startNs } = event;
      return [outward("inject", { kind: "process", guest, boot, pid, startNs })];
    }
    case "module.load":
    case "module.unload": {
      const { guest, boot, name } = event;
      return [outward("load", { kind: "module", guest, boot, name })];
    }
    case "socket.connect":
    case "socket.send":
    case "socket.accept":
    case "dns.query":
      return addressDeeds(event.kind === "socket.accept", event.remoteAddress, event.remotePort);
    case "flow.open":
    case "flow.close":
      return event.outbound
        ? addressDeeds(false, event.destinationAddress, event.destinationPort)
        : addressDeeds(true, event.sourceAddress, 0);
    default:
      return objectDeeds(event);
  }
}

function objectDeeds(event: StoredEvent): readonly Deed[] {
  switch (event.kind) {
    case "file.open":
      return [inward("read", fileOf(event.guest, event.path))];
    case "file.close":
      return event.written ? [outward("write", fileOf(event.guest, event.path))] : NONE;
    case "file.create":
    case "file.write":
    case "file.attributes":
    case "file.rename":
      return [outward("write", fileOf(event.guest, event.path))];
    case "file.delete":
      return [outward("delete", fileOf(event.guest, event.path))];
    case "key.read":
    case "key.open":
      return [inward("read", keyOf(event.guest, event.key))];
    case "key.create":
    case "key.rename":
    case "value.set":
      return [outward("write", keyOf(event.guest, event.key))];
    case "key.delete":
    case "value.delete":
      return [outward("delete", keyOf(event.guest, event.key))];
    default:
      return NONE;
  }
}

/** What went from one thing to another by an event. */
export function passageOf(event: StoredEvent): Passage | undefined {
  if (event.kind !== "file.rename" || event.oldPath === "") return undefined;
  const { guest, oldPath, path } = event;
  return { kind: "rename", source: fileOf(guest, oldPath), target: fileOf(guest, path) };
}

function addressDeeds(isAccept: boolean, address: string, port: number): readonly Deed[] {
  if (address === "") return NONE;
  // Who came in has a port of the moment only.
  const thing: Entity = { kind: "address", address, port: isAccept ? 0 : port };
  return isAccept
    ? [{ kind: "accept", thing, isInward: true, isTwoWay: true }]
    : [{ kind: "connect", thing, isInward: false, isTwoWay: true }];
}

function fileOf(guest: string, path: string): Entity {
  return { kind: "file", guest, path };
}

function keyOf(guest: string, key: string): Entity {
  return { kind: "key", guest, key };
}

function inward(kind: EdgeKind, thing: Entity): Deed {
  return { kind, thing, isInward: true, isTwoWay: false };
}

function outward(kind: EdgeKind, thing: Entity): Deed {
  return { kind, thing, isInward: false, isTwoWay: false };
}
