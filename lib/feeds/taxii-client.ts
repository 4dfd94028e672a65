// SPDX-License-Identifier: Apache-2.0
// TAXII 2.1 client (OASIS): API roots, collections, and the objects that were added since the last
// pull. Indicators go on page by page: what a page held is handed on when the page is whole.
import { ImportReport, type ImportSink, StixImporter } from "../detect/detect.ts";
import type { Indicator } from "../model/model.ts";
import { type FeedOptions, feedError, requestFeed } from "./request.ts";

const MEDIA_TYPE = "application/taxii+json";
const ACCEPT = `${MEDIA_TYPE};version=2.1`;
/** A server that never ends is one that goes in circles. */
const PAGES_MAX = 100_000;
const LIST_BYTES_MAX = 4 << 20;

/** A collection of an API root. */
export interface TaxiiCollection {
  readonly id: string;
  readonly title: string;
  readonly canRead: boolean;
}

/** What one pull gave. */
export interface TaxiiPull {
  /** Give it to the next pull: when the server got the last object; undefined where it had none. */
  readonly addedAfter: string | undefined;
  readonly pages: number;
}

/** Where a pull begins, and how large its pages are. */
export interface TaxiiRange {
  readonly addedAfter?: string;
  /** Objects that the server shall put into a page. */
  readonly limit?: number;
}

interface Page {
  readonly more: boolean;
  readonly next: string | undefined;
  readonly lastAdded: string | undefined;
}

/**
 * The API roots that a server names at its discovery address (usually `/taxii2/`).
 * @throws {UndercroftError} ERR_UC_FEED
 */
export async function discoverTaxii(url: string, options: FeedOptions = {}): Promise<string[]> {
  const answer = await getJson(url, options);
  const roots = Array.isArray(answer.api_roots) ? answer.api_roots : [];
  return roots.flatMap((root) => {
    const parsed = typeof root === "string" ? URL.parse(root, url) : null;
    return parsed === null ? [] : [parsed.href];
  });
}

/** A client of one API root. */
export class TaxiiClient {
  readonly #root: string;
  readonly #options: FeedOptions;

