// SPDX-License-Identifier: Apache-2.0
// Face of the redirector room: a process beside the server that watches guests' interfaces, puts
// their packets into its region and holds rules at their taps. Opened by `undercroft redirector`.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { cpus, release } from "node:os";
import { resolve } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import type { RedirectorCommand } from "../model/model.ts";
import { boottimeNs, Mapping, NativeRingProducer, PacketEngine } from "../native/native.ts";
import {
  ACTION_BLOCK,
  ACTION_INLINE,
  ACTION_MIRROR,
  COMMAND_NAMES,
  decodeRedirectorCommand,
  RECORD_BLOCK_RULE,
  RECORD_REDIRECT_STATUS,
  RESULT_DONE,
  RESULT_MALFORMED,
  RESULT_UNSUPPORTED,
  type ReceivedCommand,
  RING_PACKET,
  type Superblock,
} from "../wire/wire.ts";
import { type CommandAnswer, RegionClient } from "./region-client.ts";
import { type ReplayOptions, Replays } from "./replay.ts";
import { Slots } from "./slots.ts";

export { type ReplayFile, type ReplayOptions, readCaptureFile } from "./replay.ts";

const TURN_MS = 20;
const TELL_MS = 1000;
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

export interface RedirectorOptions {
  /** Region file shared with the server; it may be empty yet. */
  readonly regionPath: string;
  /** Told to the server in the hello. */
  readonly version: string;
  /** Captures to replay in place of watching interfaces; then nothing can be held back. */
  readonly replay?: Pick<ReplayOptions, "files" | "isRealTime">;
  /** Receives a line for each thing that a person should know. */
  readonly log: (line: string) => void;
}

/** A redirector at work. */
export interface Redirector {
  /** Says goodbye to the server and ends watching. Rules at the taps stay until they end. */
  close(): void;
}

/**
 * Starts a redirector in this network namespace. It waits for its server, also for the next one.
 * @throws {UndercroftError} ERR_UC_REGION_OPEN, ERR_UC_REGION_SIZE, ERR_UC_REGION_OWNER,
 * ERR_UC_NATIVE_MISSING, ERR_UC_TOOL_MISSING, ERR_UC_CONFIG
 */
export function openRedirector(options: RedirectorOptions): Redirector {
  return new RunningRedirector(options);
}

class RunningRedirector implements Redirector {
  readonly #mapping: Mapping;
  readonly #client: RegionClient;
  readonly #slots: Slots | undefined;
  readonly #replays: Replays | undefined;
  #rings: NativeRingProducer[] = [];
  readonly #timer: NodeJS.Timeout;
  #engine: PacketEngine | undefined;
  #layout = "";
  #toldMs = 0;

  constructor(options: RedirectorOptions) {
    const path = resolve(options.regionPath);
    this.#mapping = Mapping.openFile(path, { bytes: fileBytes(path) });
    const name = createHash("sha256").update(path).digest("hex").slice(0, 12);
    const shared = {
      log: options.log,
      tell: (status: Record<string, number>) => this.#client.send(RECORD_REDIRECT_STATUS, status),
    };
    if (options.replay === undefined) {
      this.#slots = new Slots({ ...shared, table: `undercroft_${name}` });
    } else {
      this.#replays = new Replays({ ...shared, ...options.replay });
    }
    this.#client = new RegionClient({
      mapping: this.#mapping,
      bootId: readFileSync(BOOT_ID_FILE, "latin1").replaceAll(/[^0-9a-f]/g, ""),
      version: options.version,
      osVersion: release(),
      cpuCount: cpus().length,
      capabilities: ACTION_MIRROR | ACTION_INLINE | ACTION_BLOCK,
      log: options.log,
      hooks: {
        placed: (superblock) => this.#place(superblock),
        started: ({ sessionId, features }) => {
          this.#engine?.startSession(sessionId, features);
          for (const ring of this.#rings) ring.startSession(sessionId, features);
          this.#replays?.setRings(this.#rings);
          this.#slots?.forgetTold();
          options.log("registered with the server");
        },
        ended: () => {
          this.#engine?.endSession();
          this.#replays?.setRings([]);
          options.log("the session with the server ended");
        },
        execute: (command) => this.#execute(command),
      },
    });
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#slots?.close();
    this.#client.unregister();
    this.#client.close();
    this.#engine?.close();
    for (const ring of this.#rings) ring.close();
    this.#mapping.close();
  }

  #turn(): void {
    this.#client.turn();
    if (this.#client.isReady) this.#replays?.turn();
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    if (!this.#client.isReady || this.#client.isBehind) return;
    this.#slots?.tell();
    this.#replays?.tell();
  }

  // A server that starts again lays the region out as before, and nothing has to stop for it.
  #place(superblock: Superblock): void {
    const rings = superblock.layout.rings.filter(({ kind }) => kind === RING_PACKET);
    rings.sort((one, other) => one.lane - other.lane);
    const layout = JSON.stringify(rings);
    if (layout === this.#layout) return;
    this.#layout = layout;
    if (this.#slots === undefined) {
      for (const ring of this.#rings) ring.close();
      const { recordBytesMax } = superblock;
      this.#rings = rings.map(
        (ring) => new NativeRingProducer(this.#mapping, ring, { recordBytesMax }),
      );
      return;
    }
    const engine = new PacketEngine(this.#mapping, rings, superblock.recordBytesMax);
    this.#slots.setEngine(engine);
    this.#engine?.close();
    this.#engine = engine;
  }

  #execute(received: ReceivedCommand): CommandAnswer {
    const name = COMMAND_NAMES[received.kind];
    if (name === "ping" || name === "unregister-ack") return { result: RESULT_DONE };
    const command = decodeRedirectorCommand(received.kind, received.body, boottimeNs());
    if (command === undefined) {
      const isKnown = name?.startsWith("redirect-") || name?.startsWith("block-");
      return { result: isKnown ? RESULT_MALFORMED : RESULT_UNSUPPORTED };
    }
    const slots = this.#slots;
    if (slots === undefined) return this.#executeReplay(command);
    switch (command.kind) {
      case "redirect-start":
        return slots.start(command);
      case "redirect-stop":
        return slots.stop(command.slot);
      case "block-add":
        return slots.block(received.body);
      case "block-remove":
        return slots.unblock(command.ids);
      case "block-list": {
        const { rules } = slots;
        for (const { bytes } of rules) this.#client.send(RECORD_BLOCK_RULE, bytes);
        return { result: RESULT_DONE, value: rules.length };
      }
    }
  }

  // There is no tap at which anything could be held back.
  #executeReplay(command: RedirectorCommand): CommandAnswer {
    switch (command.kind) {
      case "redirect-start":
        return this.#replays?.start(command) ?? { result: RESULT_UNSUPPORTED };
      case "redirect-stop":
        return this.#replays?.stop(command.slot) ?? { result: RESULT_UNSUPPORTED };
      case "block-list":
        return { result: RESULT_DONE, value: 0 };
      default:
        return { result: RESULT_UNSUPPORTED };
    }
  }
}

function fileBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile()) return stat.size;
  throw new UndercroftError(
    "ERR_UC_REGION_OPEN",
    `there is no region file ${path}; start the server, which makes it, or name another`,
    { path },
  );
}
