// SPDX-License-Identifier: Apache-2.0
// A simulated Windows guest beside a real server: the driver's code in the simulator, a region file
// between them, the server's own loop. Tests send operations and look at what comes out.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { makeRegionFile, type RegionFile } from "../../lib/hypervisor/hypervisor.ts";
import type { Finding, GuestEvent, GuestEventKind, Loss } from "../../lib/model/model.ts";
import {
  createServer,
  type GuestStats,
  type Server,
  type ServerOptions,
} from "../../lib/server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../../lib/transport/transport.ts";

/** What the simulator says at its end. */
export interface SimulatorResult {
  readonly attempted: number;
  readonly violations: number;
  readonly status: number | null;
  /** Broken rules, in the simulator's words. */
  readonly broken: readonly string[];
}

type Word = string | number | bigint;
/** The events that may be of a kind. */
type EventOf<Kind, Event = GuestEvent> = Event extends { readonly kind: infer Known }
  ? Kind extends Known
    ? Event
    : never
  : never;

const WAIT_MS = 20_000;

/** Waits until something holds; names it when it never does. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** One guest and its server. */
export class WindowsGuest {
  server: Server;
  readonly events: GuestEvent[] = [];
  readonly losses: Loss[] = [];
  readonly findings: Map<string, Finding> = new Map();
  readonly states: string[] = [];
  readonly broken: string[] = [];
  readonly #file: RegionFile;
  readonly #region: IvshmemRegion;
  readonly #answers: string[] = [];
  readonly #options: ServerOptions;
  readonly #dataRings: number;
  #child: ChildProcess | undefined;
  #isClosed = false;
  #stderr = "";

  constructor(
    options: ServerOptions = {},
    regionBytes: number = 8 * 2 ** 20,
    dataRings: number = 2,
  ) {
    this.#file = makeRegionFile(regionBytes);
    this.#region = openIvshmemRegion({ path: this.#file.path, bytes: this.#file.bytes });
    this.#options = options;
    this.#dataRings = dataRings;
    this.server = this.#serve();
  }

  #serve(): Server {
    const server = createServer(this.#options);
    server.on("events", ({ items }) => {
      for (const item of items) {
        if (item.kind === "loss") this.losses.push(item);
        else this.events.push(item);
      }
    });
    server.on("state", (change) => this.states.push(change.to));
    server.on("finding", (finding) => this.findings.set(finding.id, finding));
    const plan = { dataRings: this.#dataRings };
    server.attachGuest({ name: "windows", region: this.#region, plan });
    server.start();
    return server;
  }

  /** Another server takes the region over. */
  restartServer(): void {
    this.server.close();
    this.states.length = 0;
    this.server = this.#serve();
  }

  get regionPath(): string {
    return this.#file.path;
  }

  get stats(): GuestStats {
    const [guest] = this.server.stats.guests;
    if (guest === undefined) throw new Error("the server has no guest");
    return guest;
  }

  /** Starts the simulator; Wine sees the hypervisor host's files below Z:. */
  start(program: string, env: NodeJS.ProcessEnv = {}, wine?: readonly string[]): void {
    const { path } = this.#file;
    const [command = program, ...before] = wine ?? [];
    const args =
      wine === undefined ? [path] : [...before, program, `Z:${path.replaceAll("/", "\\")}`];
    const child = spawn(command, args, { env: { ...process.env, ...env } });
    this.#child = child;
    child.stderr.on("data", (bytes: Buffer) => {
      this.#stderr += bytes.toString();
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("violation ")) this.broken.push(line.trimEnd());
      else this.#answers.push(line.trimEnd());
    });
  }

  /** One operation; its answer. */
  async do(...words: readonly Word[]): Promise<string> {
    this.send(words);
    await until(`an answer to ${words.join(" ").slice(0, 100)}${this.#said()}`, () =>
      this.#hasAnswer(),
    );
    return this.#answers.shift() ?? "";
  }

  /** Sends an operation without waiting. */
  send(words: readonly Word[]): void {
    const line = words.map((word) =>
      String(word).replaceAll("\t", "\\t;").replaceAll("\n", "\\n;"),
    );
    this.#child?.stdin?.write(`${line.join("\t")}\n`);
  }

  /** Many operations at once; their answers. */
  async doAll(lines: ReadonlyArray<readonly Word[]>): Promise<string[]> {
    const answers: string[] = [];
    for (let at = 0; at < lines.length; at += 200) {
      const part = lines.slice(at, at + 200);
      for (const words of part) this.send(words);
      for (const words of part) {
        await until(`an answer to ${words[0]}${this.#said()}`, () => this.#hasAnswer());
        answers.push(this.#answers.shift() ?? "");
      }
    }
    return answers;
  }

  /** Loads the driver, starts its device and waits for monitoring. */
  async boot(): Promise<void> {
    await this.do("volume", "\\Device\\HarddiskVolume3", "C:");
    if ((await this.do("load")) !== "ok") throw new Error("the driver did not load");
    if ((await this.do("device", "start")) !== "ok") throw new Error("the device did not start");
    await this.monitored();
  }

  async monitored(): Promise<void> {
    await until(`monitoring${this.#said()}`, () => this.states.at(-1) === "monitored");
    await until("commands", () => this.stats.commands.outstanding === 0);
  }

  /** The first event of a kind for which something holds. */
  async event<Kind extends GuestEventKind>(
    kind: Kind,
    holds: (event: EventOf<Kind>) => boolean = () => true,
  ): Promise<EventOf<Kind>> {
    const fits = (event: GuestEvent): boolean =>
      event.kind === kind && holds(event as EventOf<Kind>);
    await until(`${kind}${this.#said()}`, () => this.events.some(fits));
    return this.events.find(fits) as EventOf<Kind>;
  }

  /** Ends the input and waits for the simulator's last word. */
  async end(): Promise<SimulatorResult> {
    const child = this.#child;
    if (child === undefined) throw new Error("the simulator was not started");
    const closed = once(child, "close");
    child.stdin?.end();
    const [status] = (await closed) as [number | null];
    const last = this.#answers.pop() ?? "{}";
    const { attempted = 0, violations = -1 } = last.startsWith("{") ? JSON.parse(last) : {};
    if (violations !== 0) this.broken.push(this.#stderr.slice(-4000));
    return { attempted, violations, status, broken: this.broken };
  }

  /** Everything that was attempted came out or is named as lost. */
  async accounted(attempted: number): Promise<void> {
    await until("the books to close", () => {
      const { delivered, named } = this.stats.loss;
      return delivered + named >= attempted;
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#child?.exitCode === null) this.#child.kill("SIGKILL");
    this.server.detachGuest("windows");
    this.server.close();
    this.#region.close();
    await this.#file.remove();
  }

  #hasAnswer(): boolean {
    const { exitCode } = this.#child ?? {};
    if (this.#answers.length === 0 && typeof exitCode === "number") {
      throw new Error(`the simulator ended with ${exitCode}\n${this.#stderr.slice(-4000)}`);
    }
    return this.#answers.length > 0;
  }

  #said(): string {
    return this.broken.length === 0 ? "" : `; broken: ${this.broken.join("; ")}`;
  }
}
