// SPDX-License-Identifier: Apache-2.0
// The kinds of indicators: the one written form of a value of each, what is wrong with a text that
// is none, and the title of one that came without. Every importer goes through here.
import { getDomain } from "tldts";
import type { DigestKind, IndicatorKind, Observable } from "../../model/model.ts";
import { AddressKey, addressKeyText } from "./address-key.ts";
import { refang } from "./refang.ts";
import { pathStartOf, urlKey } from "./url-key.ts";

/** Longest value in UTF-16 units; a pattern may be longer. */
const VALUE_LENGTH_MAX = 4096;
/** Longest pattern in UTF-16 units. */
export const PATTERN_LENGTH_MAX = 32_768;

interface Form {
  readonly title: string;
  /** What a text that has no written form of this kind "is" or lacks. */
  readonly fault: string;
  /** The written form, or undefined. The text is neither empty nor too long. */
  readonly canonical: (text: string) => string | undefined;
  /** People make values of this kind harmless. */
  readonly fanged?: boolean;
}

const HEX = /^[0-9a-f]+$/;

function hex(title: string, digits: number): Form {
  const canonical = (text: string): string | undefined => {
    if (text.length !== digits) return undefined;
    const lower = text.toLowerCase();
    return HEX.test(lower) ? lower : undefined;
  };
  return { title, fault: `is not ${digits} hex digits`, canonical };
}

function text(title: string): Form {
  return { title, fault: "has no value", canonical: (value) => value };
}

function folded(title: string): Form {
  return { title, fault: "has no value", canonical: (value) => value.toLowerCase() };
}

function number(title: string, max: number): Form {
  const canonical = (value: string): string | undefined => {
    const digits = value.replace(/^AS(?=\d)/i, "");
    if (!/^(0|[1-9]\d{0,15})$/.test(digits)) return undefined;
    return Number(digits) <= max ? digits : undefined;
  };
  return { title, fault: `is no number up to ${max}`, canonical };
}

const KNOWN_FILE = "Known bad file hash";
const CERTIFICATE = "Known bad certificate";

const FORMS: Readonly<Record<IndicatorKind, Form>> = {
  sha256: hex(KNOWN_FILE, 64),
  path: { title: "Known bad path", fault: "is no absolute path", canonical: canonicalPath },
  name: { title: "Known bad file name", fault: "a name has no slash", canonical: canonicalName },
  "command-line": text("Known bad command line"),
  address: {
    title: "Known bad address",
    fault: "is no IP address or range",
    canonical: canonicalAddress,
    fanged: true,
  },
  domain: {
    title: "Known bad domain",
    fault: "is no domain name",
    canonical: canonicalDomain,
    fanged: true,
  },
  url: { title: "Known bad URL", fault: "names no server", canonical: canonicalUrl, fanged: true },
  ja3: hex("Known bad TLS client (JA3)", 32),
  ja4: { title: "Known bad TLS client (JA4)", fault: "is no JA4", canonical: canonicalJa4 },
  certificate: hex(CERTIFICATE, 64),
  md5: hex(KNOWN_FILE, 32),
  sha1: hex(KNOWN_FILE, 40),
  sha224: hex(KNOWN_FILE, 56),
  sha384: hex(KNOWN_FILE, 96),
  sha512: hex(KNOWN_FILE, 128),
  "sha512-224": hex(KNOWN_FILE, 56),
  "sha512-256": hex(KNOWN_FILE, 64),
  "sha3-224": hex(KNOWN_FILE, 56),
  "sha3-256": hex(KNOWN_FILE, 64),
  "sha3-384": hex(KNOWN_FILE, 96),
  "sha3-512": hex(KNOWN_FILE, 128),
  authentihash: hex("Known bad signed content", 64),
  imphash: hex("Known bad import table", 32),
  pehash: hex("Known bad PE structure", 40),
  vhash: text("Known bad file (vhash)"),
  ssdeep: text("Known bad file (ssdeep)"),
  tlsh: folded("Known bad file (TLSH)"),
  size: number("Size of a known bad file", Number.MAX_SAFE_INTEGER),
  "registry-key": {
    title: "Known bad registry key",
    fault: "is no registry key",
    canonical: canonicalRegistryKey,
  },
  "registry-value": text("Known bad registry value"),
  mutex: text("Known bad mutex"),
  pipe: text("Known bad pipe"),
  service: text("Known bad service"),
  software: text("Known bad software"),
  cpe: text("Known bad platform"),
  "http-path": {
    title: "Known bad path in a URL",
    fault: "starts with no slash",
    canonical: rooted,
  },
  "user-agent": text("Known bad HTTP client"),
  port: number("Known bad port", 65_535),
  asn: number("Known bad network", 2 ** 32 - 1),
  mac: { title: "Known bad network card", fault: "is no MAC address", canonical: canonicalMac },
  hassh: hex("Known bad SSH peer (HASSH)", 32),
  "certificate-sha1": hex(CERTIFICATE, 40),
  "certificate-md5": hex(CERTIFICATE, 32),
  email: {
    title: "Known bad mail address",
    fault: "is no mail address",
    canonical: canonicalEmail,
    fanged: true,
  },
  "email-subject": text("Known bad mail subject"),
  "email-body": text("Known bad mail text"),
  "email-header": text("Known bad mail header"),
  "email-attachment": text("Known bad mail attachment"),
  "email-mailer": text("Known bad mail program"),
  pattern: text("Known bad behaviour"),
};

