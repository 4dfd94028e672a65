// SPDX-License-Identifier: Apache-2.0
// The manifest of a MISP feed: which events there are and when each was changed last. Whoever
// fetches a feed reads it first and takes only what is new.
import { UndercroftError } from "../../errors/errors.ts";
import { fieldsOf, plainText, textField, titleText } from "./json-fields.ts";

const EVENTS_MAX = 1_000_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** One event of a feed; its file is `UUID.json`. */
export interface MispFeedEvent {
  readonly uuid: string;
  /** When it was changed last, in seconds since 1970. */
  readonly timestamp: number;
  readonly title: string;
}

/**
 * The events of a manifest, the oldest change first. Entries without a UUID are left out: they
 * would name a file.
 * @throws {UndercroftError} ERR_UC_INDICATORS where the text is no manifest
 */
export function readMispManifest(text: string, source: string): MispFeedEvent[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const fields = fieldsOf(value);
  if (fields === undefined) {
    const message = `${source} is no manifest of a MISP feed: it is no JSON object`;
    throw new UndercroftError("ERR_UC_INDICATORS", message, { path: source });
  }
  const events: MispFeedEvent[] = [];
  for (const [uuid, entry] of Object.entries(fields).slice(0, EVENTS_MAX)) {
    const about = fieldsOf(entry);
    if (about === undefined || !UUID.test(uuid)) continue;
    const timestamp = Number(plainText(about.timestamp));
    events.push({
      uuid: uuid.toLowerCase(),
      timestamp: Number.isFinite(timestamp) ? timestamp : 0,
      title: titleText(textField(about, "info") ?? ""),
    });
  }
  return events.sort((one, other) => one.timestamp - other.timestamp);
}
