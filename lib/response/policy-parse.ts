// SPDX-License-Identifier: Apache-2.0
// A response policy from YAML (or JSON, which is YAML). Every problem of the file is named by its
// line and place before anything of it is used.
import { isNode, Lexer, LineCounter, parseDocument } from "yaml";
import { UndercroftError } from "../errors/errors.ts";
import type { Severity } from "../model/model.ts";
import { parseAddressRange } from "../wire/wire.ts";
import {
  DEFAULT_POLICY,
  type PolicyAction,
  type PolicyRule,
  policyRule,
  type ResponseLimit,
  type ResponsePolicy,
} from "./policy.ts";

const ACTIONS: readonly PolicyAction[] = [
  ...(["alert", "deny-exec", "deny-open", "drop", "isolate"] as const),
  ...(["kill", "kill-tree", "pause", "snapshot"] as const),
];
const SEVERITIES: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];
const POLICY_FIELDS = [
  ...["name", "dryRun", "rules", "limit", "isolationAllow"],
  ...["protectedPids", "protectedNames", "protectedGuests"],
];
const RULE_FIELDS = [
  ...["name", "tags", "rules", "severityMin", "guests", "actions"],
  ...["blockSeconds", "dryRun", "approvalSeconds", "limit"],
];

/** Characters of a policy: a thousand rules fit. */
const LENGTH_MAX = 1_048_576;
const DEPTH_MAX = 20;

/**
 * Reads a policy; docs/response.md has the fields. source: a path, for messages.
 * @throws {UndercroftError} ERR_UC_POLICY naming every problem by line and column
 */
export function parsePolicy(text: string, source: string): ResponsePolicy {
  refuseMonsters(text, source);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: { readonly at: number; readonly what: string }[] = [];
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    problems.push({ at: pos[0], what: reasonOf(message) });
  }
  if (problems.length === 0) {
    const reader = new PolicyReader((path, what) => {
      problems.push({ at: placeOf(document, path), what: `${pathText(path)}: ${what}` });
    });
    const policy = reader.policy(plainValue(document));
    if (problems.length === 0) return policy;
  }
  problems.sort((one, other) => one.at - other.at);
  const named = problems.map(({ at, what }) => {
    const { line, col } = lines.linePos(at);
    return `${source}:${line}:${col}: ${what}`;
  });
  throw invalidPolicy(source, named);
}

// Before the library sees it: that goes down with each level, and keeps what it goes through.
function refuseMonsters(text: string, source: string): void {
  if (text.length > LENGTH_MAX) {
    throw invalidPolicy(source, [`${source}: has more than ${LENGTH_MAX} characters`]);
  }
  let depth = 0;
  let line = 1;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === "[" || lexeme === "{") depth++;
    else if (lexeme === "]" || lexeme === "}") depth--;
    if (depth > DEPTH_MAX) {
      throw invalidPolicy(source, [`${source}:${line}: nested deeper than ${DEPTH_MAX}`]);
    }
    for (let at = lexeme.indexOf("\n"); at >= 0; at = lexeme.indexOf("\n", at + 1)) line++;
  }
}

// Levels by indentation are bounded by the stack alone; what the library says speaks of itself.
const reasonOf = (message: string): string =>
  /^Maximum call stack|Stack overflow/.test(message) ? "nested too deeply" : message;

function invalidPolicy(source: string, named: readonly string[]): UndercroftError {
  return new UndercroftError(
    "ERR_UC_POLICY",
    `${source}: the response policy is not valid; it is not used\n${named.join("\n")}`,
    { path: source, problems: named.length },
  );
}

type Path = readonly (number | string)[];
type Fields = Readonly<Record<string, unknown>>;

// An alias without its anchor shows only here, and has no place.
function plainValue(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS();
  } catch {
    return undefined;
  }
}

