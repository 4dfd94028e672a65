// SPDX-License-Identifier: Apache-2.0
// Which property of a STIX object is which kind of indicator, and the checks that need it: digests
// must have the length of their algorithm.
import type { IndicatorKind, Observable } from "../../model/model.ts";
import { canonicalValue, fileObservable, observable } from "./indicator-kinds.ts";
import type { StixComparison, StixExpression, StixPath, StixTest } from "./stix-ast.ts";

/** Digests by the names of STIX (§10.7) and of others, without signs and case. */
const DIGESTS: Readonly<Record<string, IndicatorKind>> = {
  MD5: "md5",
  SHA1: "sha1",
  SHA224: "sha224",
  SHA256: "sha256",
  SHA384: "sha384",
  SHA512: "sha512",
  SHA512224: "sha512-224",
  SHA512256: "sha512-256",
  SHA3224: "sha3-224",
  SHA3256: "sha3-256",
  SHA3384: "sha3-384",
  SHA3512: "sha3-512",
  AUTHENTIHASH: "authentihash",
  IMPHASH: "imphash",
  PEHASH: "pehash",
  VHASH: "vhash",
  SSDEEP: "ssdeep",
  TLSH: "tlsh",
};
const CERTIFICATES: Readonly<Record<string, IndicatorKind>> = {
  MD5: "certificate-md5",
  SHA1: "certificate-sha1",
  SHA256: "certificate",
};

/** Indexes are written `[*]` here; "server" is an address or a domain, "request" a path or URL. */
const PATHS: Readonly<Record<string, IndicatorKind | "server" | "request">> = {
  "ipv4-addr:value": "address",
  "ipv6-addr:value": "address",
  "domain-name:value": "domain",
  "domain-name:resolves_to_refs[*].value": "server",
  "domain-name:x_misp_hostname": "domain",
  "url:value": "url",
  "url:x_misp_domain": "domain",
  "url:x_misp_host": "domain",
  "url:x_misp_ip": "address",
  "network-traffic:src_ref.value": "server",
  "network-traffic:dst_ref.value": "server",
  "network-traffic:src_port": "port",
  "network-traffic:dst_port": "port",
  "network-traffic:extensions.'http-request-ext'.request_value": "request",
  "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'": "user-agent",
  "autonomous-system:number": "asn",
  "mac-addr:value": "mac",
  "file:name": "name",
  "file:size": "size",
  "process:name": "name",
  "process:image_ref.name": "name",
  "process:binary_ref.name": "name",
  "windows-registry-key:key": "registry-key",
  "win-registry-key:key": "registry-key",
  "mutex:name": "mutex",
  "software:cpe": "cpe",
  "email-addr:value": "email",
  "email-message:from_ref.value": "email",
  "email-message:sender_ref.value": "email",
  "email-message:to_refs[*].value": "email",
  "email-message:cc_refs[*].value": "email",
  "email-message:bcc_refs[*].value": "email",
  "email-message:subject": "email-subject",
  "email-message:body": "email-body",
  "email-message:received_lines": "email-header",
  "email-message:received_lines[*]": "email-header",
  "email-message:body_multipart[*].body_raw_ref.name": "email-attachment",
  "email-message:additional_header_fields.x_mailer": "email-mailer",
  "email-message:additional_header_fields.'X-Mailer'": "email-mailer",
};
/** Say what stands beside them is, and nothing of their own. */
const CONTEXT: ReadonlySet<string> = new Set([
  "network-traffic:src_ref.type",
  "network-traffic:dst_ref.type",
  "email-message:body_multipart[*].content_disposition",
]);

/** Whether a test only says of which type another one's object is. */
export function isContext(test: StixTest): boolean {
  return test.operator === "=" && !test.isNegated && CONTEXT.has(test.path.key);
}

/**
 * The observable that a path and a value of it stand for; undefined where the path is none of ours,
 * a text where the value is not of its kind.
 */
export function stixObservable(path: StixPath, value: string): Observable | string | undefined {
  const known = Object.hasOwn(PATHS, path.key) ? PATHS[path.key] : undefined;
  if (known === "server") return observable(serverKind(value), value);
  if (known === "request") return observable(value.startsWith("/") ? "http-path" : "url", value);
  if (known === "name") return fileObservable(value);
  const kind = known ?? digestKind(path);
  return kind === undefined ? undefined : observable(kind, value);
}

function serverKind(value: string): IndicatorKind {
  return canonicalValue("address", value) === undefined ? "domain" : "address";
}

function digestKind({ type, steps }: StixPath): IndicatorKind | undefined {
  const name = steps.at(-1);
  if (typeof name !== "string" || steps.at(-2) !== "hashes") return undefined;
  const algorithm = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
  const table = type === "x509-certificate" ? CERTIFICATES : DIGESTS;
  const isFile = ["file", "artifact", "process", "x509-certificate"].includes(type);
  return isFile && Object.hasOwn(table, algorithm) ? table[algorithm] : undefined;
}

/**
 * What the specification forbids though the grammar allows it: digests that are none, and two
 * qualifiers of one type on one observation (§9.3).
 */
export function stixFaults(expression: StixExpression): string[] {
  if (expression.op === "observe") return digestFaults(expression.comparison);
  if ("parts" in expression) return expression.parts.flatMap(stixFaults);
  const faults = expression.isDouble ? [`two qualifiers of one type: ${expression.op}`] : [];
  return [...faults, ...stixFaults(expression.of)];
}

function digestFaults(comparison: StixComparison): string[] {
  if (comparison.op !== "test") return comparison.parts.flatMap(digestFaults);
  if (comparison.operator !== "=" || digestKind(comparison.path) === undefined) return [];
  const found = stixObservable(comparison.path, String(comparison.values[0]?.value));
  return typeof found === "string" ? [found] : [];
}
