// SPDX-License-Identifier: Apache-2.0
// JSON records of log files as events that Sigma rules judge. Called by the commands with rules.
import { type EventSource, recordEvent, type SigmaEvent, windowsEvent } from "../detect/detect.ts";
import { readJsonRecords } from "./json-records.ts";

/** An event and its place as `file:line`, or what is wrong there. */
export type PlacedEvent =
  | { readonly place: string; readonly event: SigmaEvent }
  | { readonly place: string; readonly fault: string };

/**
 * The events of a file; `source` is that of records that do not name one.
 * @throws {UndercroftError} ERR_UC_CONFIG where the file cannot be read
 */
export async function* readEvents(path: string, source: EventSource): AsyncGenerator<PlacedEvent> {
  for await (const found of readJsonRecords(path)) {
    const place = `${path}:${found.line}`;
    if ("fault" in found) yield { place, fault: found.fault };
    else yield { place, event: windowsEvent(found.record) ?? recordEvent(found.record, source) };
  }
}
