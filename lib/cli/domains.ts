// SPDX-License-Identifier: Apache-2.0
// `undercroft protect`, `unprotect`, `status`, `doctor`, `respond` and `hook`: what
// administrators and libvirt itself ask about domains.
import { appendFileSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import process from "node:process";
import { isUndercroftError } from "../errors/errors.ts";
import {
  askService,
  BELOW_ACTIONS,
  type BelowRecord,
  diagnose,
  gatherFacts,
  type Libvirt,
  openLibvirt,
  protectDomain,
  runHook,
  SERVICE_SOCKET,
  unprotectDomain,
} from "../hypervisor/hypervisor.ts";
import { printable } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { type Arguments, readArguments, textOption, usageError } from "./usage.ts";

/** Options of every command that asks libvirt or the service. */
export const connectionOptions = {
  connect: { type: "string" },
  socket: { type: "string" },
} as const;

const hookLogDefault = "/var/log/undercroft-hook.log";
/** A memory dump of a large guest takes its time. */
const respondMsMax = 600_000;
const attachMsMax = 10_000;
/** A driver that is there finds a device within seconds. */
const registerMsMax = 20_000;
const registerLookMs = 500;

/** Where libvirt and the service are. */
export function connectionOf(parsed: Arguments): {
  readonly uri: string | undefined;
  readonly socketPath: string;
} {
  const uri = textOption(parsed, "connect");
  return { uri, socketPath: textOption(parsed, "socket") ?? SERVICE_SOCKET };
}

/** Runs `undercroft protect`. */
export async function protect(args: readonly string[]): Promise<number> {
  const options = {
    ...connectionOptions,
    live: { type: "boolean" },
    size: { type: "string" },
    doorbell: { type: "boolean" },
  } as const;
  const parsed = readArguments("protect", args, options, ["DOMAIN"]);
  const [domain = ""] = parsed.operands;
  const size = textOption(parsed, "size");
  const bytes = size === undefined ? undefined : Number(size) * 2 ** 20;
  if (bytes !== undefined && !(Number.isInteger(Math.log2(bytes)) && bytes >= 2 ** 20)) {
    throw usageError("protect", `--size "${size}": must be a power of two, in MiB`);
  }
  const change = await withLibvirt(parsed, (libvirt) =>
    protectDomain(libvirt, domain, {
      live: parsed.values.live === true,
      ...(bytes === undefined ? {} : { bytes }),
      ...(parsed.values.doorbell === true ? { wakeUps: "doorbells" as const } : {}),
    }),
  );
  const what = change.isChanged ? "protected" : "protected already";
  const when = change.holds === "now" ? "it holds now" : "it holds from its next start";
  tell(`${change.name}: ${what}; ${when}`);
  if (change.problem !== undefined) {
    process.stderr.write(`undercroft: not plugged in: ${printable(change.problem)}\n`);
    return 1;
  }
  if (parsed.values.live !== true || change.holds !== "now") return 0;
  const problem = await driverProblem(parsed, change.uuid);
  tell(`${change.name}: ${problem ?? "its driver has registered"}`);
  return problem === undefined ? 0 : 1;
}

/** Why a device that was plugged in is not in use: only a driver knows whether it can use it. */
async function driverProblem(parsed: Arguments, uuid: string): Promise<string | undefined> {
  const endMs = performance.now() + registerMsMax;
  while (performance.now() < endMs) {
    let guests: readonly (GuestStatus & { readonly uuid?: string })[];
    try {
      const { socketPath } = connectionOf(parsed);
      guests = (await askService(socketPath, { ask: "status" })).guests as typeof guests;
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      return "no service is there to serve it";
    }
    const state = guests.find((guest) => guest.uuid === uuid)?.state;
    if (state !== undefined && state !== "offline") return undefined;
    await new Promise((resolve) => setTimeout(resolve, registerLookMs));
  }
  return (
    "its driver has not registered; load it, or if its log says that the device has no " +
    "memory, start the domain anew"
  );
}

/** Runs `undercroft unprotect`. */
export async function unprotect(args: readonly string[]): Promise<number> {
  const options = { ...connectionOptions, live: { type: "boolean" } } as const;
  const parsed = readArguments("unprotect", args, options, ["DOMAIN"]);
  const [domain = ""] = parsed.operands;
  const change = await withLibvirt(parsed, async (libvirt) => {
    const { uuid } = await libvirt.domain(domain);
    if (parsed.values.live === true) {
      // A service that is not there holds nothing.
      const { socketPath } = connectionOf(parsed);
      await askService(socketPath, { ask: "release", uuid }, attachMsMax).catch(() => {});
    }
    return unprotectDomain(libvirt, domain, { live: parsed.values.live === true });
  });
  const what = change.isChanged ? "no longer protected" : "was not protected";
  const when = change.holds === "now" ? "" : "; it stays so until it stops";
  return tell(`${change.name}: ${what}${when}`);
}

/** Runs `undercroft status`. */
export async function status(args: readonly string[]): Promise<number> {
  const options = { ...connectionOptions, json: { type: "boolean" } } as const;
  const parsed = readArguments("status", args, options);
  const answer = await askService(connectionOf(parsed).socketPath, { ask: "status" });
  if (parsed.values.json === true) {
    process.stdout.write(`${toJson(answer)}\n`);
    return 0;
  }
  const guests = answer.guests as readonly GuestStatus[];
  process.stdout.write(`redirector ${answer.redirector}, libvirt ${answer.libvirt}\n`);
  for (const one of guests) {
    const loss = one.loss === undefined ? "" : `, loss ${one.loss.named}+${one.loss.unaccounted}`;
    const events = one.events === undefined ? "" : `: ${one.events} events${loss}`;
    const wakeUps = one.wakeUps === "doorbells" ? " (doorbells)" : "";
    process.stdout.write(`${printable(one.name)} ${one.state}${wakeUps}${events}\n`);
  }
  return 0;
}

/** Runs `undercroft doctor`. */
export async function doctor(args: readonly string[]): Promise<number> {
  const options = { ...connectionOptions, json: { type: "boolean" } } as const;
  const parsed = readArguments("doctor", args, options);
  const complaints = diagnose(await gatherFacts(connectionOf(parsed)));
  const isWrong = complaints.some(({ isAdvice }) => isAdvice !== true);
  if (parsed.values.json === true) {
    process.stdout.write(`${toJson({ complaints })}\n`);
    return isWrong ? 1 : 0;
  }
  if (!isWrong) process.stdout.write("nothing is wrong that is known of\n");
  for (const { about, problem, fix, isAdvice } of complaints) {
    const lead = isAdvice === true ? "advice: " : "";
    process.stdout.write(`${printable(`${lead}${about}: ${problem}`)}\n`);
    process.stdout.write(`  ${printable(`fix: ${fix}`)}\n`);
  }
  return isWrong ? 1 : 0;
}

/** Runs `undercroft respond`. */
export async function respond(args: readonly string[]): Promise<number> {
  const options = {
    ...connectionOptions,
    reason: { type: "string" },
    json: { type: "boolean" },
  } as const;
  const operands = ["DOMAIN", "ACTION"];
  const parsed = readArguments("respond", args, options, operands);
  const [domain = "", word = ""] = parsed.operands;
  const action = BELOW_ACTIONS.find((known) => known === word);
  if (action === undefined) {
    throw usageError("respond", `"${word}": must be one of ${BELOW_ACTIONS.join(", ")}`);
  }
  const reason = textOption(parsed, "reason");
  if (reason === undefined) throw usageError("respond", "--reason TEXT is missing");
  const requestedBy = userInfo().username;
  const asked = { ask: "respond", domain, action, reason, requestedBy } as const;
  const answer = await askService(connectionOf(parsed).socketPath, asked, respondMsMax);
  const record = answer as unknown as BelowRecord;
  const text = parsed.values.json === true ? toJson(record) : belowText(record);
  process.stdout.write(`${text}\n`);
  return record.outcome === "confirmed" ? 0 : 1;
}

/** Runs `undercroft hook`, for libvirt: what it is given is what libvirt gives its qemu hook. */
export async function hook(args: readonly string[]): Promise<number> {
  const options = {
    ...connectionOptions,
    strict: { type: "boolean" },
    log: { type: "string" },
  } as const;
  const operands = ["DOMAIN", "OPERATION", "SUBOPERATION", "EXTRA"];
  const parsed = readArguments("hook", args, options, operands);
  const [domain = "", operation = ""] = parsed.operands;
  const path = textOption(parsed, "log") ?? hookLogDefault;
  const log = (line: object): void => {
    try {
      appendFileSync(path, `${toJson(line)}\n`, { mode: 0o640 });
    } catch (cause) {
      // No guest waits for a log.
      process.stderr.write(`undercroft: ${cause instanceof Error ? cause.message : cause}\n`);
    }
  };
  const time = new Date().toISOString();
  try {
    const { socketPath } = connectionOf(parsed);
    const xml = readFileSync(0, "utf8");
    const report = await runHook({ domain, operation, xml, socketPath });
    log({ time, ...report });
    return 0;
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    const { code, message } = cause;
    log({ time, domain, operation, error: { code, message } });
    process.stderr.write(`undercroft: ${message} (${code})\n`);
    // A guest without protection is better than none, unless the administrator says otherwise.
    return parsed.values.strict === true && operation === "prepare" ? 1 : 0;
  }
}

/** One line about an action below a guest. */
export function belowText(record: BelowRecord): string {
  const { domain, action, outcome, requestedBy, reason, detail, createdMs, endedMs } = record;
  const who = `by ${requestedBy} for "${reason}"`;
  return printable(
    `${domain} ${action} ${outcome} by libvirt in ${endedMs - createdMs} ms ${who}: ${detail}`,
  );
}

interface GuestStatus {
  readonly name: string;
  readonly state: string;
  readonly wakeUps?: "polling" | "doorbells";
  readonly events?: number;
  readonly loss?: { readonly named: number; readonly unaccounted: number };
}

async function withLibvirt<Value>(
  parsed: Arguments,
  use: (libvirt: Libvirt) => Promise<Value>,
): Promise<Value> {
  const { uri } = connectionOf(parsed);
  const libvirt = await openLibvirt(uri === undefined ? {} : { uri });
  try {
    return await use(libvirt);
  } finally {
    libvirt.close();
  }
}

function tell(line: string): number {
  process.stdout.write(`${printable(line)}\n`);
  return 0;
}
