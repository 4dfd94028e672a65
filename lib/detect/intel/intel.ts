// SPDX-License-Identifier: Apache-2.0
// Threat intelligence of the detect room: indicators from many formats into one store, and STIX
// patterns. The room's face exports it whole.
export * from "./import-csv.ts";
export * from "./import-format.ts";
export * from "./import-lines.ts";
export * from "./import-list.ts";
export * from "./import-misp.ts";
export * from "./import-openioc.ts";
export * from "./import-stix.ts";
export * from "./importer.ts";
export {
  canonicalValue,
  INDICATOR_KINDS,
  isDigest,
  isIndicatorKind,
  kindOfListName,
  kindTitle,
  valueId,
} from "./indicator-kinds.ts";
export * from "./indicator-store.ts";
export * from "./misp-feed.ts";
export * from "./refang.ts";
export * from "./stix-ast.ts";
export * from "./stix-evaluate.ts";
export { stixFaults } from "./stix-kinds.ts";
export * from "./stix-observation.ts";
export { parseStixPattern } from "./stix-parser.ts";
export * from "./value-guess.ts";
export * from "./warning-lists.ts";
