// SPDX-License-Identifier: Apache-2.0
// What every Sigma document says of itself: title, id, level and so on, held against the limits of
// the JSON schemas 2.1.0. What only spoils the looks is a warning. Called by the rule parsers.
import type { Severity } from "../../model/model.ts";
import type { LogSource, RelatedRule, RuleHead } from "./rule.ts";
import { YamlFault, type YamlMap, type YamlNode } from "./yaml-node.ts";

const TITLE_LENGTH_MAX = 256;
const DESCRIPTION_LENGTH_MAX = 65_535;
const LEVELS: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];
const STATUSES = ["stable", "test", "experimental", "deprecated", "unsupported"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DATE = /^\d{4}-(0[1-9]|1[012])-(0[1-9]|[12]\d|3[01])$/;
const TAG = /^[a-z0-9_-]+\.[a-z0-9._-]+$/;

/** Where a document's warnings go. */
export type Warn = (message: string, at: number) => void;

/** The value of a key, or undefined. */
export function entryOf(map: YamlMap, key: string): YamlNode | undefined {
  return map.entries.find((entry) => entry.key.text === key)?.value;
}

/**
 * The value of a key that must be a map.
 * @throws {YamlFault}
 */
export function mapAt(map: YamlMap, key: string): YamlMap {
  const value = entryOf(map, key);
  if (value?.kind === "map") return value;
  throw new YamlFault(`needs a map "${key}"`, value?.at ?? map.at);
}

/**
 * Text of a key; empty where it is absent.
 * @throws {YamlFault} where it is a list or a map
 */
export function textAt(map: YamlMap, key: string): string {
  const value = entryOf(map, key);
  if (value === undefined) return "";
  if (value.kind !== "scalar") throw new YamlFault(`"${key}" must be text`, value.at);
  return value.value === null ? "" : value.text;
}

/**
 * Texts of a key, one or a list of them; empty where it is absent.
 * @throws {YamlFault} where an item is no text
 */
export function textsAt(map: YamlMap, key: string): string[] {
  const value = entryOf(map, key);
  if (value === undefined || (value.kind === "scalar" && value.value === null)) return [];
  const items = value.kind === "list" ? value.items : [value];
  return items.map((item) => {
    if (item.kind === "scalar") return item.text;
    throw new YamlFault(`"${key}" must be a list of texts`, item.at);
  });
}

/** What a document is called in messages, before it is parsed. */
export function nameOf(map: YamlMap): string {
  for (const key of ["title", "id", "name"]) {
    const value = entryOf(map, key);
    if (value?.kind === "scalar" && value.text !== "") return value.text.slice(0, TITLE_LENGTH_MAX);
  }
  return "";
}

/**
 * Reads what the document says of itself.
 * @throws {YamlFault} for what makes it unusable
 */
export function readHead(map: YamlMap, file: string, line: number, warn: Warn): RuleHead {
  const title = textAt(map, "title");
  if (title === "") throw new YamlFault("has no title", map.at);
  const place = (key: string): number => entryOf(map, key)?.at ?? map.at;
  if (title.length > TITLE_LENGTH_MAX) {
    warn(`a title of more than ${TITLE_LENGTH_MAX} characters`, place("title"));
  }
  const id = textAt(map, "id");
  if (id !== "" && !UUID.test(id)) warn(`the id "${id}" is no UUID`, place("id"));
  const description = textAt(map, "description");
  if (description.length > DESCRIPTION_LENGTH_MAX) {
    warn(`a description of more than ${DESCRIPTION_LENGTH_MAX} characters`, place("description"));
  }
  const name = textAt(map, "name");
  const tags = textsAt(map, "tags");
  for (const tag of tags) {
    if (!TAG.test(tag)) warn(`the tag "${tag}" has not the form namespace.name`, place("tags"));
  }
  return {
    key: id || name || title,
    id,
    name,
    title,
    description,
    author: textAt(map, "author"),
    status: statusOf(map, warn),
    date: dateOf(map, "date", warn),
    modified: dateOf(map, "modified", warn),
    license: textAt(map, "license"),
    taxonomy: taxonomyOf(map, warn),
    references: textsAt(map, "references"),
    tags,
    falsePositives: textsAt(map, "falsepositives"),
    severity: levelOf(map),
    related: relatedOf(map),
    file,
    line,
  };
}

function statusOf(map: YamlMap, warn: Warn): string {
  const status = textAt(map, "status");
  const at = entryOf(map, "status")?.at ?? map.at;
  if (status !== "" && !STATUSES.includes(status)) {
    warn(`the status "${status}" is none of ${STATUSES.join(", ")}`, at);
  } else if (status === "deprecated" || status === "unsupported") {
    warn(`the rule calls itself ${status}`, at);
  }
  return status;
}

function dateOf(map: YamlMap, key: string, warn: Warn): string {
  const date = textAt(map, key);
  if (date !== "" && !DATE.test(date)) {
    warn(`${key} "${date}" is not YYYY-MM-DD`, entryOf(map, key)?.at ?? map.at);
  }
  return date;
}

function taxonomyOf(map: YamlMap, warn: Warn): string {
  const taxonomy = textAt(map, "taxonomy") || "sigma";
  if (taxonomy !== "sigma") {
    const message = `taxonomy "${taxonomy}": its names of fields and logs are taken as they are`;
    warn(message, entryOf(map, "taxonomy")?.at ?? map.at);
  }
  return taxonomy;
}

function levelOf(map: YamlMap): Severity {
  const text = textAt(map, "level");
  if (text === "") return "medium";
  const level = LEVELS.find((known) => known === text);
  if (level !== undefined) return level;
  const at = entryOf(map, "level")?.at ?? map.at;
  throw new YamlFault(`the level "${text}" is none of ${LEVELS.join(", ")}`, at);
}

function relatedOf(map: YamlMap): RelatedRule[] {
  const value = entryOf(map, "related");
  if (value?.kind !== "list") return [];
  return value.items.flatMap((item) => {
    if (item.kind !== "map") throw new YamlFault("related must list maps of id and type", item.at);
    return [{ id: textAt(item, "id"), type: textAt(item, "type") }];
  });
}

/**
 * Reads the log source.
 * @throws {YamlFault} where it names nothing
 */
export function readLogSource(map: YamlMap, warn: Warn): LogSource {
  const node = mapAt(map, "logsource");
  const parts: Record<string, string> = {};
  for (const key of ["category", "product", "service"]) {
    const text = textAt(node, key);
    if (text === "") continue;
    if (text !== text.toLowerCase()) warn(`${key} "${text}" is not lower case`, node.at);
    parts[key] = text.toLowerCase();
  }
  if (Object.keys(parts).length === 0) {
    throw new YamlFault("the log source names no category, product or service", node.at);
  }
  return parts;
}
