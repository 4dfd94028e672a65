// SPDX-License-Identifier: Apache-2.0
// A search as text again, so that one made by a program or by clicks can be shown and edited:
// parsing what is printed gives the same search.
import type { FieldType } from "../model/model.ts";
import { durationText, pointText } from "./literals.ts";
import { type FieldSchema, typeOf } from "./schema.ts";
import type { Bound, Condition, Pattern, Point, Search, SortKey, Stage, Test } from "./syntax.ts";
import { aggregateColumn } from "./syntax.ts";

/** Prints a search that was parsed with the same schema. */
export function printSearch({ where, stages }: Search, schema: FieldSchema): string {
  const condition = where.kind === "all" ? "" : conditionText(where, schema);
  return [condition, ...stages.map((stage) => `| ${stageText(stage)}`)].join(" ").trim();
}

function conditionText(condition: Condition, schema: FieldSchema): string {
  switch (condition.kind) {
    case "all":
      return "*";
    case "and":
    case "or":
      return condition.items
        .map((item) => inChain(item, schema))
        .join(condition.kind === "and" ? " AND " : " OR ");
    case "not":
      return `NOT ${inChain(condition.item, schema)}`;
    case "word":
      return patternText(condition.pattern);
    case "test": {
      const { field, test } = condition;
      return `${field}:${testText(test, typeOf(schema, field) ?? "text")}`;
    }
  }
}

function inChain(item: Condition, schema: FieldSchema): string {
  const text = conditionText(item, schema);
  return item.kind === "and" || item.kind === "or" ? `(${text})` : text;
}

function testText(test: Test, type: FieldType): string {
  switch (test.kind) {
    case "exists":
      return "*";
    case "text":
      return patternText(test.pattern);
    case "network":
      return test.text;
    case "flag":
      return String(test.value);
    case "range":
      return rangeText(test.low, test.high, type);
  }
}

function rangeText(low: Bound | undefined, high: Bound | undefined, type: FieldType): string {
  const first = low === undefined ? "*" : pointText(type, low.value);
  const last = high === undefined ? "*" : pointText(type, high.value);
  if (low?.isIncluded === true && high?.isIncluded === true && isSame(low.value, high.value)) {
    return first;
  }
  if (high === undefined && low !== undefined) return `${low.isIncluded ? ">=" : ">"}${first}`;
  if (low === undefined && high !== undefined) return `${high.isIncluded ? "<=" : "<"}${last}`;
  const open = low?.isIncluded === false ? "{" : "[";
  const close = high?.isIncluded === false ? "}" : "]";
  return `${open}${first} TO ${last}${close}`;
}

function isSame(a: Point, b: Point): boolean {
  return typeof a === "object" && typeof b === "object" ? a.fromNowMs === b.fromNowMs : a === b;
}

/** Whatever is not plainly a word is quoted, also what could be a field or a keyword. */
function patternText(pattern: Pattern): string {
  if (pattern.length === 0) return '""';
  return pattern
    .map((part) => {
      if (part === "any") return "*";
      if (part === "one") return "?";
      const isPlain = /^[A-Za-z0-9_./\\@%+=-]+$/.test(part.text) && !/\\$/.test(part.text);
      const isWord = isPlain && !/^(and|or|not)$/i.test(part.text);
      const isBare = isWord && !part.text.includes("\\\\");
      return !isBare ? `"${part.text.replaceAll(/[\\"]/g, "\\$&")}"` : part.text;
    })
    .join("");
}

function stageText(stage: Stage): string {
  switch (stage.kind) {
    case "stats": {
      const by = stage.by.map(({ field, stepMs }) =>
        stepMs === undefined ? field : `bin(${field}, ${durationText(stepMs)})`,
      );
      const makes = stage.makes.map(aggregateColumn).join(", ");
      return `stats ${makes}${by.length === 0 ? "" : ` by ${by.join(", ")}`}`;
    }
    case "sort":
      return `sort ${stage.keys.map(sortText).join(", ")}`;
    case "fields":
      return `fields ${stage.names.join(", ")}`;
    case "limit":
      return `limit ${stage.count}`;
  }
}

function sortText({ column, isDescending }: SortKey): string {
  return `${isDescending ? "-" : ""}${column}`;
}
