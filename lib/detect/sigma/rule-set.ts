// SPDX-License-Identifier: Apache-2.0
// Many files to one set of rules that fit together: ids are unique, filters are applied, and every
// correlation knows its rules. Made by whoever read the files; nothing here opens one.
import type { ValueContext } from "./modifiers.ts";
import type { ProblemSeverity, SigmaProblem } from "./problem.ts";
import type { SigmaCorrelation, SigmaFilter, SigmaRule } from "./rule.ts";
import { nameOf } from "./rule-head.ts";
import { parseRule } from "./rule-parser.ts";
import { YamlFault } from "./yaml-node.ts";
import { type DocumentText, placeIn, readDocument, splitDocuments } from "./yaml-reader.ts";

/** A file's name, as problems shall call it, and its text. */
export interface RuleFile {
  readonly name: string;
  readonly text: string;
}

export interface RuleSetOptions {
  /** Values for `%name%` in rules with `expand`, by name. */
  readonly placeholders?: Readonly<Record<string, readonly string[]>>;
}

/** A correlation with the rules that it refers to, in its own order. */
export interface LinkedCorrelation {
  readonly correlation: SigmaCorrelation;
  readonly inputs: ReadonlyArray<SigmaRule | SigmaCorrelation>;
}

/** Rules ready to be compiled. */
export interface SigmaRuleSet {
  /** With the filters that apply in their conditions. */
  readonly rules: readonly SigmaRule[];
  /** Each after those that it refers to. */
  readonly correlations: readonly LinkedCorrelation[];
  readonly filters: readonly SigmaFilter[];
  /** Keys of rules that only feed correlations and are not reported by themselves. */
  readonly silent: ReadonlySet<string>;
  /** Everything wrong, in the order of files and lines. */
  readonly problems: readonly SigmaProblem[];
}

type Document = SigmaRule | SigmaCorrelation | SigmaFilter;

/** Loads rules; what is wrong with one keeps no other from being loaded. Never throws. */
export function loadRules(files: Iterable<RuleFile>, options: RuleSetOptions = {}): SigmaRuleSet {
  const loader = new RuleLoader(options);
  for (const file of files) loader.add(file);
  return loader.finish();
}

/** Loads rules file by file, for whoever has other things to do in between. */
export class RuleLoader {
  readonly #placeholders: ReadonlyMap<string, readonly string[]>;
  readonly #chains: ValueContext["chains"] = new Map();
  readonly #problems: SigmaProblem[] = [];
  /** By id and by name: both are ways to refer to a rule. */
  readonly #byReference = new Map<string, Document>();
  readonly #keys = new Map<string, Document>();
  readonly #documents: Document[] = [];

  constructor(options: RuleSetOptions = {}) {
    this.#placeholders = new Map(Object.entries(options.placeholders ?? {}));
  }

  /** Reads one file; what is wrong with it is told at the end. */
  add({ name, text }: RuleFile): void {
    let isCollection = false;
    for (const document of splitDocuments(text)) {
      if (isCollection) {
        const message = "not loaded: a document with action before it may change its meaning";
        this.#problem("error", name, document, 0, "", message);
        continue;
      }
      isCollection = this.#readOne(name, document);
    }
  }

  /** The rules of all files, as they fit together. */
  finish(): SigmaRuleSet {
    const filters = this.#documents.filter((document) => document.kind === "filter");
    const rules = this.#filtered(filters);
    const correlations = this.#linked(rules);
    return {
      rules: [...rules.values()],
      correlations,
      filters,
      silent: silentKeys(correlations),
      problems: this.#problems,
    };
  }

