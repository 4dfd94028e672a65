// SPDX-License-Identifier: Apache-2.0
// Values known to be bad, whatever file or feed they came from.
import type { Severity } from "./finding.ts";

/** Digests of a file's content: each alone says which file it is. */
export type DigestKind =
  | "md5"
  | "sha1"
  | "sha224"
  | "sha256"
  | "sha384"
  | "sha512"
  | "sha512-224"
  | "sha512-256"
  | "sha3-224"
  | "sha3-256"
  | "sha3-384"
  | "sha3-512"
  | "authentihash";

/** What an indicator's value is. Each kind has one written form, so that equal values are equal. */
export type IndicatorKind =
  | DigestKind
  | "imphash"
  | "pehash"
  | "vhash"
  | "ssdeep"
  | "tlsh"
  | "size"
  | "path"
  | "name"
  | "command-line"
  | "registry-key"
  | "registry-value"
  | "mutex"
  | "pipe"
  | "service"
  | "software"
  | "cpe"
  | "address"
  | "domain"
  | "url"
  | "http-path"
  | "user-agent"
  | "port"
  | "asn"
  | "mac"
  | "ja3"
  | "ja4"
  | "hassh"
  | "certificate"
  | "certificate-sha1"
  | "certificate-md5"
  | "email"
  | "email-subject"
  | "email-body"
  | "email-header"
  | "email-attachment"
  | "email-mailer"
  /** A STIX pattern that is more than values: only an evaluation against observations tells. */
  | "pattern";

/** Traffic Light Protocol 2.0 (FIRST): with whom a value may be shared. */
export type TlpMarking = "clear" | "green" | "amber" | "amber+strict" | "red";

/** A value of a kind, seen or looked for. */
export interface Observable {
  readonly kind: IndicatorKind;
  readonly value: string;
}

export interface Indicator extends Observable {
  /** Names it within its source. `ID#2` is the second part of one that was made of several. */
  readonly id: string;
  /**
   * Lower-case hex for digests; text else. command-line matches as a substring, address may be a
   * range, domain holds for all below it, url for all under its path.
   */
  readonly value: string;
  readonly title: string;
  readonly severity: Severity;
  /** The file or feed that it came from. */
  readonly source: string;
  /** 0 to 100 (STIX 2.1 §3.2), where the source says it. */
  readonly confidence?: number;
  readonly tlp?: TlpMarking;
  /** Since when and until when (exclusive) the source holds it to be valid, in ms since 1970. */
  readonly validFromMs?: number;
  readonly validUntilMs?: number;
  readonly labels?: readonly string[];
  /** What must hold too. Beside a digest of content it is told, not needed. */
  readonly with?: readonly Observable[];
}
