// SPDX-License-Identifier: Apache-2.0
// A MISP feed: a folder, or the same over HTTP, with a manifest and a file for each event. Takes
// the events that were changed since the last time.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ImportSink,
  type MispFeedEvent,
  MispImporter,
  readMispManifest,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import { type FeedOptions, requestFeed } from "./request.ts";

const ACCEPT = "application/json";
const MANIFEST = "manifest.json";

/** What one reading of a feed gave. */
export interface MispFeedPull {
  /** Give it to the next reading: when the newest event that was read was changed, in seconds. */
  readonly changedAfter: number;
  readonly events: number;
}

/**
 * Hands the attributes of all events of a feed to the sink that were changed after a time. An
 * event that cannot be read is told as a problem; the others are read, and it is read again next
 * time.
 * @throws {UndercroftError} ERR_UC_FEED, ERR_UC_CONFIG or ERR_UC_INDICATORS where the manifest
 *   cannot be had
 */
export async function pullMispFeed(
  place: string,
  source: string,
  sink: ImportSink,
  changedAfter = 0,
  options: FeedOptions = {},
): Promise<MispFeedPull> {
  const isRemote = /^https?:\/\//i.test(place);
  const manifest = isRemote
    ? await getText(remote(place, MANIFEST), options)
    : await readText(join(place, MANIFEST));
  const all = readMispManifest(manifest, `${place}/${MANIFEST}`);
  let newest = changedAfter;
  let count = 0;
  let isWhole = true;
  for (const event of all.filter(({ timestamp }) => timestamp > changedAfter)) {
    const isRead = await pullEvent(place, isRemote, event, source, sink, options);
    if (isRead) count++;
    else isWhole = false;
    // Events come in the order of their changes: the first that failed is where to begin again.
    if (isWhole) newest = event.timestamp;
  }
  return { changedAfter: newest, events: count };
}

async function pullEvent(
  place: string,
  isRemote: boolean,
  event: MispFeedEvent,
  source: string,
  sink: ImportSink,
  options: FeedOptions,
): Promise<boolean> {
  const name = `${event.uuid}.json`;
  try {
    if (isRemote) {
      // Read whole before it is imported: an attempt that broke off must leave nothing.
      const parts: Uint8Array[] = [];
      await requestFeed(remote(place, name), ACCEPT, options, () => {
        parts.length = 0;
        return { push: (chunk) => parts.push(chunk) };
      });
      const importer = new MispImporter(source, sink);
      for (const part of parts) importer.push(part);
      importer.end();
    } else {
      const importer = new MispImporter(source, sink);
      for await (const chunk of createReadStream(join(place, name))) importer.push(chunk);
      importer.end();
    }
    return true;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    sink.problem({ source, place: name, reason: reason.slice(0, 300) });
    return false;
  }
}

function remote(place: string, name: string): string {
  return new URL(name, place.endsWith("/") ? place : `${place}/`).href;
}

async function getText(url: string, options: FeedOptions): Promise<string> {
  let text = "";
  await requestFeed(url, ACCEPT, options, () => {
    const decoder = new TextDecoder();
    text = "";
    return {
      push: (chunk) => {
        text += decoder.decode(chunk, { stream: true });
      },
    };
  });
  return text;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UndercroftError("ERR_UC_CONFIG", `cannot read ${path}: ${reason}`, { path });
  }
}