/** Every kind; the order is that of the stores' codes. */
export const INDICATOR_KINDS: readonly IndicatorKind[] = Object.keys(FORMS) as IndicatorKind[];

const DIGESTS: ReadonlySet<string> = new Set<DigestKind>([
  ...(["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224"] as const),
  ...(["sha512-256", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "authentihash"] as const),
]);

/** Whether a value of this kind alone says which content a file has. */
export function isDigest(kind: IndicatorKind): boolean {
  return DIGESTS.has(kind);
}

/** Whether a text names a kind. */
export function isIndicatorKind(name: string): name is IndicatorKind {
  return Object.hasOwn(FORMS, name);
}

/** Title of an indicator that came without one. */
export function kindTitle(kind: IndicatorKind): string {
  return FORMS[kind].title;
}

/** The one written form of a value, or undefined where the text is none of that kind. */
export function canonicalValue(kind: IndicatorKind, value: string): string | undefined {
  if (value === "" || value.length > lengthMax(kind)) return undefined;
  const form = FORMS[kind];
  return form.canonical(form.fanged === true ? refang(value) : value);
}

/** Why {@link canonicalValue} gave nothing, to be read after the value. */
function valueFault(kind: IndicatorKind, value: string): string {
  if (value === "") return "has no value";
  if (value.length > lengthMax(kind)) return `is longer than ${lengthMax(kind)} characters`;
  return FORMS[kind].fault;
}

/**
 * An observable in written form, or why there is none: "KIND FAULT: VALUE", the value cut short.
 */
export function observable(kind: IndicatorKind, value: string): Observable | string {
  const written = canonicalValue(kind, value);
  return written === undefined
    ? `${kind} ${valueFault(kind, value)}: ${shortText(value)}`
    : { kind, value: written };
}

/** A file by what people give of it: its path where that is whole, else its name. */
export function fileObservable(value: string): Observable | string {
  return observable(value.startsWith("/") || isWindowsPath(value) ? "path" : "name", value);
}

/** A text for a message: one line, not long. */
export function shortText(value: string): string {
  const cut = value.length > 80 ? `${value.slice(0, 77)}...` : value;
  return JSON.stringify(cut);
}

function lengthMax(kind: IndicatorKind): number {
  return kind === "pattern" ? PATTERN_LENGTH_MAX : VALUE_LENGTH_MAX;
}

// A path of Windows is the same in any case; one of Linux is not.
function canonicalPath(value: string): string | undefined {
  if (value.startsWith("/")) return value;
  return isWindowsPath(value) ? value.toLowerCase() : undefined;
}

/** Whether a text is a path of Windows: a drive, a share or a variable first. */
export function isWindowsPath(value: string): boolean {
  return /^(?:[a-z]:\\|\\\\|%[a-z_()0-9]+%\\)/i.test(value);
}

function canonicalName(value: string): string | undefined {
  return value.includes("/") ? undefined : value;
}

const address = new AddressKey();

function canonicalAddress(value: string): string | undefined {
  if (!address.read(value)) return undefined;
  return addressKeyText(address.family, address.words, address.bits);
}

const DOMAIN = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;