  /** @throws {UndercroftError} ERR_UC_FEED where the address is none of http or https */
  constructor(apiRoot: string, options: FeedOptions = {}) {
    const parsed = URL.parse(apiRoot);
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
      throw feedError(apiRoot, "is no address of a TAXII server; write https://...");
    }
    this.#root = parsed.href.endsWith("/") ? parsed.href : `${parsed.href}/`;
    this.#options = options;
  }

  /** @throws {UndercroftError} ERR_UC_FEED */
  async collections(): Promise<TaxiiCollection[]> {
    const answer = await getJson(new URL("collections/", this.#root).href, this.#options);
    const list = Array.isArray(answer.collections) ? answer.collections : [];
    return list.flatMap((one: unknown) => {
      const fields = (typeof one === "object" ? one : null) as Record<string, unknown> | null;
      if (typeof fields?.id !== "string") return [];
      const title = typeof fields.title === "string" ? fields.title : fields.id;
      return [{ id: fields.id, title, canRead: fields.can_read !== false }];
    });
  }

  /**
   * Hands all that was added to a collection to the sink. A pull that fails may have handed on
   * whole pages; the next one with the same start gives them again, under the same ids.
   * @throws {UndercroftError} ERR_UC_FEED
   */
  async pull(
    collection: string,
    source: string,
    sink: ImportSink,
    range: TaxiiRange = {},
  ): Promise<TaxiiPull> {
    const query = new URLSearchParams({ "match[type]": "indicator,marking-definition" });
    if (range.limit !== undefined) query.set("limit", String(range.limit));
    let addedAfter = range.addedAfter;
    let lastAdded = addedAfter;
    let next: string | undefined;
    for (let pages = 1; pages <= PAGES_MAX; pages++) {
      if (addedAfter !== undefined) query.set("added_after", addedAfter);
      const page = await this.#page(collection, source, sink, query, next);
      lastAdded = page.lastAdded ?? lastAdded;
      if (!page.more) return { addedAfter: lastAdded, pages };
      if (page.next !== undefined && page.next !== next) {
        // TAXII 2.1 §3.5: with the same query as before, so added_after stays.
        next = page.next;
        query.set("next", next);
      } else {
        if (page.lastAdded === undefined || page.lastAdded === addedAfter) {
          throw this.#error(collection, "says that there is more, but not where");
        }
        addedAfter = page.lastAdded;
        next = undefined;
        query.delete("next");
      }
    }
    throw this.#error(collection, `has more than ${PAGES_MAX} pages`);
  }

  async #page(
    collection: string,
    source: string,
    sink: ImportSink,
    query: URLSearchParams,
    next: string | undefined,
  ): Promise<Page> {
    const place = `collections/${encodeURIComponent(collection)}/objects/?${query}`;
    const url = new URL(place, this.#root).href;
    let page = new PageReader(source);
    await requestFeed(url, ACCEPT, this.#options, () => {
      page = new PageReader(source);
      return {
        start: (headers) => {
          needMediaType(url, headers);
          page.lastAdded = headers.get("x-taxii-date-added-last") ?? undefined;
        },
        push: (chunk) => page.push(chunk),
      };
    });
    page.end(sink);
    const { more, lastAdded } = page;
    return { more, lastAdded, next: page.next === next ? undefined : page.next };
  }

  #error(collection: string, what: string): Error {
    return feedError(new URL(`collections/${collection}/`, this.#root).href, what);
  }
}

/** One page: what it holds is kept until it is whole. */
class PageReader {
  readonly #report: ImportReport;
  readonly #importer: StixImporter;
  readonly #indicators: Indicator[] = [];
  readonly #removed: string[] = [];
  #size = 0;
  lastAdded: string | undefined;
  more = false;
  next: string | undefined;

  constructor(source: string) {
    this.#report = new ImportReport(
      (indicator) => this.#indicators.push(indicator),
      (id) => this.#removed.push(id),
    );
    this.#importer = new StixImporter(source, this.#report, (name, value) => {
      if (name === "more") this.more = value === true;
      if (name === "next" && typeof value === "string" && value !== "") this.next = value;
    });
  }

  push(chunk: Uint8Array): void {
    this.#size += chunk.length;
    this.#importer.push(chunk);
  }

  end(sink: ImportSink): void {
    // An answer without any object may be an empty one (§3.7).
    if (this.#size > 0) this.#importer.end();
    for (const problem of this.#report.problems) sink.problem(problem);
    for (const [what, count] of this.#report.skips) {
      for (let at = 0; at < count; at++) sink.skipped(what);
    }
    for (const id of this.#removed) sink.removed(id);
    for (const indicator of this.#indicators) sink.indicator(indicator);
  }
}

async function getJson(url: string, options: FeedOptions): Promise<Record<string, unknown>> {
  let text = "";
  const bounded = { ...options, bytesMax: LIST_BYTES_MAX };
  await requestFeed(url, ACCEPT, bounded, () => {
    const decoder = new TextDecoder();
    text = "";
    return {
      start: (headers) => needMediaType(url, headers),
      push: (chunk) => {
        text += decoder.decode(chunk, { stream: true });
      },
    };
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw feedError(url, "answers with something that is no JSON object");
}

// A page for people to sign in at would be read as an empty feed.
function needMediaType(url: string, headers: Headers): void {
  const type = headers.get("content-type") ?? "";
  const [name = "", ...parameters] = type.split(";").map((part) => part.trim().toLowerCase());
  const version = parameters.find((one) => one.startsWith("version="))?.slice(8);
  const isVersion = version === undefined || version.replaceAll('"', "") === "2.1";
  if (name === MEDIA_TYPE && isVersion) return;
  const shown = type === "" ? "no content type" : type.slice(0, 80);
  throw feedError(url, `is no TAXII 2.1 answer: its content type is ${shown}, not ${ACCEPT}`);
}
