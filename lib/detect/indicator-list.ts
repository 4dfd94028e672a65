// SPDX-License-Identifier: Apache-2.0
// Indicators from plain text, one a line. Called with the text of a file by whoever read it; a
// list with any bad line is refused whole, so that nothing is half applied.
import { UndercroftError } from "../errors/errors.ts";
import type { Indicator, IndicatorKind, Severity } from "../model/model.ts";
import { addressRangeText, parseAddressRange } from "../wire/wire.ts";
import { domainKey, urlParts } from "./network-stores.ts";

const SEVERITIES: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];
const KINDS: Readonly<Record<string, IndicatorKind>> = {
  sha256: "sha256",
  path: "path",
  name: "name",
  cmdline: "command-line",
  ip: "address",
  domain: "domain",
  url: "url",
  ja3: "ja3",
  ja4: "ja4",
  cert: "certificate",
};
const TITLES: Readonly<Record<IndicatorKind, string>> = {
  sha256: "Known bad file hash",
  path: "Known bad path",
  name: "Known bad file name",
  "command-line": "Known bad command line",
  address: "Known bad address",
  domain: "Known bad domain",
  url: "Known bad URL",
  ja3: "Known bad TLS client (JA3)",
  ja4: "Known bad TLS client (JA4)",
  certificate: "Known bad certificate",
};
const VALUE_LENGTH_MAX = 4096;
/** Bad lines spelled out in the message; the count names all. */
const PROBLEMS_SHOWN = 20;

/**
 * Reads `sha256:HEX`, a bare SHA-256, `path:/PATH`, `name:FILE`, `cmdline:TEXT`, `ip:ADDRESS`
 * (or `ADDRESS/BITS`), `domain:NAME`, `url:URL`, `ja3:MD5`, `ja4:TEXT` and `cert:SHA256` lines,
 * each with an optional ` | TITLE | SEVERITY` (for cmdline: both or none). Empty lines and what
 * follows ` #` are skipped.
 * @throws {UndercroftError} ERR_UC_INDICATORS naming each bad line
 */
export function parseIndicators(text: string, source: string): Indicator[] {
  const indicators: Indicator[] = [];
  const problems: string[] = [];
  const seen = new Set<string>();
  let firstLine = 0;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = withoutComment(index === 0 ? raw.replace(/^\uFEFF/, "") : raw);
    if (line === "") continue;
    const parsed = parseLine(line, source);
    if (typeof parsed === "string") {
      problems.push(`${source}:${index + 1}: ${parsed}`);
      firstLine ||= index + 1;
    } else if (!seen.has(parsed.id)) {
      seen.add(parsed.id);
      indicators.push(parsed);
    }
  }
  if (problems.length === 0) return indicators;
  const shown = problems.slice(0, PROBLEMS_SHOWN).join("\n");
  const rest = problems.length - PROBLEMS_SHOWN;
  throw new UndercroftError(
    "ERR_UC_INDICATORS",
    `${problems.length} bad indicator line${problems.length === 1 ? "" : "s"}; nothing of the ` +
      `file is used\n${shown}${rest > 0 ? `\nand ${rest} more` : ""}`,
    { path: source, line: firstLine, problems: problems.length },
  );
}

function withoutComment(line: string): string {
  const trimmed = line.trim();
  if (trimmed.startsWith("#")) return "";
  const at = trimmed.search(/\s#/);
  return at < 0 ? trimmed : trimmed.slice(0, at).trimEnd();
}

function parseLine(line: string, source: string): Indicator | string {
  const [head = "", title, severity, ...more] = splitLine(line);
  if (more.length > 0) return "more than `VALUE | TITLE | SEVERITY`";
  const bare = /^[0-9a-fA-F]{64}$/.test(head);
  const colon = head.indexOf(":");
  const name = bare ? "sha256" : head.slice(0, Math.max(colon, 0));
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind === undefined) {
    return `starts with none of ${Object.keys(KINDS).join(":, ")}: and is no SHA-256`;
  }
  const text = bare ? head : head.slice(colon + 1).trim();
  const value = REFANGED.has(kind) ? refang(text) : text;
  const problem = valueProblem(kind, value);
  if (problem !== undefined) return problem;
  const level = severity === undefined ? "high" : SEVERITIES.find((known) => known === severity);
  if (level === undefined) return `severity is not one of ${SEVERITIES.join(", ")}`;
  const stored = canonical(kind, value);
  return {
    id: `${name}:${stored}`,
    kind,
    value: stored,
    title: title === undefined || title === "" ? TITLES[kind] : title,
    severity: level,
    source,
  };
}

// A command line may hold a pipe itself: there only a title with a severity after it is cut off.
function splitLine(line: string): string[] {
  const parts = line.split(" | ").map((part) => part.trim());
  if (!line.startsWith("cmdline:")) return parts;
  const isMarked = parts.length >= 3 && SEVERITIES.some((known) => known === parts.at(-1));
  if (!isMarked) return [line];
  return [parts.slice(0, -2).join(" | "), ...parts.slice(-2)];
}

/** People write these so that nobody clicks on them by mistake. */
const REFANGED: ReadonlySet<IndicatorKind> = new Set(["address", "domain", "url"]);

function refang(text: string): string {
  return text
    .replace(/^hxxp/i, "http")
    .replaceAll(/\[(\.|dot)\]|\((\.|dot)\)/gi, ".")
    .replaceAll("[:]", ":");
}

function canonical(kind: IndicatorKind, value: string): string {
  switch (kind) {
    case "sha256":
    case "certificate":
    case "ja3":
    case "ja4":
      return value.toLowerCase();
    case "domain":
      return domainKey(value);
    case "address": {
      const range = parseAddressRange(value);
      return range === undefined ? value : addressRangeText(range);
    }
    default:
      return value;
  }
}

function networkProblem(kind: IndicatorKind, value: string): string | undefined {
  switch (kind) {
    case "certificate":
      return /^[0-9a-fA-F]{64}$/.test(value) ? undefined : "is not 64 hex digits";
    case "ja3":
      return /^[0-9a-fA-F]{32}$/.test(value) ? undefined : "is not 32 hex digits";
    case "ja4":
      return /^[tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12}$/i.test(value) ? undefined : "is no JA4";
    case "address":
      return parseAddressRange(value) === undefined ? "is no IP address or range" : undefined;
    case "domain":
      return DOMAIN.test(value) ? undefined : "is no domain name";
    case "url":
      return urlParts(value) === undefined ? "names no server" : undefined;
    default:
      return undefined;
  }
}

const DOMAIN = /^(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/i;

function valueProblem(kind: IndicatorKind, value: string): string | undefined {
  if (value === "") return "has no value";
  if (value.length > VALUE_LENGTH_MAX) return `is longer than ${VALUE_LENGTH_MAX} characters`;
  if (kind === "sha256" && !/^[0-9a-fA-F]{64}$/.test(value)) return "is not 64 hex digits";
  if (kind === "path" && !value.startsWith("/")) return "a path starts with a slash";
  if (kind === "name" && value.includes("/")) return "a name has no slash";
  return networkProblem(kind, value);
}
