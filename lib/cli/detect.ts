// SPDX-License-Identifier: Apache-2.0
// `undercroft detect`: runs Sigma rules over log files and prints what matches. Texts from logs are
// escaped, so that they cannot write to the terminal. Authors are named, as their licence asks.
import process from "node:process";
import { decidingField, type EventSource, SigmaEngine, type SigmaMatch } from "../detect/detect.ts";
import { printable } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { PLACEHOLDER_OPTION, readUsableRules, warnOfErrors } from "./rule-files.ts";
import { readEvents } from "./sigma-events.ts";
import { type Arguments, readArguments, textOption, usageError } from "./usage.ts";

/** Runs the command. */
export async function detect(args: readonly string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = {
    ...{ rules: text, product: text, category: text, service: text },
    ...{ json: { type: "boolean" } as const, ...PLACEHOLDER_OPTION },
  };
  const parsed = readArguments("detect", args, options, ["FILE..."]);
  const path = textOption(parsed, "rules");
  if (path === undefined) throw usageError("detect", "--rules PATH is missing");
  const set = await readUsableRules("detect", parsed, path);
  warnOfErrors(set, path);
  const engine = new SigmaEngine(set);
  const print = printer(parsed.values.json === true);
  const startMs = performance.now();
  let faults = 0;
  for (const file of parsed.operands) {
    for await (const found of readEvents(file, sourceOf(parsed))) {
      if ("fault" in found) {
        faults += 1;
        process.stderr.write(`undercroft: ${printable(found.place)}: ${found.fault}\n`);
      } else for (const match of engine.match(found.event)) print(match, found.place);
    }
  }
  // The logs are over: no window can get anything more.
  for (const match of engine.advance(Number.MAX_SAFE_INTEGER)) print(match, "");
  const { events, matches } = engine.stats;
  const seconds = (performance.now() - startMs) / 1000;
  const rate = Math.round(events / seconds);
  process.stderr.write(
    `${events} events, ${matches} matches, ${seconds.toFixed(1)} s, ${rate} events/s\n`,
  );
  return faults === 0 ? 0 : 1;
}

/** The log source that options name. */
function sourceOf(args: Arguments): EventSource {
  const [product, category, service] = ["product", "category", "service"].map((name) =>
    textOption(args, name)?.toLowerCase(),
  );
  return {
    ...(product === undefined ? {} : { product }),
    ...(service === undefined ? {} : { service }),
    categories: category === undefined ? [] : [category],
  };
}

function printer(isJson: boolean): (match: SigmaMatch, place: string) => void {
  return (match, place) => {
    const found = describe(match, place);
    process.stdout.write(`${isJson ? toJson(found) : printable(lineOf(found))}\n`);
  };
}

/** A match as programs read it. */
interface FoundMatch {
  readonly time: string;
  readonly kind: "rule" | "correlation";
  readonly level: string;
  readonly rule: string;
  readonly title: string;
  readonly author: string;
  readonly tags: readonly string[];
  readonly place: string;
  readonly field: string;
  readonly value: string;
  /** Of a correlation: what it groups by, and the figure that was reached. */
  readonly group?: Readonly<Record<string, string>>;
  readonly figure?: number;
}

function describe(match: SigmaMatch, place: string): FoundMatch {
  if (match.kind === "rule") {
    const { rule, event } = match;
    const decided = decidingField(rule.expression, event);
    const field = { field: decided?.field ?? "", value: String(decided?.value ?? "") };
    return { ...headOf("rule", rule, event.timeMs, place), ...field };
  }
  const { correlation, timeMs, group, figure, value = "" } = match;
  return {
    ...headOf("correlation", correlation, timeMs, place),
    ...{ field: "", value, group: Object.fromEntries(group), figure },
  };
}

function headOf(
  kind: FoundMatch["kind"],
  { key, title, author, severity, tags }: Extract<SigmaMatch, { kind: "rule" }>["rule"] | Head,
  timeMs: number,
  place: string,
): Omit<FoundMatch, "field" | "value"> {
  const time = new Date(timeMs).toISOString();
  return { time, kind, level: severity, rule: key, title, author, tags, place };
}

type Head = Extract<SigmaMatch, { kind: "correlation" }>["correlation"];

function lineOf(found: FoundMatch): string {
  const { time, level, title, author, place, field, value, group, figure } = found;
  const what =
    group === undefined
      ? `${field}=${value}`
      : `${Object.entries(group)
          .map(([name, text]) => `${name}=${text}`)
          .join(" ")} figure ${figure}${value === "" ? "" : ` of ${value}`}`;
  const by = author === "" ? "" : ` (rule by ${author})`;
  return `${time} ${level.padEnd(13)} ${title}: ${what}${place === "" ? "" : ` at ${place}`}${by}`;
}
