// SPDX-License-Identifier: Apache-2.0
// Reads the Sigma corpora: rule files, recorded events of the rules' own tests, and event logs of
// attacks played in a lab. Called by the oracles and by the benchmark.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type RuleFile,
  type RuleSetOptions,
  type SigmaEvent,
  windowsEvent,
} from "../../lib/detect/detect.ts";
import { readZip } from "./zip.ts";

/** Two rules of SigmaHQ leave the addresses of certificate servers to the installation. */
export const PLACEHOLDERS: RuleSetOptions = {
  placeholders: { known_cdcs: ["certificates.example"] },
};

/** All files below a folder whose names end so, in the order of their paths. */
export function filesBelow(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
}

/** The rule files below a folder, one at a time. */
export function* ruleFiles(folder: string): Generator<RuleFile> {
  for (const path of filesBelow(folder, ".yml")) {
    yield { name: path, text: readFileSync(path, "utf8") };
  }
}

/** The Windows events of a file of JSON objects, one after the other without anything between. */
export function recordedEvents(path: string): SigmaEvent[] {
  const text = readFileSync(path, "utf8");
  const events: SigmaEvent[] = [];
  let start = 0;
  // Upstream's converter ends each object on a line of its own.
  for (const match of text.matchAll(/^\}/gm)) {
    const end = match.index + 1;
    const event = windowsEvent(JSON.parse(text.slice(start, end)) as Record<string, unknown>);
    if (event !== undefined) events.push(event);
    start = end;
  }
  return events;
}

/** A Windows event of a lab's log, and its place as `file:line`. */
export interface LoggedEvent {
  readonly place: string;
  readonly event: SigmaEvent;
}

/** The events of a packed log. */
export function* loggedEvents(path: string): Generator<LoggedEvent> {
  for (const { name, content } of readZip(readFileSync(path))) {
    if (name.startsWith("__MACOSX/") || !name.endsWith(".json")) continue;
    for (const [index, line] of content.toString("utf8").split("\n").entries()) {
      if (line.trim() === "") continue;
      const event = windowsEvent(JSON.parse(line) as Record<string, unknown>);
      if (event !== undefined) yield { place: `${name}:${index + 1}`, event };
    }
  }
}
