// SPDX-License-Identifier: Apache-2.0
// A simulated guest's command thread: reads the command ring, runs each id once and remembers the
// result for repeats. Part of simulated-guest.ts.
import { RECORD_STRIDE, type RingConsumer } from "../../lib/model/model.ts";
import type { MemoryRegion } from "../../lib/transport/transport.ts";
import {
  decodeCommandPayload,
  RESULT_EXPIRED,
  type ReceivedCommand,
  type RegionLayout,
  RING_COMMAND,
} from "../../lib/wire/wire.ts";

const WINDOW = 64;
/** A table of deny rules comes in records as large as the server makes them. */
const RECORD_BYTES_MAX = 32 * 1024;
const LIMITS = { batchBytes: 64 * 1024, recordsMax: 16 };

/** What the guest does about a command. */
export interface CommandActions {
  execute(command: ReceivedCommand): number;
  answer(command: ReceivedCommand, result: number): void;
}

/** Reads commands of one guest. */
export class CommandRunner {
  readonly #isForgetful: boolean;
  #reader: RingConsumer | undefined;
  #window: Array<{ readonly id: bigint; readonly result: number }> = [];

  /** isForgetful: runs repeats too, for the canary. */
  constructor(isForgetful: boolean) {
    this.#isForgetful = isForgetful;
  }

  /** The command answered last. */
  get lastId(): bigint | undefined {
    return this.#window.at(-1)?.id;
  }

  /** A driver begins, and knows nothing of the one before. */
  attach(): void {
    this.#window = [];
  }

  place(region: MemoryRegion, layout: RegionLayout): void {
    const placed = layout.rings.find(({ kind }) => kind === RING_COMMAND);
    if (placed === undefined) throw new RangeError("the directory has no command ring");
    this.#reader ??= region.openConsumer(placed, RECORD_BYTES_MAX, LIMITS);
  }

  start(sessionId: number): void {
    this.#reader?.startSession(sessionId, 0, 0n);
  }

  run(nowNs: bigint, actions: CommandActions): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    for (let count = reader.drain(); count > 0; count = reader.drain()) {
      for (let at = 0; at < count * RECORD_STRIDE; at += RECORD_STRIDE) {
        const offset = reader.records[at] ?? 0;
        const length = reader.records[at + 1] ?? 0;
        const command = decodeCommandPayload(reader.batch.slice(offset, offset + length));
        if (command !== undefined) this.#runOne(nowNs, command, actions);
      }
    }
  }

  #runOne(nowNs: bigint, command: ReceivedCommand, actions: CommandActions): void {
    const known = this.#isForgetful ? undefined : this.#window.find(({ id }) => id === command.id);
    let result = known?.result;
    if (result === undefined) {
      const isLate = command.deadlineNs !== 0n && command.deadlineNs < nowNs;
      result = isLate ? RESULT_EXPIRED : actions.execute(command);
      this.#window.push({ id: command.id, result });
      if (this.#window.length > WINDOW) this.#window.shift();
    }
    actions.answer(command, result);
  }
}
