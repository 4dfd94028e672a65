// SPDX-License-Identifier: Apache-2.0
// What persons at the manager have done to guests: begun here, waited for, and answered with what
// was seen of it. Called by answers.ts.
import { type ErrorCode, UndercroftError } from "../../errors/errors.ts";
import type { CommandOutcome, CommandRecord, GuestAction } from "../../model/model.ts";
import { SENSORS_DEFAULT } from "../../wire/wire.ts";
import type { Server } from "../composition.ts";

export interface GuestAct {
  /** The guest's name. */
  readonly guest: string;
  readonly action: GuestAction;
  readonly requestedBy: string;
  readonly reason: string;
}

/** How long the end of a killed process is waited for after its driver said that it is done. */
const CONFIRM_MS = 3000;

const OUTCOMES: Readonly<Record<CommandOutcome, string>> = {
  pending: "it is not known yet what became of it",
  done: "done, as the driver says",
  confirmed: "done, and seen in the guest's events",
  "not-found": "the driver finds no such process any more",
  refused: "the driver refused it",
  expired: "the driver did not answer in time",
  malformed: "the driver did not understand it",
  unsupported: "the driver cannot do that",
  failed: "the driver tried, and failed",
  lost: "no driver is there, or it went away meanwhile",
};

/**
 * Does it and says what was seen.
 * @throws {UndercroftError} ERR_UC_COMMAND_FAILED where the other side did not do it, and what
 * the calls of {@link Server} throw
 */
export async function actOnGuest(
  server: Server,
  { guest, action, requestedBy, reason }: GuestAct,
  signal: AbortSignal,
): Promise<string> {
  const origin = { requestedBy };
  switch (action.kind) {
    case "start-monitoring": {
      const command = { kind: action.kind, sensors: SENSORS_DEFAULT };
      return ended(server, () => server.send(guest, command, origin), signal);
    }
    case "stop-monitoring":
      return ended(server, () => server.send(guest, { kind: action.kind }, origin), signal);
    case "kill": {
      const { pid } = action;
      const processStartNs = BigInt(action.processStartNs);
      const command = { kind: "kill-process" as const, pid, processStartNs };
      return ended(server, () => server.send(guest, command, origin), signal);
    }
    case "isolate": {
      const { allow, expiresInMs } = action;
      const options = { allow, ...(expiresInMs === undefined ? {} : { expiresInMs }) };
      return ended(server, () => server.isolate(guest, options, origin), signal);
    }
    case "release": {
      const record = server.release(guest, origin);
      if (record === undefined) return "no rule was at the guest's taps";
      return ended(server, () => record, signal);
    }
    case "pause":
    case "resume":
    case "snapshot":
      return server.actBelow({ guest, action: action.kind, reason, requestedBy });
  }
}

// A command can end within the call that makes it: who listens must be there before.
async function ended(
  server: Server,
  begin: () => CommandRecord,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let record: CommandRecord | undefined;
  const take = (changed: CommandRecord): void => {
    record = changed;
    if (changed.outcome === "pending") return;
    const isKilling = changed.outcome === "done" && changed.command.kind === "kill-process";
    if (!isKilling) resolve();
    else timer ??= setTimeout(resolve, CONFIRM_MS);
  };
  const stop = server.on("command", (changed) => {
    if (changed.id === record?.id) take(changed);
  });
  const giveUp = (): void => resolve();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    take(begin());
    await promise;
    return outcomeOf(record);
  } finally {
    stop();
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

function outcomeOf(record: CommandRecord | undefined): string {
  const outcome = record?.outcome ?? "pending";
  const detail = record?.detail ?? 0;
  const text = `${OUTCOMES[outcome]}${detail === 0 ? "" : ` (${detail})`}`;
  if (outcome === "done" || outcome === "confirmed") return text;
  const code: ErrorCode = "ERR_UC_COMMAND_FAILED";
  throw new UndercroftError(code, text, { outcome });
}
