// SPDX-License-Identifier: Apache-2.0
// Typed events as they leave the data channel: plain objects, one direction, no methods. Numbers
// are exact below 2^53; processStartNs stays a bigint because it is part of an identity.
import type { BlockRuleReport, RedirectStatus } from "./redirector.ts";

/** Who acted. Reuse of a pid never joins two processes, because all five parts are compared. */
export interface ProcessIdentity {
  readonly guest: string;
  /** Boot id of the guest, 32 hex digits. */
  readonly boot: string;
  readonly pid: number;
  /** Start on the guest's boot-time clock. */
  readonly processStartNs: bigint;
  /** Count of execs in its line of processes: a fork inherits it, each exec adds one. */
  readonly execGeneration: number;
}

/** What every event carries, whatever its kind. */
export interface EventBase extends ProcessIdentity {
  /** Global in the guest: orders events across rings. */
  readonly sequence: number;
  /** Milliseconds since 1970 on the server's clock, from the guest's boot-time clock. */
  readonly timeMs: number;
  readonly tid: number;
  readonly parentPid: number;
  readonly uid: number;
  readonly gid: number;
  readonly cgroupId: number;
  readonly mountNamespace: number;
  readonly cpu: number;
  /** Some variable field was cut. */
  readonly truncated: boolean;
}

export interface ProcessForkEvent extends EventBase {
  readonly kind: "process.fork";
  readonly childPid: number;
  readonly childStartNs: bigint;
  readonly childExecGeneration: number;
}

/** A new program in a process; `process.existing` is one found running when monitoring began. */
export interface ProcessExecEvent extends EventBase {
  readonly kind: "process.exec" | "process.existing";
  readonly path: string;
  readonly requestedPath: string;
  readonly arguments: readonly string[];
  readonly argumentCount: number;
  readonly argumentBytes: number;
  readonly workingDirectory: string;
  readonly cgroup: string;
  readonly commandName: string;
  /** Windows: the user's security identifier, or the name where it is known; else empty. */
  readonly user: string;
  readonly effectiveUid: number;
  readonly inode: number;
  readonly device: number;
  readonly mode: number;
  readonly parentStartNs: bigint;
  readonly parentExecGeneration: number;
  /** The file system is one that open and exec verdicts do not cover (memfd and the like). */
  readonly uncovered: boolean;
}

export interface ProcessExitEvent extends EventBase {
  readonly kind: "process.exit";
  readonly exitCode: number;
  readonly signal: number;
}

export interface ProcessHashEvent extends EventBase {
  readonly kind: "process.hash";
  readonly path: string;
  /** Sequence of the exec that this digest belongs to. */
  readonly execSequence: number;
  readonly inode: number;
  readonly device: number;
  readonly sizeBytes: number;
  readonly result: "ok" | "too-big" | "read-error" | "queue-full" | "unknown";
  /** 64 hex digits; empty unless result is ok. */
  readonly sha256: string;
}

export interface ImageLoadEvent extends EventBase {
  readonly kind: "image.load";
  readonly path: string;
  readonly inode: number;
  readonly device: number;
  readonly address: bigint;
  readonly sizeBytes: number;
}

export interface RemoteThreadEvent extends EventBase {
  readonly kind: "thread.remote";
  readonly targetPid: number;
  readonly targetTid: number;
  readonly targetStartNs: bigint;
  readonly startAddress: bigint;
}

export type FileEventKind =
  | "file.create"
  | "file.open"
  | "file.close"
  | "file.write"
  | "file.attributes"
  | "file.rename"
  | "file.delete";

export interface FileEvent extends EventBase {
  readonly kind: FileEventKind;
  readonly path: string;
  /** Path before; only for a rename, else empty. */
  readonly oldPath: string;
  readonly inode: number;
  readonly device: number;
  readonly sizeBytes: number;
  readonly mode: number;
  /** The descriptor had been written through. */
  readonly written: boolean;
  readonly directory: boolean;
  readonly forExecution: boolean;
}

export type RegistryEventKind =
  | "key.create"
  | "key.open"
  | "key.close"
  | "key.read"
  | "key.rename"
  | "key.delete"
  | "value.set"
  | "value.delete";