const NUMBER_LAST = /(?:^|\.)\d+$/;

// What is below a name is part of it anyhow, so a leading "*." says nothing.
function canonicalDomain(value: string): string | undefined {
  let name = value.toLowerCase();
  if (name.endsWith(".")) name = name.slice(0, -1);
  if (name.startsWith("*.")) name = name.slice(2);
  else if (name.startsWith(".")) name = name.slice(1);
  if (!isAscii(name)) name = asciiName(name);
  // A name whose last label is a number is a bad address (RFC 1123 §2.1).
  return name.length <= 253 && DOMAIN.test(name) && !NUMBER_LAST.test(name) ? name : undefined;
}

function isAscii(value: string): boolean {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 127) return false;
  return true;
}

// The A-label form (RFC 5890), which is what the wire carries.
function asciiName(name: string): string {
  const url = URL.parse(`http://${name}/`);
  return url === null || url.pathname !== "/" ? "" : url.hostname;
}

function canonicalUrl(value: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:(?!\/\/|\d)/i.test(value)) return undefined;
  const key = urlKey(value);
  return key !== undefined && isServer(key.slice(0, pathStartOf(key))) ? value : undefined;
}

function isServer(authority: string): boolean {
  const name = authority.replace(/:\d+$/, "");
  return canonicalDomain(name) !== undefined || address.read(name.replace(/^\[(.*)\]$/, "$1"));
}

function canonicalJa4(value: string): string | undefined {
  const lower = value.toLowerCase();
  return /^[tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12}$/.test(lower) ? lower : undefined;
}

const HIVES: Readonly<Record<string, string>> = {
  hkey_local_machine: "hklm",
  hkey_current_user: "hkcu",
  hkey_classes_root: "hkcr",
  hkey_users: "hku",
  hkey_current_config: "hkcc",
};

// Keys hold no empty part, so a doubled backslash is one that somebody escaped twice.
function canonicalRegistryKey(value: string): string | undefined {
  const lower = value.toLowerCase().replaceAll(/\\+/g, "\\").replace(/\\$/, "");
  const slash = lower.indexOf("\\");
  const hive = slash < 0 ? lower : lower.slice(0, slash);
  return (HIVES[hive] ?? hive) + (slash < 0 ? "" : lower.slice(slash)) || undefined;
}

function rooted(value: string): string | undefined {
  return value.startsWith("/") ? value : undefined;
}

function canonicalMac(value: string): string | undefined {
  const digits = value.toLowerCase().replaceAll(/[:.-]/g, "");
  return /^[0-9a-f]{12}$/.test(digits) ? digits.replaceAll(/(?<=..)(?=(?:..)+$)/g, ":") : undefined;
}

function canonicalEmail(value: string): string | undefined {
  const at = value.lastIndexOf("@");
  if (at < 1) return undefined;
  const domain = canonicalDomain(value.slice(at + 1));
  const local = value.slice(0, at).toLowerCase();
  return domain === undefined || /[\s<>,;]/.test(local) ? undefined : `${local}@${domain}`;
}

const SUFFIXES = { allowPrivateDomains: true, detectSpecialUse: false };

/** The part of a name that one owner has: its public suffix and one label; itself where none. */
export function ownedDomain(name: string): string {
  return getDomain(name, SUFFIXES) ?? name;
}

/** Whether names below this one belong to others: it is a public suffix (publicsuffix.org). */
export function isPublicSuffix(name: string): boolean {
  return getDomain(name, SUFFIXES) === null;
}

const LIST_NAMES: Readonly<Partial<Record<IndicatorKind, string>>> = {
  "command-line": "cmdline",
  address: "ip",
  certificate: "cert",
};
const KINDS_BY_NAME: ReadonlyMap<string, IndicatorKind> = new Map(
  INDICATOR_KINDS.flatMap((kind) => [
    [kind, kind] as const,
    [LIST_NAMES[kind] ?? kind, kind] as const,
  ]),
);

/** The kind that a list's `NAME:` stands for. */
export function kindOfListName(name: string): IndicatorKind | undefined {
  return KINDS_BY_NAME.get(name);
}

/** Id of an indicator whose source gave none: what it is, as a list writes it. */
export function valueId(kind: IndicatorKind, value: string): string {
  return `${LIST_NAMES[kind] ?? kind}:${value}`;
}