  /** Reads one document; true where it is part of a collection of Sigma 1. */
  #readOne(file: string, document: DocumentText): boolean {
    let rule = "";
    let isCollection = false;
    try {
      const node = readDocument(document.text);
      if (node.kind === "map") {
        rule = nameOf(node);
        isCollection = node.entries.some(({ key }) => key.text === "action");
      }
      const context: ValueContext = {
        placeholders: this.#placeholders,
        chains: this.#chains,
        warn: (message, at) => this.#problem("warning", file, document, at, rule, message),
      };
      const { line } = placeIn(document, node.at);
      this.#take(parseRule(node, { file, line }, context));
    } catch (cause) {
      if (!(cause instanceof YamlFault)) throw cause;
      this.#problem("error", file, document, cause.at, rule, cause.message);
    }
    return isCollection;
  }

  #take(document: Document): void {
    const references = [document.id, document.name].filter((reference) => reference !== "");
    for (const reference of references) {
      const first = this.#byReference.get(reference);
      if (first === undefined) continue;
      const what = reference === document.id ? "id" : "name";
      const where = `${first.file}:${first.line}`;
      this.#report("error", document, `the ${what} "${reference}" is that of ${where} already`);
      return;
    }
    const known = this.#keys.get(document.key);
    if (known !== undefined) {
      const where = `${known.file}:${known.line}`;
      this.#report("error", document, `without id or name, and its title is that of ${where}`);
      return;
    }
    this.#keys.set(document.key, document);
    for (const reference of references) this.#byReference.set(reference, document);
    this.#documents.push(document);
  }

  #filtered(filters: readonly SigmaFilter[]): Map<string, SigmaRule> {
    const rules = new Map<string, SigmaRule>();
    for (const document of this.#documents) {
      if (document.kind === "rule") rules.set(document.key, document);
    }
    for (const filter of filters) {
      const before = this.#problems.length;
      const targets = this.#targetsOf(filter, rules);
      for (const rule of targets) {
        const name = `filter "${filter.title}"`;
        const condition = { kind: "and", items: [filter.expression], name } as const;
        const expression = { kind: "and", items: [rule.expression, condition] } as const;
        rules.set(rule.key, { ...rule, expression });
      }
      if (targets.length === 0 && this.#problems.length === before) {
        this.#report("warning", filter, "no rule that it applies to is loaded");
      }
    }
    return rules;
  }

  #targetsOf(filter: SigmaFilter, rules: ReadonlyMap<string, SigmaRule>): SigmaRule[] {
    const fits = (rule: SigmaRule): boolean =>
      (["category", "product", "service"] as const).every(
        (part) => filter.source[part] === undefined || filter.source[part] === rule.source[part],
      );
    if (filter.rules === undefined) return [...rules.values()].filter(fits);
    return filter.rules.flatMap((reference) => {
      const named = this.#byReference.get(reference);
      // As it is by now: another filter may have changed it.
      const rule = named === undefined ? undefined : rules.get(named.key);
      if (rule !== undefined && fits(rule)) return [rule];
      const why = rule === undefined ? "is not loaded" : "is of another log source";
      this.#report("warning", filter, `the rule "${reference}" ${why}`);
      return [];
    });
  }

  #linked(rules: ReadonlyMap<string, SigmaRule>): LinkedCorrelation[] {
    const linked = new Map<string, LinkedCorrelation | "open" | "refused">();
    const link = (correlation: SigmaCorrelation): LinkedCorrelation | undefined => {
      const known = linked.get(correlation.key);
      if (known === "open") {
        this.#report("error", correlation, "refers to itself through the rules it names");
        return undefined;
      }
      if (known !== undefined) return known === "refused" ? undefined : known;
      linked.set(correlation.key, "open");
      const inputs: Array<SigmaRule | SigmaCorrelation> = [];
      for (const reference of correlation.rules) {
        const input = this.#inputOf(reference, correlation, rules, link);
        if (input !== undefined) inputs.push(input);
      }
      const isWhole = inputs.length === correlation.rules.length;
      const result = isWhole ? { correlation, inputs } : undefined;
      // Set last, so that the map's order has each after its inputs.
      linked.delete(correlation.key);
      linked.set(correlation.key, result ?? "refused");
      return result;
    };
    for (const document of this.#documents) if (document.kind === "correlation") link(document);
    return [...linked.values()].filter((one) => typeof one !== "string");
  }

  #inputOf(
    reference: string,
    correlation: SigmaCorrelation,
    rules: ReadonlyMap<string, SigmaRule>,
    link: (correlation: SigmaCorrelation) => LinkedCorrelation | undefined,
  ): SigmaRule | SigmaCorrelation | undefined {
    const named = this.#byReference.get(reference);
    if (named?.kind === "rule") return rules.get(named.key);
    if (named?.kind === "correlation") {
      if (link(named) !== undefined) return named;
      this.#report("error", correlation, `the correlation "${reference}" is not usable`);
      return undefined;
    }
    const why = named === undefined ? "no rule has this id or name" : "that is a filter";
    this.#report("error", correlation, `names "${reference}": ${why}`);
    return undefined;
  }

  #report(severity: ProblemSeverity, document: Document, message: string): void {
    const { file, line, title } = document;
    this.#problems.push({ file, line, column: 1, severity, rule: title, message });
  }

  #problem(
    severity: ProblemSeverity,
    file: string,
    document: DocumentText,
    at: number,
    rule: string,
    message: string,
  ): void {
    this.#problems.push({ file, ...placeIn(document, at), severity, rule, message });
  }
}

/** Rules that a correlation names are its parts, unless one asks for them (`generate`). */
function silentKeys(correlations: readonly LinkedCorrelation[]): Set<string> {
  const silent = new Set<string>();
  const generated = new Set<string>();
  for (const { correlation, inputs } of correlations) {
    for (const { key } of inputs) (correlation.generate ? generated : silent).add(key);
  }
  for (const key of generated) silent.delete(key);
  return silent;
}
