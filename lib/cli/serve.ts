// SPDX-License-Identifier: Apache-2.0
// `undercroft serve`: protects running guests, those of libvirt or those whose region files are
// named. A guest whose region is not usable is reported and left out; the others are served.
import process from "node:process";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import { createServer, type Server } from "../server/server.ts";
import { openIvshmemRegion, type Region } from "../transport/transport.ts";
import { decodeSuperblock, PAGE_BYTES, printable, SUPERBLOCK_LAYOUT } from "../wire/wire.ts";
import { DomainService } from "./domain-service.ts";
import { belowText, connectionOf, connectionOptions } from "./domains.ts";
import { indicatorSummary, readIndicators, readPolicy } from "./indicators.ts";
import { Interrupt } from "./interrupt.ts";
import { toJson } from "./json.ts";
import { namingPath } from "./path-error.ts";
import { type Arguments, choiceOption, readArguments, textOption, usageError } from "./usage.ts";
import { VmService } from "./vm-service.ts";
import { GuestWatch } from "./watch.ts";

/** libvirt stands a guest still for seconds when it saves or sets it back, before it says so. */
const standstillMs = 5000;

interface NamedPath {
  readonly name: string;
  readonly path: string;
}

/** Runs the command. */
export async function serve(args: readonly string[]): Promise<number> {
  const parsed = readArguments("serve", args, {
    mode: { type: "string" },
    control: { type: "string" },
    region: { type: "string", multiple: true },
    indicators: { type: "string" },
    policy: { type: "string" },
    json: { type: "boolean" },
    libvirt: { type: "boolean" },
    ...connectionOptions,
    evidence: { type: "string" },
    "redirector-region": { type: "string" },
  });
  const isLibvirt = parsed.values.libvirt === true;
  const control = controlPath(parsed);
  const isProvisioned = isLibvirt || control !== undefined;
  const wanted = namedPaths(parsed.values.region, isProvisioned);
  const file = textOption(parsed, "indicators");
  const indicators = file === undefined ? [] : await readIndicators(file);
  const server = createServer({
    indicators,
    policy: await readPolicy(textOption(parsed, "policy")),
    ...(isProvisioned ? { silenceMs: standstillMs } : {}),
  });
  if (parsed.values.json === true) writeJson(server);
  else process.stdout.write(`${indicatorSummary(indicators)}\n`);
  if (isLibvirt) return serveDomains(server, parsed);
  if (control !== undefined) return serveDevices(server, control);
  const regions = attachAll(server, wanted, parsed.values.json === true);
  if (regions.length === 0) return 1;
  const interrupt = new Interrupt();
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
  const interrupt = new Interrupt();
  server.start();
  const service = new VmService(server, control);
  await interrupt.wait();
  interrupt.close();
  service.close();
  return 0;
}

/** Serves libvirt's protected domains until a signal; the next service takes their sessions on. */
async function serveDomains(server: Server, parsed: Arguments): Promise<number> {
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
  const interrupt = new Interrupt();
  server.start();
  await interrupt.wait();
  interrupt.close();
  await service.close();
  return 0;
}

function namedPaths(values: unknown, isProvisioned: boolean): NamedPath[] {
  const texts = Array.isArray(values) ? (values as readonly string[]) : [];
  if (isProvisioned && texts.length > 0) {
    throw usageError("serve", "--region goes with neither --libvirt nor --mode vm");
  }
  if (!isProvisioned && texts.length === 0) {
    throw usageError("serve", "--region NAME=PATH or --libvirt is missing");
  }
  return texts.map((text) => {
    const at = text.indexOf("=");
    const [name, path] = [text.slice(0, at), text.slice(at + 1)];
    if (at > 0 && path !== "") return { name, path };
    throw usageError("serve", `--region "${text}": must be NAME=PATH`);
  });
}

/** Attaches what can be attached and says why the rest cannot. */
function attachAll(server: Server, wanted: readonly NamedPath[], json: boolean): Region[] {
  const regions: Region[] = [];
  for (const { name, path } of wanted) {
    let region: Region | undefined;
    try {
      region = openIvshmemRegion(path);
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
