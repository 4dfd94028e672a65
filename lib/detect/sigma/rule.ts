// SPDX-License-Identifier: Apache-2.0
// A Sigma rule after parsing: types only. Made by the parsers, read by the interpreter, the
// compiler and whoever shows a match.
import type { Severity } from "../../model/model.ts";
import type { AddressRange } from "../../wire/wire.ts";
import type { TextPattern } from "./text-pattern.ts";

/** Of what log a rule speaks; parts that it leaves open are absent. Lower case. */
export interface LogSource {
  readonly category?: string;
  readonly product?: string;
  readonly service?: string;
}

export type TimePart = "minute" | "hour" | "day" | "week" | "month" | "year";
export type NumberOperator = "lt" | "lte" | "gt" | "gte" | "eq";

/** What a field's value is asked. A field without a value answers no, but to null and exists. */
export type Test =
  | {
      readonly kind: "text";
      /** Folded as `cased` and `dashes` ask; so must be the value that it is compared with. */
      readonly pattern: TextPattern;
      /** The value as the rule wrote it. */
      readonly written: string;
      readonly cased: boolean;
      /** All dashes of `windash` count as one. */
      readonly dashes: boolean;
    }
  | { readonly kind: "regex"; readonly source: string; readonly flags: string }
  | {
      readonly kind: "number";
      readonly operator: NumberOperator;
      readonly value: number;
      readonly part?: TimePart;
    }
  | { readonly kind: "cidr"; readonly range: AddressRange; readonly text: string }
  | { readonly kind: "exists"; readonly wanted: boolean }
  | { readonly kind: "null" }
  | {
      readonly kind: "field";
      readonly field: string;
      readonly place: "equals" | "contains" | "startswith" | "endswith";
      readonly cased: boolean;
    };

/** One test of one field. Without a field it is a keyword: any value of the event may answer. */
export interface Leaf {
  readonly kind: "leaf";
  readonly field: string | undefined;
  /** As the rule wrote it, with its modifiers: `CommandLine|contains|all`. */
  readonly key: string;
  readonly test: Test;
}

/** A condition over leaves. Selections that a condition names twice are one object. */
export type Expression =
  | Leaf
  | {
      readonly kind: "and" | "or";
      readonly items: readonly Expression[];
      /** Name of the selection that it is, or the key with its modifiers. */
      readonly name?: string;
    }
  | { readonly kind: "not"; readonly item: Expression };

export interface RelatedRule {
  readonly id: string;
  readonly type: string;
}

/** What rules, correlations and filters say of themselves. */
export interface RuleHead {
  /** The id, else the name, else the title. Unique in a rule set. */
  readonly key: string;
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** Must be shown with every match of a rule under the Detection Rule License. */
  readonly author: string;
  readonly status: string;
  readonly date: string;
  readonly modified: string;
  readonly license: string;
  readonly taxonomy: string;
  readonly references: readonly string[];
  readonly tags: readonly string[];
  readonly falsePositives: readonly string[];
  /** The level; medium where the rule has none. */
  readonly severity: Severity;
  readonly related: readonly RelatedRule[];
  /** Where it was read. */
  readonly file: string;
  readonly line: number;
}

export interface SigmaRule extends RuleHead {
  readonly kind: "rule";
  readonly source: LogSource;
  readonly expression: Expression;
  /** Fields that the author wants shown. */
  readonly fields: readonly string[];
}

export type CorrelationType =
  | "event_count"
  | "value_count"
  | "temporal"
  | "temporal_ordered"
  | "value_sum"
  | "value_avg"
  | "value_percentile";

export type Comparison = "gt" | "gte" | "lt" | "lte" | "eq" | "neq";

/** One side of a range: the figure must compare so with the value. */
export interface Threshold {
  readonly comparison: Comparison;
  readonly value: number;
}

export interface SigmaCorrelation extends RuleHead {
  readonly kind: "correlation";
  readonly type: CorrelationType;
  /** Ids or names as written; {@link SigmaRuleSet} says which rules they are. */
  readonly rules: readonly string[];
  readonly groupBy: readonly string[];
  /** Alias to (rule's name as written to field). */
  readonly aliases: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly timespanMs: number;
  /** All must hold. Empty only in temporal ones: every rule must have matched. */
  readonly thresholds: readonly Threshold[];
  /** What is counted, summed and so on; several count as one value together. */
  readonly fields: readonly string[];
  /** Which percentile of the values is compared; absent: the share of each value is. */
  readonly percentile?: number;
  /** The rules that it refers to are reported by themselves too. */
  readonly generate: boolean;
}

export interface SigmaFilter extends RuleHead {
  readonly kind: "filter";
  readonly source: LogSource;
  /** Ids or names of rules; absent: all of the log source. */
  readonly rules: readonly string[] | undefined;
  /** Must hold too wherever one of the rules matches. */
  readonly expression: Expression;
}
