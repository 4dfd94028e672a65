// SPDX-License-Identifier: Apache-2.0
// `undercroft serve`: protects running guests, those of libvirt or those whose region files or
// names at the holder are given. A guest whose region is not usable is reported and left out; the
// others are served.
import process from "node:process";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import { HOLDER_CONTROL } from "../native/native.ts";
import { createServer, EventRecorder, ManagerLink, type Server } from "../server/server.ts";
import type { EventStore } from "../store/store.ts";
import { type IvshmemSource, openIvshmemRegion, type Region } from "../transport/transport.ts";
import { decodeSuperblock, PAGE_BYTES, printable, SUPERBLOCK_LAYOUT } from "../wire/wire.ts";
import { CorrelationFile } from "./correlation-file.ts";
import { DomainHand, DomainService } from "./domain-service.ts";
import { belowText, connectionOf, connectionOptions } from "./domains.ts";
import { openNamedStore, STORE_OPTIONS } from "./event-store.ts";
import { Interrupt } from "./interrupt.ts";
import { toJson } from "./json.ts";
import { CONTENT_OPTIONS, contentSummary, readContent } from "./live-content.ts";
import { namingPath } from "./path-error.ts";
import { Reload } from "./reload.ts";
import { type Arguments, choiceOption, readArguments, textOption, usageError } from "./usage.ts";
import { version } from "./version.ts";
import { VmService } from "./vm-service.ts";
import { GuestWatch } from "./watch.ts";

/** libvirt stands a guest still for seconds when it saves or sets it back, before it says so. */
const standstillMs = 5000;

/** SIGHUP reads files again. */
const ENDING = ["SIGINT", "SIGTERM"] as const;

interface NamedRegion {
  readonly name: string;
  readonly source: IvshmemSource;
  /** For messages. */
  readonly path: string;
}

/** Runs the command. */
export async function serve(args: readonly string[]): Promise<number> {
  const parsed = readArguments("serve", args, {
    mode: { type: "string" },
    control: { type: "string" },
    region: { type: "string", multiple: true },
    doorbell: { type: "string", multiple: true },
    holder: { type: "string" },
    ...CONTENT_OPTIONS,
    state: { type: "string" },
    manager: { type: "string" },
    store: { type: "string" },
    ...STORE_OPTIONS,
    json: { type: "boolean" },
    libvirt: { type: "boolean" },
    ...connectionOptions,
    evidence: { type: "string" },
    "redirector-region": { type: "string" },
  });
  const isLibvirt = parsed.values.libvirt === true;
  const control = controlPath(parsed);
  const isProvisioned = isLibvirt || control !== undefined;
  const wanted = [...namedFiles(parsed), ...heldGuests(parsed)];
  if (isProvisioned && wanted.length > 0) {
    throw usageError("serve", "--region and --doorbell go with neither --libvirt nor --mode vm");
  }
  if (!isProvisioned && wanted.length === 0) {
    throw usageError("serve", "--region NAME=PATH, --doorbell NAME or --libvirt is missing");
  }
  const content = await readContent(parsed);
  const hand = new DomainHand();
  const server = createServer({
    ...content,
    ...(isLibvirt ? { hypervisor: hand } : {}),
    ...(isProvisioned ? { silenceMs: standstillMs } : {}),
  });
  if (parsed.values.json === true) writeJson(server);
  else process.stdout.write(`${contentSummary(content)}\n`);
  const log = (text: string): void => {
    const line = parsed.values.json === true ? toJson({ kind: "log", text }) : printable(text);
    process.stdout.write(`${line}\n`);
  };
  const state = textOption(parsed, "state");
  const correlations = state === undefined ? undefined : new CorrelationFile(server, state, log);
  const recording = await record(server, parsed);
  const link = await joinManager(server, recording?.store, parsed, log);
  const reload = new Reload(server, parsed, log, () => link?.restoreContent());
  try {
    if (isLibvirt) return await serveDomains(server, parsed, hand);
    if (control !== undefined) return await serveDevices(server, control);
    return await serveRegions(server, wanted, parsed.values.json === true);
  } finally {
    reload.close();
    correlations?.close();
    await link?.close();
    await recording?.close();
  }
}

interface Recording {
  readonly store: EventStore;
  close(): Promise<void>;
}

/** Begins to store what the server tells, where a store is named. */
async function record(server: Server, parsed: Arguments): Promise<Recording | undefined> {
  const folder = textOption(parsed, "store");
  if (folder === undefined) return undefined;
  const store = await openNamedStore("serve", parsed, folder);
  const recorder = new EventRecorder(server, store);
  const close = async (): Promise<void> => {
    recorder.close();
    await store.close();
  };
  return { store, close };
}

/** Connects to the manager that the server has enrolled at, where one is named. */
async function joinManager(
  server: Server,
  store: EventStore | undefined,
  parsed: Arguments,
  log: (line: string) => void,
): Promise<ManagerLink | undefined> {
  const folder = textOption(parsed, "manager");
  if (folder === undefined) return undefined;
  const software = `undercroft ${version()}`;
  return ManagerLink.open({
    ...{ server, folder, software, log },
    ...(store === undefined ? {} : { store }),
  });
}

