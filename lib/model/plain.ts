// SPDX-License-Identifier: Apache-2.0
// Our types as JSON, on the link and in the manager's API.

/** T as JSON: 64-bit numbers become decimal texts, all else stays. */
export type Plain<T> = T extends bigint
  ? string
  : T extends readonly (infer Item)[]
    ? ReadonlyArray<Plain<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: Plain<T[Key]> }
      : T;

/** A value as JSON text. */
export function plainJson(value: object): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? String(part) : part,
  );
}

/** A value as JSON would bring it. */
export function toPlain<T extends object>(value: T): Plain<T> {
  return JSON.parse(plainJson(value)) as Plain<T>;
}
