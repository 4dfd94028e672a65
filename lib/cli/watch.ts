// SPDX-License-Identifier: Apache-2.0
// Listens to a server about one guest and keeps what the live view and the demo's judgement need.
// Bounded whatever the guest does: only the newest of everything is kept.
import type {
  CommandRecord,
  Finding,
  GuestEvent,
  GuestNetworkEvent,
  GuestStateChange,
  ProcessExitEvent,
  VerdictEvent,
} from "../model/model.ts";
import type { FaultReport, Server } from "../server/server.ts";
import { printable } from "../wire/wire.ts";
import { EventLines } from "./event-line.ts";
import { commandText, findingText } from "./view.ts";

const keptMax = 1000;
const recentMax = 100;

/** What one guest did and what was done about it, as the server told. */
export class GuestWatch {
  readonly findings: Map<string, Finding> = new Map();
  readonly commands: Map<bigint, CommandRecord> = new Map();
  readonly states: GuestStateChange[] = [];
  /** Ends by signal. */
  readonly exits: ProcessExitEvent[] = [];
  readonly verdicts: VerdictEvent[] = [];
  /** What passed the guest's tap, worth keeping: names asked for, and flows that ended. */
  readonly network: GuestNetworkEvent[] = [];
  /** Newest events worth a line. */
  readonly recent: string[] = [];
  /** Events a second by class, renewed each second. */
  rates: ReadonlyMap<string, number> = new Map();
  events = 0;
  readonly #lines = new EventLines();
  readonly #counts = new Map<string, number>();
  readonly #log: (line: string) => void;
  #rateMs: number = performance.now();

  /** log receives a line for each change, for people. */
  constructor(server: Server, guest: string, log: (line: string) => void) {
    this.#log = log;
    server.on("events", (batch) => {
      if (batch.guest !== guest) return;
      for (const item of batch.items) if (item.kind !== "loss") this.#event(item);
    });
    server.on("network", (batch) => {
      if (batch.guest !== guest) return;
      for (const event of batch.events) this.#network(event);
    });
    server.on("state", (change) => change.guest === guest && this.#state(change));
    server.on("finding", (finding) => finding.guest === guest && this.#finding(finding));
    server.on("command", (record) => this.#command(record));
    server.on("fault", (report) => report.guest === guest && this.#fault(report));
  }

  /** True once a command of that kind was acknowledged as done. */
  isDone(kind: CommandRecord["command"]["kind"]): boolean {
    return [...this.commands.values()].some(
      ({ command, outcome }) => command.kind === kind && outcome === "done",
    );
  }

  /** True once the guest has been in that state. */
  hasBeen(state: GuestStateChange["to"]): boolean {
    return this.states.some(({ to }) => to === state);
  }

  /** Renews the rates when a second has passed. */
  refreshRates(): void {
    const seconds = (performance.now() - this.#rateMs) / 1000;
    if (seconds < 1) return;
    this.rates = new Map([...this.#counts].map(([name, count]) => [name, count / seconds]));
    for (const name of this.#counts.keys()) this.#counts.set(name, 0);
    this.#rateMs = performance.now();
  }

  #event(event: GuestEvent): void {
    this.events++;
    const name = className(event.kind);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (event.kind === "process.exit" && event.signal !== 0) keep(this.exits, event, keptMax);
    if (event.kind === "verdict") keep(this.verdicts, event, keptMax);
    const line = this.#lines.line(event);
    if (line !== undefined) keep(this.recent, line, recentMax);
  }

  #network(event: GuestNetworkEvent): void {
    this.#counts.set("network", (this.#counts.get("network") ?? 0) + 1);
    const line = networkLine(event);
    if (line === undefined) return;
    keep(this.network, event, keptMax);
    keep(this.recent, printable(line), recentMax);
  }

  #state(change: GuestStateChange): void {
    keep(this.states, change, keptMax);
    this.#log(printable(`guest ${change.guest}: ${change.to}, ${change.reason}`));
  }

  #finding(finding: Finding): void {
    keepEntry(this.findings, finding.id, finding);
    this.#log(`finding ${findingText(finding)}`);
  }

  #command(record: CommandRecord): void {
    keepEntry(this.commands, record.id, record);
    this.#log(`command ${commandText(record)}`);
  }

  #fault(report: FaultReport): void {
    this.#log(printable(`fault ${report.fault} by ${report.guest}: ${report.reason}`));
  }
}

/** One line for an event of the network that people want to see. */
function networkLine(event: GuestNetworkEvent): string | undefined {
  const by = event.pid === 0 ? "" : ` by ${event.commandLine || event.program} (pid ${event.pid})`;
  const to = `${event.destinationAddress}:${event.destinationPort}`;
  switch (event.kind) {
    case "dns":
      return `dns      ${event.query} ${event.answers.join(" ")}${by}`;
    case "http":
      return `http     ${event.method} ${event.authority}${event.uri} ${event.statusCode}${by}`;
    case "tls":
      return `tls      ${event.serverName} ${event.ja4}${by}`;
    case "flow.close":
      return `flow     ${event.transport} ${to} ${event.state}${by}`;
    case "flow.open":
      return `connect  ${event.transport} ${to}${by}`;
    default:
      return undefined;
  }
}

function className(kind: string): string {
  const dot = kind.indexOf(".");
  return dot < 0 ? kind : kind.slice(0, dot);
}

function keep<Item>(list: Item[], item: Item, max: number): void {
  list.push(item);
  if (list.length > max) list.shift();
}

function keepEntry<Key, Item>(map: Map<Key, Item>, key: Key, item: Item): void {
  map.set(key, item);
  if (map.size <= keptMax) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
