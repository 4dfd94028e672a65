// SPDX-License-Identifier: Apache-2.0
// How our types look as JSON, on the link and in the manager's API.

/** T as JSON: 64-bit numbers become decimal texts, all else stays. */
export type Plain<T> = T extends bigint
  ? string
  : T extends readonly (infer Item)[]
    ? ReadonlyArray<Plain<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: Plain<T[Key]> }
      : T;
