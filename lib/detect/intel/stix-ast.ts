// SPDX-License-Identifier: Apache-2.0
// A STIX 2.1 pattern (specification §9) as a tree. Made by the parser; read by the evaluator and by
// the compiler into stores.

/** A constant of a pattern. Times are kept as text: they may have any number of digits. */
export type StixLiteral =
  | { readonly type: "string" | "timestamp"; readonly value: string }
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "binary"; readonly value: Uint8Array };

/** A step into an object: a property by name, an element of a list by index, or all of them. */
export type StixStep = string | number | "*each";

/** `type:step.step[0]`. */
export interface StixPath {
  readonly type: string;
  readonly steps: readonly StixStep[];
  /** The path as it is written, every index as `[*]`: what it means, whatever the place. */
  readonly key: string;
}

export type StixOperator =
  | "="
  | "!="
  | "<"
  | ">"
  | "<="
  | ">="
  | "IN"
  | "LIKE"
  | "MATCHES"
  | "ISSUBSET"
  | "ISSUPERSET"
  | "EXISTS";

/** One comparison. `values`: none for EXISTS, any number for IN, one else. */
export interface StixTest {
  readonly op: "test";
  readonly path: StixPath;
  readonly operator: StixOperator;
  readonly isNegated: boolean;
  readonly values: readonly StixLiteral[];
}

export type StixComparison =
  | StixTest
  | { readonly op: "and" | "or"; readonly parts: readonly StixComparison[] };

export type StixExpression =
  | { readonly op: "observe"; readonly comparison: StixComparison }
  | { readonly op: "and" | "or" | "followedby"; readonly parts: readonly StixExpression[] }
  | StixQualified;

/** An expression with one qualifier. */
export type StixQualified =
  | (Qualifier & { readonly op: "within"; readonly seconds: number })
  | (Qualifier & { readonly op: "repeats"; readonly times: number })
  | (Qualifier & { readonly op: "between"; readonly start: string; readonly stop: string });

interface Qualifier {
  readonly of: StixExpression;
  /** One pair of brackets has two qualifiers of this type, which the specification forbids. */
  readonly isDouble?: true;
}

/** Stands for `[*]` among the steps; no property is named so. */
export const EACH = "*each";

/** A path of a type and steps. */
export function stixPath(type: string, steps: readonly StixStep[]): StixPath {
  let text = "";
  for (const step of steps) {
    if (step === EACH || typeof step === "number") text += "[*]";
    else text += `${text === "" ? "" : "."}${/^\w+$/.test(step) ? step : `'${step}'`}`;
  }
  return { type, steps, key: `${type}:${text}` };
}