export interface RegistryEvent extends EventBase {
  readonly kind: RegistryEventKind;
  readonly key: string;
  /** Value name, or the new key name of a rename. */
  readonly name: string;
  readonly valueType: number;
  readonly dataBytes: number;
  /** First bytes of the data, lower-case hex. */
  readonly data: string;
  readonly status: number;
}

/** The driver refused something because of a rule. */
export interface VerdictEvent extends EventBase {
  readonly kind: "verdict";
  readonly path: string;
  readonly ruleId: number;
  readonly operation: "open" | "exec" | "unknown";
  readonly verdict: "allow" | "deny" | "kill" | "unknown";
  readonly inode: number;
  readonly device: number;
}

export interface ModuleEvent extends EventBase {
  readonly kind: "module.load" | "module.unload";
  readonly name: string;
  readonly sizeBytes: number;
  readonly taints: number;
}

export type SocketEventKind =
  | "socket.connect"
  | "socket.accept"
  | "socket.bind"
  | "socket.listen"
  | "socket.send"
  | "socket.raw";

/** Addresses and ports of a socket, as the acting process sees them. */
export interface SocketAddresses {
  /** Never reused in one boot; 0n when unknown. */
  readonly socketCookie: bigint;
  /** 4, 6, or 0 where there are no addresses. */
  readonly family: number;
  /** IP protocol number. */
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly networkNamespace: number;
}

/** A process used the network; `socket.send` is a first datagram to a peer. */
export interface SocketEvent extends EventBase, SocketAddresses {
  readonly kind: SocketEventKind;
  /** Positive errno of the call, 0 when it succeeded. */
  readonly result: number;
}

/** A process sent a DNS question. */
export interface DnsQueryEvent extends EventBase, SocketAddresses {
  readonly kind: "dns.query";
  readonly query: string;
  readonly queryType: number;
  readonly transactionId: number;
}

/** What a guest did or had happen, seen by a sensor of its driver. */
export type GuestEvent =
  | ProcessForkEvent
  | ProcessExecEvent
  | ProcessExitEvent
  | ProcessHashEvent
  | ImageLoadEvent
  | RemoteThreadEvent
  | FileEvent
  | RegistryEvent
  | SocketEvent
  | DnsQueryEvent
  | VerdictEvent
  | ModuleEvent;

export type GuestEventKind = GuestEvent["kind"];

/** Records that talk about the channel itself; they never reach detection. */
export type ControlRecord =
  | {
      readonly kind: "command.result";
      readonly sequence: number;
      readonly commandId: bigint;
      readonly commandKind: number;
      readonly result: number;
      readonly detail: number;
      readonly value: number;
    }
  | { readonly kind: "unregister"; readonly sequence: number; readonly reason: number }
  | {
      readonly kind: "clock";
      readonly sequence: number;
      readonly boottimeNs: bigint;
      readonly realtimeNs: bigint;
    }
  /** Windows: where a volume is mounted, for the paths below it. */
  | {
      readonly kind: "volume";
      readonly sequence: number;
      /** `\\Device\\HarddiskVolume3`. */
      readonly device: string;
      /** `C:`, or empty where it has none. */
      readonly mountPoint: string;
      readonly isGone: boolean;
    }
  | RedirectStatus
  | BlockRuleReport;

export type RecordClass =
  | "process"
  | "file"
  | "registry"
  | "socket"
  | "verdict"
  | "control"
  | "module"
  | "packet"
  | "unknown";

export type LossReason =
  | "full"
  | "too-big"
  | "rate-limited"
  | "encode-error"
  | "not-ready"
  | "reentry"
  | "shutdown"
  | "unknown"
  /** Named by the server: records that were in a ring which had to be given up. */
  | "quarantine"
  | "undecodable"
  | "unnamed"
  /** Named by the event store: its disk took no more. */
  | "not-stored";

/** Records that are known to be missing: a row of the timeline like any event. */
export interface Loss {
  readonly kind: "loss";
  readonly guest: string;
  readonly boot: string;
  /** Place of the ring in the directory. */
  readonly ring: number;
  readonly recordClass: RecordClass;
  readonly reason: LossReason;
  readonly count: number;
  /** The missing global sequences lie within these two, which may be 0 when unknown. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}
