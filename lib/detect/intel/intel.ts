// SPDX-License-Identifier: Apache-2.0
// Threat intelligence of the detect room: indicators from many formats into one store. The room's
// face exports it whole.
export * from "./import-list.ts";
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
export * from "./refang.ts";
export * from "./value-guess.ts";
