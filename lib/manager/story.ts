// SPDX-License-Identifier: Apache-2.0
// A finding in plain sentences, for people who do not read events. Used by the API. Texts of
// guests are quoted as they are: whoever shows them escapes them.
import type { ApiFinding, LinkResponse } from "../model/model.ts";

const ENDS: Readonly<Record<ApiFinding["disposition"], string>> = {
  none: "Nothing was done about it.",
  blocked: "It was refused before it happened.",
  killed: "The process was ended.",
  allowed: "It was allowed.",
  failed: "What was to be done about it failed.",
  pending: "The outcome of the response is not known yet.",
};

/** What happened, why it was noticed, what was done. Times are UTC. */
export function storyOf(finding: ApiFinding, responses: readonly LinkResponse[]): string[] {
  const { guest, title, severity, count, field, value, rule, process, disposition } = finding;
  const who = `process ${process.pid}`;
  const when = timeText(finding.firstMs);
  const again = count > 1 ? ` and ${count - 1} times more until ${timeText(finding.lastMs)}` : "";
  return [
    `On guest ${guest}, ${who} did at ${when}${again} what the rule "${title}" looks for.`,
    `The rule (${rule}, severity ${severity}) matched because ${field} was "${value}".`,
    ...responses.map(({ action, reason, timeMs }) => {
      return `At ${timeText(timeMs)} the policy answered with ${action}: ${reason}.`;
    }),
    ENDS[disposition],
  ];
}

function timeText(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "");
}
