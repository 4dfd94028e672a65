// SPDX-License-Identifier: Apache-2.0
// MISP's attribute types (core format, describeTypes) as kinds of indicators. Types of two values
// are split at the bar: the first that identifies is looked up, the other is a condition.
import type { IndicatorKind, Observable } from "../../model/model.ts";
import { canonicalValue, fileObservable, observable } from "./indicator-kinds.ts";
import { strongestFirst } from "./stix-compile.ts";

const TYPES: Readonly<Record<string, IndicatorKind>> = {
  md5: "md5",
  sha1: "sha1",
  sha224: "sha224",
  sha256: "sha256",
  sha384: "sha384",
  sha512: "sha512",
  "sha512/224": "sha512-224",
  "sha512/256": "sha512-256",
  "sha3-224": "sha3-224",
  "sha3-256": "sha3-256",
  "sha3-384": "sha3-384",
  "sha3-512": "sha3-512",
  authentihash: "authentihash",
  imphash: "imphash",
  pehash: "pehash",
  vhash: "vhash",
  ssdeep: "ssdeep",
  tlsh: "tlsh",
  "size-in-bytes": "size",
  filename: "name",
  regkey: "registry-key",
  mutex: "mutex",
  "named pipe": "pipe",
  "windows-service-name": "service",
  cpe: "cpe",
  "ip-src": "address",
  "ip-dst": "address",
  ip: "address",
  domain: "domain",
  hostname: "domain",
  url: "url",
  uri: "url",
  link: "url",
  "user-agent": "user-agent",
  "http-user-agent": "user-agent",
  port: "port",
  AS: "asn",
  "mac-address": "mac",
  "ja3-fingerprint-md5": "ja3",
  "hassh-md5": "hassh",
  "hasshserver-md5": "hassh",
  "x509-fingerprint-sha256": "certificate",
  "x509-fingerprint-sha1": "certificate-sha1",
  "x509-fingerprint-md5": "certificate-md5",
  email: "email",
  "email-src": "email",
  "email-dst": "email",
  "email-reply-to": "email",
  "email-subject": "email-subject",
  "email-body": "email-body",
  "email-header": "email-header",
  "email-attachment": "email-attachment",
  "email-x-mailer": "email-mailer",
};
/** Types whose parts stand beside each other, each bad by itself. */
const EITHER: ReadonlySet<string> = new Set(["domain|ip"]);

/** Attributes that are plain text in MISP and whose place in an object says what they are. */
const RELATIONS: Readonly<Record<string, string>> = {
  "mutex/name": "mutex",
  "windows-service/service-name": "windows-service-name",
};

/** The type of an attribute; of a text in an object, that which its relation stands for. */
export function mispType(type: string, object: string, relation: string): string {
  const place = `${object}/${relation}`;
  return type === "text" && Object.hasOwn(RELATIONS, place) ? (RELATIONS[place] ?? type) : type;
}

/** The kinds that a type's values are of. */
export function mispKinds(type: string): readonly IndicatorKind[] {
  return type.split("|").flatMap((name) => {
    const kind = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
    return kind === undefined ? [] : [kind];
  });
}

/** Whether a type is one that we look for. */
export function isMispType(type: string): boolean {
  if (type === "malware-sample" || type === "regkey|value") return true;
  const [first = "", second] = type.split("|");
  if (!Object.hasOwn(TYPES, first)) return false;
  return second === undefined || Object.hasOwn(TYPES, second);
}

/**
 * The indicators of an attribute, each a list of values that must hold together; a text where a
 * value is not of its kind.
 */
export function mispObservables(
  type: string,
  value: string,
): ReadonlyArray<readonly Observable[]> | string {
  if (type === "regkey|value") return registryValue(value);
  const isSample = type === "malware-sample";
  // A sample that was not hashed yet has a name only.
  if (isSample && !value.includes("|")) return mispObservables("filename", value);
  const names = isSample ? ["filename", "md5"] : type.split("|");
  const values = names.length === 1 ? [value] : splitValue(value);
  if (values.length !== names.length) return `${type} has no bar between two values`;
  const found: Observable[] = [];
  for (const [index, name] of names.entries()) {
    const one = observableOf(name, values[index]?.trim() ?? "");
    if (typeof one === "string") return one;
    found.push(one);
  }
  if (EITHER.has(type)) return found.map((one) => [one]);
  return [strongestFirst(found)];
}

function splitValue(value: string): string[] {
  const bar = value.lastIndexOf("|");
  return bar < 0 ? [value] : [value.slice(0, bar), value.slice(bar + 1)];
}

function registryValue(value: string): ReadonlyArray<readonly Observable[]> | string {
  const bar = value.indexOf("|");
  const key = observable("registry-key", value.slice(0, bar < 0 ? undefined : bar));
  if (typeof key === "string") return key;
  const data = bar < 0 ? "" : value.slice(bar + 1);
  return [data === "" ? [key] : [key, { kind: "registry-value", value: data }]];
}

function observableOf(name: string, value: string): Observable | string {
  const kind = TYPES[name] ?? "name";
  if (kind === "name") return fileObservable(value);
  // A URI may be a path alone, and an address a name.
  if (kind === "url" && value.startsWith("/")) return observable("http-path", value);
  if (kind === "address" && canonicalValue("address", value) === undefined) {
    const range = value.replace(/-.*$/, "");
    if (range !== value) return `is a range without a prefix length: ${value.slice(0, 80)}`;
  }
  return observable(kind, value);
}
