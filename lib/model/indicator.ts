// SPDX-License-Identifier: Apache-2.0
// Values known to be bad, whatever file or feed they came from.
import type { Severity } from "./finding.ts";

export type IndicatorKind =
  | "sha256"
  | "path"
  | "name"
  | "command-line"
  | "address"
  | "domain"
  | "url"
  | "ja3"
  | "ja4"
  | "certificate";

export interface Indicator {
  readonly id: string;
  readonly kind: IndicatorKind;
  /**
   * Lower-case hex for digests; text else. command-line matches as a substring, address may be a
   * range, domain holds for all below it, url for all under its path.
   */
  readonly value: string;
  readonly title: string;
  readonly severity: Severity;
  readonly source: string;
}