// The node itself, or what holds it where the node is missing.
function placeOf(document: ReturnType<typeof parseDocument>, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

const pathText = (path: Path): string =>
  path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .slice(1) || "policy";

// Reads on after a problem, so that a person sees all of them at once.
class PolicyReader {
  readonly #problem: (path: Path, what: string) => void;

  constructor(problem: (path: Path, what: string) => void) {
    this.#problem = problem;
  }

  policy(value: unknown): ResponsePolicy {
    const fields = this.#fields(value, [], POLICY_FIELDS);
    if (fields === undefined) return DEFAULT_POLICY;
    const rules = this.#list(fields.rules, ["rules"]);
    return {
      name: this.#text(fields.name, ["name"]),
      dryRun: this.#flag(fields.dryRun, ["dryRun"]),
      rules: rules.map((rule, index) => this.#rule(rule, ["rules", index])),
      protectedPids: this.#items(fields.protectedPids, ["protectedPids"], isCount, [1]),
      protectedNames: this.#items(fields.protectedNames, ["protectedNames"], isText, []),
      protectedGuests: this.#items(fields.protectedGuests, ["protectedGuests"], isText, []),
      isolationAllow: this.#items(fields.isolationAllow, ["isolationAllow"], isRange, []),
      ...this.#limit(fields.limit, ["limit"]),
    };
  }

  #rule(value: unknown, path: Path): PolicyRule {
    const fields = this.#fields(value, path, RULE_FIELDS);
    if (fields === undefined) return policyRule({ name: "", actions: [] });
    const severityMin = fields.severityMin ?? "informational";
    if (!isSeverity(severityMin)) {
      this.#problem([...path, "severityMin"], `not one of ${SEVERITIES.join(", ")}`);
    }
    const actionsPath = [...path, "actions"];
    const actions = this.#items(fields.actions, actionsPath, isAction, undefined);
    const approval = this.#seconds(fields.approvalSeconds, path, "approvalSeconds");
    const isDeny = actions.some((action) => action === "deny-exec" || action === "deny-open");
    if (isDeny && approval.approvalSeconds !== undefined) {
      this.#problem(actionsPath, "deny rules are there before a finding: nobody can be asked");
    }
    return {
      name: this.#text(fields.name, [...path, "name"]),
      tags: this.#items(fields.tags, [...path, "tags"], isText, []),
      rules: this.#items(fields.rules, [...path, "rules"], isText, []),
      severityMin: isSeverity(severityMin) ? severityMin : "informational",
      guests: this.#items(fields.guests, [...path, "guests"], isText, []),
      actions,
      dryRun: this.#flag(fields.dryRun, [...path, "dryRun"]),
      ...this.#seconds(fields.blockSeconds, path, "blockSeconds"),
      ...approval,
      ...this.#limit(fields.limit, [...path, "limit"]),
    };
  }

  #limit(value: unknown, path: Path): { readonly limit?: ResponseLimit } {
    if (value === undefined) return {};
    const fields = this.#fields(value, path, ["count", "seconds"]);
    if (fields === undefined) return {};
    const { count, seconds } = fields;
    if (isCount(count) && isCount(seconds)) return { limit: { count, seconds } };
    this.#problem(path, "not { count, seconds } with whole numbers above 0");
    return {};
  }

  #seconds<Name extends "approvalSeconds" | "blockSeconds">(
    value: unknown,
    path: Path,
    name: Name,
  ): { readonly [name in Name]?: number } {
    if (isCount(value)) return { [name]: value } as { readonly [name in Name]?: number };
    if (value !== undefined) {
      this.#problem([...path, name], "not a whole number of seconds above 0");
    }
    return {};
  }

  #fields(value: unknown, path: Path, known: readonly string[]): Fields | undefined {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.#problem(path, "not an object");
      return undefined;
    }
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) {
        this.#problem([...path, key], `not a known field; known are ${known.join(", ")}`);
      }
    }
    return Object.fromEntries(Object.entries(value));
  }

  #list(value: unknown, path: Path): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.#problem(path, value === undefined ? "missing" : "not a list");
    return [];
  }

  #text(value: unknown, path: Path): string {
    if (isText(value)) return value;
    this.#problem(path, value === undefined ? "missing" : "not a text");
    return "";
  }

  #flag(value: unknown, path: Path): boolean {
    if (typeof value === "boolean" || value === undefined) return value === true;
    this.#problem(path, "neither true nor false");
    return false;
  }

  /** instead: what counts where the list is not there; undefined: it must be. */
  #items<T>(
    value: unknown,
    path: Path,
    is: (item: unknown) => item is T,
    instead: readonly T[] | undefined,
  ): readonly T[] {
    if (value === undefined && instead !== undefined) return instead;
    return this.#list(value, path).flatMap((item, index) => {
      if (is(item)) return [item];
      this.#problem([...path, index], `${JSON.stringify(item)} cannot stand here`);
      return [];
    });
  }
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;
const isRange = (value: unknown): value is string =>
  isText(value) && parseAddressRange(value) !== undefined;
const isAction = (value: unknown): value is PolicyAction => ACTIONS.some((one) => one === value);
const isSeverity = (value: unknown): value is Severity => SEVERITIES.some((one) => one === value);
