// SPDX-License-Identifier: Apache-2.0
// Face of the feeds room: where indicators come from. Files, TAXII 2.1 servers and MISP feeds are
// read here and handed to the importers of the detect room, which know no file and no network.
export * from "./file-source.ts";
export * from "./misp-feed-source.ts";
export type { FeedOptions } from "./request.ts";
export * from "./taxii-client.ts";
