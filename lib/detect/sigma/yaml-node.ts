// SPDX-License-Identifier: Apache-2.0
// YAML as the rule parsers see it: three kinds of nodes that know their place.

/** Maps and lists within each other. */
export const DEPTH_MAX = 32;

export interface YamlScalar {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The value as text: a number as it was written, where that is plain decimal. */
  readonly text: string;
  /** Offset in the document. */
  readonly at: number;
}

export interface YamlMap {
  readonly kind: "map";
  readonly entries: ReadonlyArray<{ readonly key: YamlScalar; readonly value: YamlNode }>;
  readonly at: number;
}

export interface YamlList {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
  readonly at: number;
}

export type YamlNode = YamlScalar | YamlMap | YamlList;

/** Thrown and caught inside this folder: text that cannot be read as YAML of a rule. */
export class YamlFault extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}
