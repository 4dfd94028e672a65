// SPDX-License-Identifier: Apache-2.0
// Records to typed events. Input is the private copy that a drain made; every length is checked
// against the record again, so a lying field costs its record and nothing else.
import type {
  ControlRecord,
  EventBase,
  FileEvent,
  FileEventKind,
  GuestEvent,
  Loss,
  LossReason,
  ProcessExecEvent,
  ProcessHashEvent,
  RecordClass,
  RegistryEvent,
  RegistryEventKind,
  VerdictEvent,
} from "../model/model.ts";
import * as w from "./layout.gen.ts";
import { bodyLayoutOf } from "./record-body.ts";
import {
  decodeBlockRuleReport,
  decodeRedirectStatus,
  decodeSocket,
  SOCKET_KINDS,
} from "./socket-decode.ts";
import { decodeText, toHex } from "./text.ts";

/** What the server knows of the guest that delivered a record. TRUST: never from the record. */
export interface DecodeContext {
  readonly guest: string;
  readonly boot: string;
  /** Server wall clock in ms minus guest boot-time clock in ms, from the session's clock pair. */
  readonly clockOffsetMs: number;
}

export type Decoded = GuestEvent | ControlRecord;

const HEADER = w.EVENT_HEADER_LAYOUT;
const FIELD = w.FIELD_LAYOUT;
const BODY = HEADER.size;

const FILE_KINDS: Readonly<Record<number, FileEventKind>> = {
  [w.RECORD_FILE_CREATE]: "file.create",
  [w.RECORD_FILE_OPEN]: "file.open",
  [w.RECORD_FILE_CLOSE]: "file.close",
  [w.RECORD_FILE_WRITE]: "file.write",
  [w.RECORD_FILE_ATTRIBUTES]: "file.attributes",
  [w.RECORD_FILE_RENAME]: "file.rename",
  [w.RECORD_FILE_DELETE]: "file.delete",
};
const REGISTRY_KINDS: Readonly<Record<number, RegistryEventKind>> = {
  [w.RECORD_KEY_CREATE]: "key.create",
  [w.RECORD_KEY_OPEN]: "key.open",
  [w.RECORD_KEY_CLOSE]: "key.close",
  [w.RECORD_KEY_READ]: "key.read",
  [w.RECORD_KEY_RENAME]: "key.rename",
  [w.RECORD_KEY_DELETE]: "key.delete",
  [w.RECORD_VALUE_SET]: "value.set",
  [w.RECORD_VALUE_DELETE]: "value.delete",
};
const HASH_RESULTS: ReadonlyArray<ProcessHashEvent["result"]> = [
  "unknown",
  "ok",
  "too-big",
  "read-error",
  "queue-full",
];
const VERDICTS: ReadonlyArray<VerdictEvent["verdict"]> = ["unknown", "allow", "deny", "kill"];
const CLASSES: readonly RecordClass[] = [
  "unknown",
  "process",
  "file",
  "registry",
  "socket",
  "verdict",
  "control",
  "module",
  "packet",
];
const LOSSES: readonly LossReason[] = [
  "full",
  "too-big",
  "rate-limited",
  "encode-error",
  "not-ready",
  "reentry",
  "shutdown",
];

/** Name of the class that a record kind belongs to. */
export function recordClass(type: number): RecordClass {
  return CLASSES[type >> 8] ?? "unknown";
}

/**
 * Decodes records of one guest, one at a time, out of a drained batch. Keeps its views between
 * calls, so that the only allocations are the event and its strings.
 */
