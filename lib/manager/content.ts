// SPDX-License-Identifier: Apache-2.0
// What servers are to look for and do: indicators by source, Sigma rules, response policy. Each
// change is a new version here; servers get what they lack when they come and when it changes.
import {
  guessFormat,
  ImportReport,
  type IndicatorFormat,
  importerOf,
  RuleLoader,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import type {
  ApiContentServer,
  ApiRuleFile,
  ApiUpload,
  Indicator,
  LinkAnswer,
  LinkContentTaken,
  LinkContentVersions,
  LinkIndicator,
  LinkRequest,
} from "../model/model.ts";
import { parsePolicy } from "../response/response.ts";
import type { ManagerState } from "./state.ts";

type ContentKind = keyof LinkContentVersions;

export interface ContentOptions {
  readonly state: ManagerState;
  readonly request: (
    server: string,
    request: LinkRequest,
    options: { readonly timeoutMs: number },
  ) => Promise<LinkAnswer>;
  readonly online: () => readonly string[];
  readonly nowMs: () => number;
}

/** What is known of one server's content. */
interface Holding {
  content: LinkContentVersions;
  pushedMs?: number;
  error?: string;
  /** Pushes to one server go one after the other. */
  last: Promise<void>;
}

const INDICATORS_MAX = 1_000_000;
const PUSH_MS = 120_000;
/** Servers are asked again whether they have all this often. */
export const CONTENT_MS: number = 5 * 60_000;
const KINDS: readonly ContentKind[] = ["policy", "rules", "indicators"];

/** See the head of this file. */
export class ContentCentre {
  readonly #options: ContentOptions;
  readonly #holdings = new Map<string, Holding>();

  constructor(options: ContentOptions) {
    this.#options = options;
  }

  get versions(): LinkContentVersions {
    const rows = this.#options.state.all("SELECT kind, version FROM content");
    const found = Object.fromEntries(rows.map(({ kind, version }) => [String(kind), version]));
    return { indicators: 0, rules: 0, policy: 0, ...found };
  }

  /** Indicators in use. */
  get size(): number {
    const count = "SELECT count(*) AS count FROM indicator WHERE is_removed = 0";
    return Number(this.#options.state.one(count)?.count);
  }

  get servers(): readonly ApiContentServer[] {
    return [...this.#holdings].map(([server, { content, pushedMs, error }]) => {
      return {
        ...{ server, content },
        ...(pushedMs === undefined ? {} : { pushedMs }),
        ...(error === undefined ? {} : { error }),
      };
    });
  }

  /** A server came, with these versions. */
  online(server: string, content: LinkContentVersions): void {
    const { last } = this.#holdings.get(server) ?? { last: Promise.resolve() };
    this.#holdings.set(server, { content, last });
    void this.push(server);
  }

  /**
   * Replaces all indicators of a source by those of a text in any of the formats; what stays the
   * same is not sent again.
   * @throws {UndercroftError} ERR_UC_INDICATORS where the text holds none, or there is no room
   */
  upload(source: string, text: string, format?: IndicatorFormat): ApiUpload {
    const found = new Map<string, string>();
    const report = new ImportReport((indicator) => {
      const { id, json } = linkIndicator(source, indicator);
      found.set(id, json);
    });
    const bytes = new TextEncoder().encode(text);
    const importer = importerOf(format ?? guessFormat(bytes, source), source, report);
    importer.push(bytes);
    importer.end();
    if (found.size === 0 && report.problemCount > 0) {
      const { place, reason } = report.problems[0] ?? { place: "", reason: "" };
      throw new UndercroftError("ERR_UC_INDICATORS", `${source}: ${place}: ${reason}`);
    }
    const { state } = this.#options;
    let added = 0;
    let removed = 0;
    const version = this.versions.indicators + 1;
    state.transaction(() => {
      const inUse = "SELECT id FROM indicator WHERE source = ? AND is_removed = 0";
      for (const { id } of state.all(inUse, source)) {
        if (found.has(String(id))) continue;
        const remove = "UPDATE indicator SET is_removed = 1, version = ? WHERE id = ?";
        removed += state.run(remove, version, String(id));
      }
      for (const [id, json] of found) {
        added += state.run(
          `INSERT INTO indicator(id, source, json, version) VALUES(?1, ?2, ?3, ?4)
           ON CONFLICT DO UPDATE SET json = ?3, version = ?4, is_removed = 0
           WHERE is_removed = 1 OR json <> ?3`,
          ...[id, source, json, version],
        );
      }
      if (this.size > INDICATORS_MAX) {
        const message = `there is room for ${INDICATORS_MAX} indicators`;
        throw new UndercroftError("ERR_UC_INDICATORS", message);
      }
      if (added + removed > 0) this.#setVersion("indicators", version);
    });
    this.pushAll();
    const problems = report.problems.map(({ place, reason }) => `${place}: ${reason}`);
    return { added, removed, problems, problemCount: report.problemCount };
  }

  /** Indicators in use that have this value. */
  lookUp(value: string): readonly LinkIndicator[] {
    return this.#options.state
      .all(
        `SELECT json FROM indicator WHERE is_removed = 0
         AND json_extract(json, '$.value') = ? LIMIT 100`,
        value,
      )
      .map(({ json }) => JSON.parse(String(json)) as LinkIndicator);
  }

  get rules(): readonly ApiRuleFile[] {
    const row = this.#options.state.one("SELECT text FROM document WHERE kind = 'rules'");
    return row === undefined ? [] : (JSON.parse(String(row.text)) as ApiRuleFile[]);
  }

  /**
   * Replaces the rules. Returns what of them cannot be used.
   * @throws {UndercroftError} ERR_UC_RULES where none can
   */
  useRules(files: readonly ApiRuleFile[]): readonly string[] {
    const loader = new RuleLoader();
    for (const file of files) loader.add(file);
    const { rules, problems } = loader.finish();
    const errors = problems
      .filter(({ severity }) => severity === "error")
      .map(({ file, message }) => `${file}: ${message}`);
    if (rules.length === 0 && errors.length > 0) {
      throw new UndercroftError("ERR_UC_RULES", errors.slice(0, 5).join("; "));
    }
    this.#useDocument("rules", JSON.stringify(files));
    return errors;
  }

  get policy(): string {
    const row = this.#options.state.one("SELECT text FROM document WHERE kind = 'policy'");
    return String(row?.text ?? "");
  }

  /** @throws {UndercroftError} ERR_UC_POLICY with the line that is wrong */
  usePolicy(text: string): void {
    parsePolicy(text, "the policy");
    this.#useDocument("policy", text);
  }

  pushAll(): void {
    for (const server of this.#options.online()) void this.push(server);
  }

  /** Sends a server what it lacks. */
  push(server: string): Promise<void> {
    const holding = this.#holdings.get(server);
    if (holding === undefined) return Promise.resolve();
    holding.last = holding.last.then(async () => {
      for (const kind of KINDS) await this.#pushKind(server, holding, kind);
    });
    return holding.last;
  }

  async #pushKind(server: string, holding: Holding, kind: ContentKind): Promise<void> {
    const version = this.versions[kind];
    if (version === 0 || holding.content[kind] === version) return;
    const ask = (base: number): Promise<LinkAnswer> =>
      this.#options.request(server, this.#requestOf(kind, base), { timeoutMs: PUSH_MS });
    let answer = await ask(holding.content[kind]);
    // A server that is not where we thought gets everything.
    if (!answer.ok && kind === "indicators" && holding.content[kind] !== 0) answer = await ask(0);
    if (answer.ok) {
      const { content, refused, reasons } = answer.value as LinkContentTaken;
      holding.content = content;
      holding.pushedMs = this.#options.nowMs();
      if (refused === 0) delete holding.error;
      else holding.error = `${kind}: ${refused} refused: ${reasons[0] ?? ""}`;
    } else holding.error = `${kind}: ${answer.message}`;
  }

  #requestOf(kind: ContentKind, base: number): LinkRequest {
    const version = this.versions[kind];
    if (kind === "policy") return { kind, version, text: this.policy };
    if (kind === "rules") return { kind, version, files: this.rules };
    const { state } = this.#options;
    // A version from another life of this manager is no base.
    const from = base < version ? base : 0;
    const rows = state.all("SELECT id, json, is_removed FROM indicator WHERE version > ?", from);
    const added = rows.filter((row) => row.is_removed === 0);
    const removed = from === 0 ? [] : rows.filter((row) => row.is_removed === 1);
    return {
      ...{ kind, base: from, version, removed: removed.map(({ id }) => String(id)) },
      added: added.map(({ json }) => JSON.parse(String(json)) as LinkIndicator),
    };
  }

  #useDocument(kind: "rules" | "policy", text: string): void {
    const { state } = this.#options;
    const version = this.versions[kind] + 1;
    state.transaction(() => {
      const put =
        "INSERT INTO document(kind, text) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET text = ?2";
      state.run(put, kind, text);
      this.#setVersion(kind, version);
    });
    this.pushAll();
  }

  #setVersion(kind: ContentKind, version: number): void {
    this.#options.state.run(
      `INSERT INTO content(kind, version) VALUES(?1, ?2)
       ON CONFLICT DO UPDATE SET version = ?2`,
      ...[kind, version],
    );
  }
}

// Ids are unique over all sources on their way.
function linkIndicator(source: string, indicator: Indicator): { id: string; json: string } {
  const { kind, value, title, severity, confidence, tlp, validUntilMs } = indicator;
  const id = `${source}/${indicator.id}`;
  const one: LinkIndicator = {
    ...{ id, kind, value, source, title, severity },
    ...(confidence === undefined ? {} : { confidence }),
    ...(tlp === undefined ? {} : { tlp }),
    ...(validUntilMs === undefined ? {} : { validUntilMs }),
  };
  return { id, json: JSON.stringify(one) };
}
