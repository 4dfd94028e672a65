// SPDX-License-Identifier: Apache-2.0
// Values known to be bad, whatever file or feed they came from.
import type { Severity } from "./finding.ts";

export type IndicatorKind = "sha256" | "path" | "name" | "command-line";

export interface Indicator {
  readonly id: string;
  readonly kind: IndicatorKind;
  /** Lower-case hex for sha256; text else. command-line matches as a substring. */
  readonly value: string;
  readonly title: string;
  readonly severity: Severity;
  readonly source: string;
}
