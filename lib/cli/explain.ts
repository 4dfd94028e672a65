// SPDX-License-Identifier: Apache-2.0
// `undercroft explain`: which parts of a Sigma rule match an event, and which do not. Texts from
// files are escaped, so that they cannot write to the terminal.
import process from "node:process";
import {
  type EventSource,
  type Explanation,
  explainRule,
  type RuleExplanation,
  type SigmaRule,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import { printable } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { PLACEHOLDER_OPTION, readUsableRules } from "./rule-files.ts";
import { readEvents } from "./sigma-events.ts";
import { readArguments } from "./usage.ts";

/** Runs the command. */
export async function explain(args: readonly string[]): Promise<number> {
  const options = { json: { type: "boolean" }, ...PLACEHOLDER_OPTION } as const;
  const parsed = readArguments("explain", args, options, ["RULE", "EVENT"]);
  const [rulePath = "", eventPath = ""] = parsed.operands;
  const { rules } = await readUsableRules("explain", parsed, rulePath);
  const isJson = parsed.values.json === true;
  for (const rule of rules) {
    for await (const found of readEvents(eventPath, eventSourceOf(rule))) {
      if ("fault" in found) {
        const message = `${found.place}: ${found.fault}`;
        throw new UndercroftError("ERR_UC_CONFIG", message, { path: eventPath });
      }
      const explanation = explainRule(rule, found.event);
      const text = isJson
        ? toJson({ place: found.place, ...explanation })
        : explanationLines(explanation).map(printable).join("\n");
      process.stdout.write(`${text}\n`);
    }
  }
  return 0;
}

/** The log source of an event that a rule would meet. */
export function eventSourceOf({ source }: SigmaRule): EventSource {
  const { category, ...rest } = source;
  return { ...rest, categories: category === undefined ? [] : [category] };
}

/** An explanation as indented lines. */
export function explanationLines(explanation: RuleExplanation): string[] {
  const { title, matched, sourceMatched, condition } = explanation;
  const source = sourceMatched ? [] : ["  no  the event is of another log source"];
  return [`${matched ? "MATCH" : "no match"}: ${title}`, ...source, ...linesOf(condition, 1)];
}

function linesOf(node: Explanation, depth: number): string[] {
  const mark = `${"  ".repeat(depth)}${node.matched ? "yes" : "no "}`;
  if (node.kind === "leaf") {
    const { key, wanted, field, value } = node;
    const has = value === undefined ? "is not there" : `is ${JSON.stringify(value)}`;
    const name = key.startsWith("|") || key === "" ? `keyword${key}` : key;
    return [`${mark} ${name}: ${wanted}${field === "" ? "" : `; ${field} ${has}`}`];
  }
  const words = { and: "all of:", or: "any of:", not: "not:" };
  const name = node.name === "" ? "" : `${node.name}, `;
  const inner = node.items.flatMap((item) => linesOf(item, depth + 1));
  return [`${mark} ${name}${words[node.kind]}`, ...inner];
}
