// SPDX-License-Identifier: Apache-2.0
// What a running server holds against guests, as the files of its command line have it: policy,
// indicators, Sigma rules. Read at the start and again by reload.ts, beside what is in use.
import type { ParseArgsOptionsConfig } from "node:util";
import type { IndicatorStore, SigmaRuleSet } from "../detect/detect.ts";
import type { ResponsePolicy } from "../response/response.ts";
import { readIndicators, readPolicy } from "./indicators.ts";
import { loadIntelFiles, readWarnings, storeSummary, WARNING_OPTIONS } from "./intel-files.ts";
import { PLACEHOLDER_OPTION, readUsableRules, warnOfErrors } from "./rule-files.ts";
import { type Arguments, textOption } from "./usage.ts";

/** Options that name the files. */
export const CONTENT_OPTIONS: ParseArgsOptionsConfig = {
  indicators: { type: "string" },
  intel: { type: "string", multiple: true },
  ...WARNING_OPTIONS,
  policy: { type: "string" },
  rules: { type: "string" },
  ...PLACEHOLDER_OPTION,
};

/** All that the files say. */
export interface LiveContent {
  readonly policy: ResponsePolicy;
  readonly indicators: IndicatorStore;
  /** Absent where no rules are named. */
  readonly sigma?: SigmaRuleSet;
}

/**
 * Reads every file anew, giving way to other work between and within them.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_INDICATORS, ERR_UC_POLICY, ERR_UC_RULES naming
 *   the file and the place
 */
export async function readContent(parsed: Arguments): Promise<LiveContent> {
  const list = textOption(parsed, "indicators");
  const { intel } = parsed.values;
  const files = Array.isArray(intel) ? intel.map(String) : [];
  const loaded = await loadIntelFiles(files, readWarnings(parsed), { isStrict: true });
  // One's own list is meant as it is: no warning list is asked about it.
  for (const one of list === undefined ? [] : await readIndicators(list)) loaded.store.add(one);
  const rules = textOption(parsed, "rules");
  const sigma = rules === undefined ? undefined : await readUsableRules("serve", parsed, rules);
  if (sigma !== undefined && rules !== undefined) warnOfErrors(sigma, rules);
  return {
    policy: await readPolicy(textOption(parsed, "policy")),
    indicators: loaded.store,
    ...(sigma === undefined ? {} : { sigma }),
  };
}

/** What was read, in words. */
export function contentSummary({ indicators, sigma }: LiveContent): string {
  if (sigma === undefined) return storeSummary(indicators);
  const { rules, correlations } = sigma;
  const texts = `Sigma: ${rules.length} rules, ${correlations.length} correlations`;
  return `${storeSummary(indicators)}; ${texts}`;
}
