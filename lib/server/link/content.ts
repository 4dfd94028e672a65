// SPDX-License-Identifier: Apache-2.0
// What the manager has a server look for and do: indicators, Sigma rules, policy. Each change is on
// disk first and then in use, swapped in at once; after a restart it is in use again, whether the
// manager is there or not. Made by manager-link.ts.
import { DatabaseSync } from "node:sqlite";
import { setImmediate as giveWay } from "node:timers/promises";
import { IndicatorStore, RuleLoader, type SigmaRuleSet } from "../../detect/detect.ts";
import { isUndercroftError, UndercroftError } from "../../errors/errors.ts";
import type { LinkContentTaken, LinkContentVersions, LinkRequest } from "../../model/model.ts";
import { parsePolicy } from "../../response/response.ts";
import type { Server } from "../composition.ts";
import { IndicatorTable } from "./indicator-table.ts";

type ContentKind = keyof LinkContentVersions;
/** A request that brings content. */
export type ContentRequest = Extract<LinkRequest, { readonly kind: ContentKind }>;

const SCHEMA = `
  PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
  CREATE TABLE IF NOT EXISTS version(kind TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS rule(name TEXT NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS policy(text TEXT NOT NULL) STRICT;`;
const AT_ONCE = 2000;
/** A larger change is made in a store of its own, beside the one in use. */
const IN_PLACE_MAX = 5000;
const REASONS_MAX = 10;
const POLICY_NAME = "the manager's policy";

interface RuleFile {
  readonly name: string;
  readonly text: string;
}

/** See the head of this file. */
export class LinkContent {
  readonly #server: Server;
  readonly #database: DatabaseSync;
  readonly #indicators: IndicatorTable;
  /** Sources that are the manager's; all others in use are the server's own. */
  readonly #sources: Set<string>;
  #versions: LinkContentVersions = { indicators: 0, rules: 0, policy: 0 };
  // One change after the other.
  #last: Promise<unknown> = Promise.resolve();

  /** @throws {UndercroftError} ERR_UC_LINK where the file cannot be used */
  constructor(server: Server, path: string) {
    this.#server = server;
    try {
      this.#database = new DatabaseSync(path);
      this.#database.exec(SCHEMA);
      this.#indicators = new IndicatorTable(this.#database);
      this.#sources = new Set(this.#indicators.sources);
      this.#readVersions();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the manager's content, ${path}, cannot be used: ${reason}`;
      throw new UndercroftError("ERR_UC_LINK", message, { path }, { cause });
    }
  }

  /** Version of each kind that is on disk; 0: the manager has brought none. */
  get versions(): LinkContentVersions {
    return this.#versions;
  }