export class RecordDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  // Field table of the record at hand: position and length by field type, -1 when absent.
  readonly #fieldAt = new Int32Array(16);
  readonly #fieldLength = new Int32Array(16);
  #truncated = false;

  /** Points the decoder at a batch. */
  use(batch: Uint8Array): void {
    if (batch === this.#bytes) return;
    this.#bytes = batch;
    this.#view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  }

  /** Decodes one record, or returns undefined when it is unknown or contradicts itself. */
  decode(
    context: DecodeContext,
    type: number,
    flags: number,
    offset: number,
    length: number,
  ): Decoded | undefined {
    if (length < BODY) return undefined;
    const bodyBytes = bodyLayoutOf(type)?.size;
    if (bodyBytes === undefined || length < BODY + bodyBytes) return undefined;
    if (!this.#readFields(offset + BODY + bodyBytes, offset + length)) return undefined;
    this.#truncated ||= (flags & w.FRAME_TRUNCATED) !== 0;
    const body = offset + BODY;
    if (type >> 8 === w.CLASS_CONTROL || type >> 8 === w.CLASS_PACKET) {
      return this.#control(type, offset, body);
    }
    const base = this.#base(context, offset);
    const fileKind = FILE_KINDS[type];
    if (fileKind !== undefined) return this.#file(fileKind, base, body);
    if (type >> 8 === w.CLASS_SOCKET) return this.#socket(type, base, body);
    const registryKind = REGISTRY_KINDS[type];
    if (registryKind !== undefined) return this.#registry(registryKind, base, body);
    return this.#process(type, base, body);
  }

  /** Decodes a LOST frame's payload. */
  decodeLost(
    context: DecodeContext,
    ring: number,
    offset: number,
    length: number,
  ): Loss | undefined {
    if (length < w.LOST_LAYOUT.size) return undefined;
    const view = this.#view;
    return {
      kind: "loss",
      guest: context.guest,
      boot: context.boot,
      ring,
      recordClass: CLASSES[view.getUint32(offset + w.LOST_LAYOUT.recordClass, true)] ?? "unknown",
      reason: LOSSES[view.getUint32(offset + w.LOST_LAYOUT.reason, true)] ?? "unknown",
      count: this.#u53(offset + w.LOST_LAYOUT.count),
      firstSequence: this.#u53(offset + w.LOST_LAYOUT.firstSequence),
      lastSequence: this.#u53(offset + w.LOST_LAYOUT.lastSequence),
    };
  }

  /** Global sequence of a record that has an event header. */
  sequenceAt(offset: number): number {
    return this.#u53(offset + HEADER.sequence);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  // Exact below 2^53 and without a bigint allocation.
  #u53(at: number): number {
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  #readFields(start: number, end: number): boolean {
    this.#fieldAt.fill(-1);
    this.#truncated = false;
    let at = start;
    while (at < end) {
      if (end - at < FIELD.size) return false;
      const type = this.#view.getUint16(at + FIELD.type, true);
      const flags = this.#view.getUint16(at + FIELD.flags, true);
      const length = this.#u32(at + FIELD.length);
      if (length > end - at - FIELD.size) return false;
      if (type < this.#fieldAt.length) {
        if (this.#fieldAt[type] !== -1) return false;
        this.#fieldAt[type] = at + FIELD.size;
        this.#fieldLength[type] = length;
      }
      if ((flags & w.FIELD_FLAG_TRUNCATED) !== 0) this.#truncated = true;
      at += FIELD.size + ((length + w.FIELD_ALIGN - 1) & ~(w.FIELD_ALIGN - 1));
    }
    return at === end;
  }

  #text(type: number): string {
    const at = this.#fieldAt[type] ?? -1;
    return at < 0 ? "" : decodeText(this.#bytes, at, this.#fieldLength[type] ?? 0);
  }

  #base(context: DecodeContext, at: number): EventBase {
    return {
      guest: context.guest,
      boot: context.boot,
      sequence: this.#u53(at + HEADER.sequence),
      timeMs: context.clockOffsetMs + this.#u53(at + HEADER.boottimeNs) / 1e6,
      pid: this.#u32(at + HEADER.pid),
      processStartNs: this.#view.getBigUint64(at + HEADER.processStartNs, true),
      execGeneration: this.#u32(at + HEADER.execGeneration),
      tid: this.#u32(at + HEADER.tid),
      parentPid: this.#u32(at + HEADER.parentPid),
      uid: this.#u32(at + HEADER.uid),
      gid: this.#u32(at + HEADER.gid),
      cgroupId: this.#u53(at + HEADER.cgroupId),
      mountNamespace: this.#u32(at + HEADER.mountNamespace),
      cpu: this.#u32(at + HEADER.cpu),
      truncated: this.#truncated,
    };
  }

  #file(kind: FileEventKind, base: EventBase, body: number): FileEvent {
    const layout = w.FILE_EVENT_LAYOUT;
    const flags = this.#u32(body + layout.flags);
    return {
      kind,
      ...base,
      path: this.#text(w.FIELD_PATH),
      oldPath: this.#text(w.FIELD_OLD_PATH),
      inode: this.#u53(body + layout.inode),
      device: this.#u53(body + layout.device),
      sizeBytes: this.#u53(body + layout.sizeBytes),
      mode: this.#u32(body + layout.mode),
      written: (flags & w.FILE_WRITTEN) !== 0,
      directory: (flags & w.FILE_DIRECTORY) !== 0,
      forExecution: (flags & w.FILE_EXECUTE) !== 0,
    };
  }

  #socket(type: number, base: EventBase, body: number): GuestEvent | undefined {
    const addresses = decodeSocket(this.#bytes, this.#view, body);
    const layout = w.SOCKET_EVENT_LAYOUT;
    const kind = SOCKET_KINDS[type];
    if (kind !== undefined) {
      return { kind, ...base, ...addresses, result: this.#u32(body + layout.result) };
    }
    return {
      kind: "dns.query",
      ...base,
      ...addresses,
      query: this.#text(w.FIELD_NAME),
      queryType: this.#view.getUint16(body + layout.queryType, true),
      transactionId: this.#view.getUint16(body + layout.transactionId, true),
    };
  }

  #registry(kind: RegistryEventKind, base: EventBase, body: number): RegistryEvent {
    const layout = w.REGISTRY_EVENT_LAYOUT;
    const at = this.#fieldAt[w.FIELD_DATA] ?? -1;
    return {
      kind,
      ...base,
      key: this.#text(w.FIELD_KEY),
      name: this.#text(w.FIELD_NAME),
      valueType: this.#u32(body + layout.valueType),
      dataBytes: this.#u32(body + layout.dataBytes),
      data: at < 0 ? "" : toHex(this.#bytes, at, this.#fieldLength[w.FIELD_DATA] ?? 0),
      status: this.#u32(body + layout.status),
    };
  }

  #process(type: number, base: EventBase, body: number): GuestEvent | undefined {
    switch (type) {
      case w.RECORD_PROCESS_FORK:
        return {
          kind: "process.fork",
          ...base,
          childStartNs: this.#view.getBigUint64(body + w.PROCESS_FORK_LAYOUT.childStartNs, true),
          childPid: this.#u32(body + w.PROCESS_FORK_LAYOUT.childPid),
          childExecGeneration: this.#u32(body + w.PROCESS_FORK_LAYOUT.childExecGeneration),
        };
      case w.RECORD_PROCESS_EXEC:
        return this.#exec("process.exec", base, body);
      case w.RECORD_PROCESS_EXISTING:
        return this.#exec("process.existing", base, body);
      case w.RECORD_PROCESS_EXIT:
        return {
          kind: "process.exit",
          ...base,
          exitCode: this.#u32(body + w.PROCESS_EXIT_LAYOUT.exitCode),
          signal: this.#u32(body + w.PROCESS_EXIT_LAYOUT.signal),
        };
      case w.RECORD_PROCESS_HASH:
        return this.#hash(base, body);
      case w.RECORD_IMAGE_LOAD:
        return {
          kind: "image.load",
          ...base,
          path: this.#text(w.FIELD_PATH),
          inode: this.#u53(body + w.IMAGE_LOAD_LAYOUT.inode),
          device: this.#u53(body + w.IMAGE_LOAD_LAYOUT.device),
          address: this.#view.getBigUint64(body + w.IMAGE_LOAD_LAYOUT.address, true),
          sizeBytes: this.#u53(body + w.IMAGE_LOAD_LAYOUT.sizeBytes),
        };
      case w.RECORD_REMOTE_THREAD:
        return {
          kind: "thread.remote",
          ...base,
          targetStartNs: this.#view.getBigUint64(body + w.REMOTE_THREAD_LAYOUT.targetStartNs, true),
          startAddress: this.#view.getBigUint64(body + w.REMOTE_THREAD_LAYOUT.startAddress, true),
          targetPid: this.#u32(body + w.REMOTE_THREAD_LAYOUT.targetPid),
          targetTid: this.#u32(body + w.REMOTE_THREAD_LAYOUT.targetTid),
        };
      case w.RECORD_VERDICT:
        return this.#verdict(base, body);
      case w.RECORD_MODULE_LOAD:
      case w.RECORD_MODULE_UNLOAD:
        return {
          kind: type === w.RECORD_MODULE_LOAD ? "module.load" : "module.unload",
          ...base,
          name: this.#text(w.FIELD_NAME),
          sizeBytes: this.#u53(body + w.MODULE_EVENT_LAYOUT.sizeBytes),
          taints: this.#u32(body + w.MODULE_EVENT_LAYOUT.taints),
        };
      default:
        return undefined;
    }
  }

  #exec(kind: ProcessExecEvent["kind"], base: EventBase, body: number): ProcessExecEvent {
    const layout = w.PROCESS_EXEC_LAYOUT;
    const joined = this.#text(w.FIELD_ARGUMENTS);
    return {
      kind,
      ...base,
      path: this.#text(w.FIELD_PATH),
      requestedPath: this.#text(w.FIELD_REQUESTED_PATH),
      arguments: splitArguments(joined),
      argumentCount: this.#u32(body + layout.argumentCount),
      argumentBytes: this.#u32(body + layout.argumentBytes),
      workingDirectory: this.#text(w.FIELD_WORKING_DIRECTORY),
      cgroup: this.#text(w.FIELD_CGROUP),
      commandName: this.#text(w.FIELD_COMMAND_NAME),
      user: this.#text(w.FIELD_USER),
      effectiveUid: this.#u32(body + layout.effectiveUid),
      inode: this.#u53(body + layout.inode),
      device: this.#u53(body + layout.device),
      mode: this.#u32(body + layout.mode),
      parentStartNs: this.#view.getBigUint64(body + layout.parentStartNs, true),
      parentExecGeneration: this.#u32(body + layout.parentExecGeneration),
      uncovered: (this.#u32(body + layout.flags) & w.EXEC_UNCOVERED) !== 0,
    };
  }

  #hash(base: EventBase, body: number): ProcessHashEvent {
    const layout = w.PROCESS_HASH_LAYOUT;
    const result = HASH_RESULTS[this.#u32(body + layout.result)] ?? "unknown";
    return {
      kind: "process.hash",
      ...base,
      path: this.#text(w.FIELD_PATH),
      execSequence: this.#u53(body + layout.execSequence),
      inode: this.#u53(body + layout.inode),
      device: this.#u53(body + layout.device),
      sizeBytes: this.#u53(body + layout.sizeBytes),
      result,
      sha256: result === "ok" ? toHex(this.#bytes, body + layout.sha256, 32) : "",
    };
  }

  #verdict(base: EventBase, body: number): VerdictEvent {
    const layout = w.VERDICT_LAYOUT;
    const operation = this.#u32(body + layout.operation);
    return {
      kind: "verdict",
      ...base,
      path: this.#text(w.FIELD_PATH),
      ruleId: this.#u53(body + layout.ruleId),
      operation:
        operation === w.OPERATION_OPEN
          ? "open"
          : operation === w.OPERATION_EXEC
            ? "exec"
            : "unknown",
      verdict: VERDICTS[this.#u32(body + layout.verdict)] ?? "unknown",
      inode: this.#u53(body + layout.inode),
      device: this.#u53(body + layout.device),
    };
  }

  #control(type: number, offset: number, body: number): ControlRecord | undefined {
    const sequence = this.#u53(offset + HEADER.sequence);
    switch (type) {
      case w.RECORD_COMMAND_RESULT:
        return {
          kind: "command.result",
          sequence,
          commandId: this.#view.getBigUint64(body + w.COMMAND_RESULT_LAYOUT.commandId, true),
          commandKind: this.#u32(body + w.COMMAND_RESULT_LAYOUT.kind),
          result: this.#u32(body + w.COMMAND_RESULT_LAYOUT.result),
          detail: this.#u32(body + w.COMMAND_RESULT_LAYOUT.detail),
          value: this.#u53(body + w.COMMAND_RESULT_LAYOUT.value),
        };
      case w.RECORD_UNREGISTER:
        return {
          kind: "unregister",
          sequence,
          reason: this.#u32(body + w.UNREGISTER_LAYOUT.reason),
        };
      case w.RECORD_CLOCK:
        return {
          kind: "clock",
          sequence,
          boottimeNs: this.#view.getBigUint64(body + w.CLOCK_LAYOUT.boottimeNs, true),
          realtimeNs: this.#view.getBigUint64(body + w.CLOCK_LAYOUT.realtimeNs, true),
        };
      case w.RECORD_VOLUME:
        return {
          kind: "volume",
          sequence,
          device: this.#text(w.FIELD_PATH),
          mountPoint: this.#text(w.FIELD_NAME),
          isGone: this.#u32(body + w.VOLUME_LAYOUT.state) === w.VOLUME_GONE,
        };
      case w.RECORD_REDIRECT_STATUS:
        return decodeRedirectStatus(this.#view, body, sequence);
      case w.RECORD_BLOCK_RULE: {
        const nowNs = this.#view.getBigUint64(offset + HEADER.boottimeNs, true);
        return decodeBlockRuleReport(this.#bytes, body, sequence, nowNs);
      }
      default:
        return undefined;
    }
  }
}

function splitArguments(joined: string): readonly string[] {
  if (joined === "") return [];
  return (joined.endsWith("\0") ? joined.slice(0, -1) : joined).split("\0");
}