/** Serves guests that were named, until a signal. */
async function serveRegions(
  server: Server,
  wanted: readonly NamedRegion[],
  isJson: boolean,
): Promise<number> {
  const regions = attachAll(server, wanted, isJson);
  if (regions.length === 0) return 1;
  const interrupt = new Interrupt(ENDING);
  server.start();
  await interrupt.wait();
  interrupt.close();
  for (const guest of server.stats.guests) server.detachGuest(guest.guest.name);
  server.close();
  for (const region of regions) region.close();
  return regions.length === wanted.length ? 0 : 1;
}

/** Where the hypervisor host speaks to a server in its own VM; undefined: it is in none. */
function controlPath(parsed: Arguments): string | undefined {
  const control = textOption(parsed, "control");
  const isVm = choiceOption("serve", parsed, "mode", ["host", "vm"]) === "vm";
  if (isVm !== (control !== undefined)) {
    throw usageError("serve", "--mode vm and --control PATH go together");
  }
  if (isVm && parsed.values.libvirt === true) {
    throw usageError("serve", "--mode vm has no libvirt; leave --libvirt out");
  }
  return control;
}

/** Serves the devices that the hypervisor host plugs into this VM, until a signal. */
async function serveDevices(server: Server, control: string): Promise<number> {
  const interrupt = new Interrupt(ENDING);
  server.start();
  const service = new VmService(server, control);
  await interrupt.wait();
  interrupt.close();
  service.close();
  return 0;
}

/** Serves libvirt's protected domains until a signal; the next service takes their sessions on. */
async function serveDomains(server: Server, parsed: Arguments, hand: DomainHand): Promise<number> {
  const json = parsed.values.json === true;
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  const watched = new Set<string>();
  const service = await DomainService.open({
    server,
    ...connectionOf(parsed),
    evidenceDirectory: textOption(parsed, "evidence") ?? "/var/lib/undercroft/evidence",
    redirectorRegion: textOption(parsed, "redirector-region") ?? "/dev/shm/undercroft-redirector",
    log: (text) => write(json ? toJson({ kind: "log", text }) : printable(text)),
    onBelow: (record) => write(json ? toJson({ kind: "below", ...record }) : belowText(record)),
    onAttach: (name) => {
      if (json || watched.has(name)) return;
      watched.add(name);
      new GuestWatch(server, name, write);
    },
  });
  hand.service = service;
  const interrupt = new Interrupt(ENDING);
  server.start();
  await interrupt.wait();
  interrupt.close();
  await service.close();
  return 0;
}

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? (value as readonly string[]) : [];

function namedFiles({ values }: Arguments): NamedRegion[] {
  return textsOf(values.region).map((text) => {
    const at = text.indexOf("=");
    const [name, path] = [text.slice(0, at), text.slice(at + 1)];
    if (at > 0 && path !== "") return { name, path, source: { path } };
    throw usageError("serve", `--region "${text}": must be NAME=PATH`);
  });
}

function heldGuests(parsed: Arguments): NamedRegion[] {
  const holder = textOption(parsed, "holder") ?? HOLDER_CONTROL;
  return textsOf(parsed.values.doorbell).map((guest) => {
    return { name: guest, path: holder, source: { holder, guest } };
  });
}

/** Attaches what can be attached and says why the rest cannot. */
function attachAll(server: Server, wanted: readonly NamedRegion[], json: boolean): Region[] {
  const regions: Region[] = [];
  for (const { name, path, source } of wanted) {
    let region: Region | undefined;
    try {
      region = openIvshmemRegion(source);
      refuseForeign(region);
      if (!json) new GuestWatch(server, name, (line) => process.stdout.write(`${line}\n`));
      server.attachGuest({ name, region });
      regions.push(region);
    } catch (cause) {
      region?.close();
      if (!isUndercroftError(cause)) throw cause;
      const { message, code } = namingPath(cause, path);
      process.stderr.write(`undercroft: guest ${name}: ${message} (${code})\n`);
    }
  }
  return regions;
}

/**
 * Refuses a file that holds something else than a region, before the server formats it. A region
 * that a guest damaged is no reason: it is made anew.
 */
function refuseForeign(region: Region): void {
  const page = new Uint8Array(PAGE_BYTES);
  region.copyOut(0, page);
  const magic = new DataView(page.buffer).getBigUint64(SUPERBLOCK_LAYOUT.magic, true);
  if (magic === 0n) return;
  try {
    decodeSuperblock(page, region.bytes);
  } catch (cause) {
    if (!isUndercroftError(cause) || cause.code === "ERR_UC_REGION_CORRUPT") return;
    const message = `${cause.message}; is it the right file?`;
    throw new UndercroftError(cause.code, message, {}, { cause });
  }
}

function writeJson(server: Server): void {
  const write = (kind: string) => (value: object) =>
    void process.stdout.write(`${toJson({ kind, ...value })}\n`);
  server.on("state", write("state"));
  server.on("finding", write("finding"));
  server.on("command", write("command"));
  server.on("fault", write("fault"));
  server.on("redirector", write("redirector"));
}