  /** Puts into use what is on disk. Returns what of it is of no use any more, and why. */
  restore(): Promise<readonly string[]> {
    return this.#next(async () => {
      const { versions } = this;
      const problems: string[] = [];
      const attempt = async (kind: ContentKind, use: () => Promise<void>): Promise<void> => {
        if (versions[kind] === 0) return;
        try {
          await use();
        } catch (cause) {
          if (!isUndercroftError(cause)) throw cause;
          this.#setVersion(kind, 0);
          this.#readVersions();
          problems.push(`the manager's ${kind}: ${cause.message}`);
        }
      };
      await attempt("policy", async () => {
        const text = this.#database.prepare("SELECT text FROM policy").get()?.text;
        this.#server.usePolicy(parsePolicy(String(text ?? ""), POLICY_NAME));
      });
      await attempt("rules", async () => {
        const files = this.#database.prepare("SELECT name, text FROM rule ORDER BY rowid").all();
        const named = files.map(({ name, text }) => ({ name: String(name), text: String(text) }));
        this.#server.useSigma(await loadRules(named));
      });
      await attempt("indicators", () => this.#rebuild());
      return problems;
    });
  }

  /**
   * Takes content over.
   * @throws {UndercroftError} ERR_UC_LINK for an increment on a version that is not here,
   * ERR_UC_POLICY, ERR_UC_RULES, ERR_UC_INDICATORS
   */
  take(request: ContentRequest): Promise<LinkContentTaken> {
    return this.#next(() => {
      switch (request.kind) {
        case "indicators":
          return this.#takeIndicators(request);
        case "rules":
          return this.#takeRules(request);
        case "policy":
          return this.#takePolicy(request);
      }
    });
  }

  /** Ends what is being done and closes the file. */
  async close(): Promise<void> {
    await this.#next(async () => this.#database.close());
  }

  async #takeIndicators(
    request: Extract<LinkRequest, { kind: "indicators" }>,
  ): Promise<LinkContentTaken> {
    const { base, version, removed } = request;
    const has = this.versions.indicators;
    if (base !== 0 && base !== has) {
      const message = `an increment on version ${base} of the indicators; here is version ${has}`;
      throw new UndercroftError("ERR_UC_LINK", message);
    }
    const taken = await this.#inTransaction(async () => {
      const change = await this.#indicators.change(base === 0, request.added, removed);
      this.#setVersion("indicators", version);
      return change;
    });
    const size = taken.added.length + removed.length;
    if (base === 0 || size > IN_PLACE_MAX) await this.#rebuild();
    else {
      const added = Map.groupBy(taken.added, ({ source }) => source);
      for (const source of new Set([...taken.removed.keys(), ...added.keys()])) {
        this.#sources.add(source);
        const removed = taken.removed.get(source) ?? [];
        this.#server.changeIndicators({ source, removed, added: added.get(source) ?? [] });
      }
    }
    return this.#answer(taken.refused, taken.reasons);
  }

  // Beside the store in use, so that guests are served meanwhile.
  async #rebuild(): Promise<void> {
    const store = new IndicatorStore();
    for (const source of this.#indicators.sources) this.#sources.add(source);
    let at = 0;
    for (const indicator of this.#indicators.read()) {
      store.add(indicator);
      at += 1;
      if (at % AT_ONCE === 0) await giveWay();
    }
    // The server's own, in one go: none of them comes or goes meanwhile.
    for (const indicator of this.#server.indicators) {
      if (!this.#sources.has(indicator.source)) store.add(indicator);
    }
    this.#server.useIndicators(store);
  }

  async #takeRules({
    version,
    files,
  }: Extract<LinkRequest, { kind: "rules" }>): Promise<LinkContentTaken> {
    const rules = await loadRules(files);
    const problems = rules.problems.filter(({ severity }) => severity === "error");
    if (rules.rules.length === 0 && problems.length > 0) {
      const [first] = problems;
      const message = `none of the rules can be used: ${first?.file}: ${first?.message}`;
      throw new UndercroftError("ERR_UC_RULES", message);
    }
    await this.#inTransaction(async () => {
      this.#database.exec("DELETE FROM rule");
      const put = this.#database.prepare("INSERT INTO rule(name, text) VALUES(?, ?)");
      for (const { name, text } of files) put.run(name, text);
      this.#setVersion("rules", version);
    });
    this.#server.useSigma(rules);
    const reasons = problems.map(({ file, message }) => `${file}: ${message}`.slice(0, 500));
    return this.#answer(problems.length, reasons.slice(0, REASONS_MAX));
  }

  async #takePolicy({
    version,
    text,
  }: Extract<LinkRequest, { kind: "policy" }>): Promise<LinkContentTaken> {
    const policy = parsePolicy(text, POLICY_NAME);
    await this.#inTransaction(async () => {
      this.#database.exec("DELETE FROM policy");
      this.#database.prepare("INSERT INTO policy(text) VALUES(?)").run(text);
      this.#setVersion("policy", version);
    });
    this.#server.usePolicy(policy);
    return this.#answer(0, []);
  }

  #answer(refused: number, reasons: readonly string[]): LinkContentTaken {
    return { content: this.versions, refused, reasons };
  }

  #setVersion(kind: ContentKind, version: number): void {
    this.#database.prepare("INSERT OR REPLACE INTO version VALUES(?, ?)").run(kind, version);
  }

  #readVersions(): void {
    const rows = this.#database.prepare("SELECT kind, version FROM version").all();
    const known = rows.map(({ kind, version }) => [String(kind), Number(version)]);
    this.#versions = { ...this.#versions, ...Object.fromEntries(known) };
  }

  async #inTransaction<T>(work: () => Promise<T>): Promise<T> {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = await work();
      this.#database.exec("COMMIT");
      this.#readVersions();
      return result;
    } catch (cause) {
      this.#database.exec("ROLLBACK");
      throw cause;
    }
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

async function loadRules(files: readonly RuleFile[]): Promise<SigmaRuleSet> {
  const loader = new RuleLoader();
  for (const [at, file] of files.entries()) {
    if (at % 20 === 19) await giveWay();
    loader.add(file);
  }
  return loader.finish();
}
