// SPDX-License-Identifier: Apache-2.0
// A response policy from JSON. Every problem of the file is named by its place before anything of
// it is used.
import { UndercroftError } from "../errors/errors.ts";
import type { Severity } from "../model/model.ts";
import { parseAddressRange } from "../wire/wire.ts";
import type { PolicyAction, PolicyRule, ResponsePolicy } from "./policy.ts";

const ACTIONS: readonly PolicyAction[] = [
  "alert",
  "kill",
  "deny-open",
  "deny-exec",
  "drop",
  "isolate",
];
const SEVERITIES: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];

/**
 * Reads a policy: `{"name", "rules": [{"name", "tags", "severityMin", "actions", "blockSeconds"}],
 * "protectedPids", "protectedNames", "isolationAllow"}`. tags, severityMin, blockSeconds of a rule
 * and the lists may be left out.
 * @throws {UndercroftError} ERR_UC_POLICY
 */
export function parsePolicy(text: string, source: string): ResponsePolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UndercroftError("ERR_UC_POLICY", `${source}: not JSON: ${why}`, { path: source });
  }
  const problems: string[] = [];
  const reader = new PolicyReader(problems);
  const policy = reader.policy(value);
  if (problems.length === 0) return policy;
  throw new UndercroftError(
    "ERR_UC_POLICY",
    `${source}: the response policy is not valid; it is not used\n${problems.join("\n")}`,
    { path: source, problems: problems.length },
  );
}

type Fields = Readonly<Record<string, unknown>>;

// Reads on after a problem, so that a person sees all of them at once.
class PolicyReader {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  policy(value: unknown): ResponsePolicy {
    const known = ["name", "rules", "protectedPids", "protectedNames", "isolationAllow"];
    const fields = this.#fields(value, "policy", known);
    const rules = this.#list(fields.rules, "rules");
    return {
      name: this.#text(fields.name, "name"),
      rules: rules.map((rule, index) => this.#rule(rule, `rules[${index}]`)),
      protectedPids: this.#optional(fields.protectedPids, "protectedPids", isCount, [1]),
      protectedNames: this.#optional(fields.protectedNames, "protectedNames", isText, []),
      isolationAllow: this.#optional(fields.isolationAllow, "isolationAllow", isRange, []),
    };
  }

  #rule(value: unknown, place: string): PolicyRule {
    const fields = this.#fields(value, place, [
      "name",
      "tags",
      "severityMin",
      "actions",
      "blockSeconds",
    ]);
    const { blockSeconds } = fields;
    if (blockSeconds !== undefined && !isCount(blockSeconds)) {
      this.#problems.push(`${place}.blockSeconds: not a whole number of seconds above 0`);
    }
    const severityMin = fields.severityMin ?? "informational";
    if (!isOneOf(SEVERITIES)(severityMin)) {
      this.#problems.push(`${place}.severityMin: not one of ${SEVERITIES.join(", ")}`);
    }
    return {
      name: this.#text(fields.name, `${place}.name`),
      tags: this.#optional(fields.tags, `${place}.tags`, isText, []),
      severityMin: isOneOf(SEVERITIES)(severityMin) ? severityMin : "informational",
      actions: this.#required(fields.actions, `${place}.actions`, isOneOf(ACTIONS)),
      ...(isCount(blockSeconds) ? { blockSeconds } : {}),
    };
  }

  #fields(value: unknown, place: string, known: readonly string[]): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.#problems.push(`${place}: not an object`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) this.#problems.push(`${place}.${key}: not a known field`);
    }
    return Object.fromEntries(Object.entries(value));
  }

  #list(value: unknown, place: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.#problems.push(`${place}: not a list`);
    return [];
  }

  #text(value: unknown, place: string): string {
    if (isText(value)) return value;
    this.#problems.push(`${place}: not a text`);
    return "";
  }

  #required<T>(value: unknown, place: string, is: (item: unknown) => item is T): readonly T[] {
    return this.#list(value, place).flatMap((item, index) => {
      if (is(item)) return [item];
      this.#problems.push(`${place}[${index}]: ${JSON.stringify(item)} cannot stand here`);
      return [];
    });
  }

  #optional<T>(
    value: unknown,
    place: string,
    is: (item: unknown) => item is T,
    instead: readonly T[],
  ): readonly T[] {
    return value === undefined ? instead : this.#required(value, place, is);
  }
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value > 0;
const isRange = (value: unknown): value is string =>
  isText(value) && parseAddressRange(value) !== undefined;
const isOneOf =
  <T extends string>(list: readonly T[]) =>
  (value: unknown): value is T =>
    list.some((item) => item === value);
