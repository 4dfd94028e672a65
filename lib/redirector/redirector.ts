// SPDX-License-Identifier: Apache-2.0
// Face of the redirector room: a process beside the server that watches guests' interfaces, puts
// their packets into its region and holds rules at their taps. Opened by `undercroft redirector`.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { cpus, release } from "node:os";
import { resolve } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { boottimeNs, Mapping, PacketEngine } from "../native/native.ts";
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
import { Slots } from "./slots.ts";

const TURN_MS = 20;
const TELL_MS = 1000;
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

export interface RedirectorOptions {
  /** Region file shared with the server; it may be empty yet. */
  readonly regionPath: string;
  /** Told to the server in the hello. */
  readonly version: string;
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
 * ERR_UC_NATIVE_MISSING
 */
export function openRedirector(options: RedirectorOptions): Redirector {
  return new RunningRedirector(options);
}

class RunningRedirector implements Redirector {
  readonly #mapping: Mapping;
  readonly #client: RegionClient;
  readonly #slots: Slots;
  readonly #timer: NodeJS.Timeout;
  #engine: PacketEngine | undefined;
  #layout = "";
  #toldMs = 0;

  constructor(options: RedirectorOptions) {
    const path = resolve(options.regionPath);
    this.#mapping = Mapping.openFile(path, { bytes: fileBytes(path) });
    const name = createHash("sha256").update(path).digest("hex").slice(0, 12);
    this.#slots = new Slots({
      table: `undercroft_${name}`,
      log: options.log,
      tell: (status) => this.#client.send(RECORD_REDIRECT_STATUS, status),
    });
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
          this.#slots.forgetTold();
          options.log("registered with the server");
        },
        ended: () => {
          this.#engine?.endSession();
          options.log("the session with the server ended");
        },
        execute: (command) => this.#execute(command),
      },
    });
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#slots.close();
    this.#client.unregister();
    this.#client.close();
    this.#engine?.close();
    this.#mapping.close();
  }

  #turn(): void {
    this.#client.turn();
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    if (this.#client.isReady && !this.#client.isBehind) this.#slots.tell();
  }

  // A server that starts again lays the region out as before, and nothing has to stop for it.
  #place(superblock: Superblock): void {
    const rings = superblock.layout.rings.filter(({ kind }) => kind === RING_PACKET);
    rings.sort((one, other) => one.lane - other.lane);
    const layout = JSON.stringify(rings);
    if (layout === this.#layout) return;
    this.#layout = layout;
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
    switch (command.kind) {
      case "redirect-start":
        return this.#slots.start(command);
      case "redirect-stop":
        return this.#slots.stop(command.slot);
      case "block-add":
        return this.#slots.block(received.body);
      case "block-remove":
        return this.#slots.unblock(command.ids);
      case "block-list": {
        const { rules } = this.#slots;
        for (const { bytes } of rules) this.#client.send(RECORD_BLOCK_RULE, bytes);
        return { result: RESULT_DONE, value: rules.length };
      }
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
