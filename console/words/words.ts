// SPDX-License-Identifier: Apache-2.0
// Texts of the console in the user's language, typed by the English catalogue: a key or a filling
// that is missing does not compile.
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Language = "en" | "zh";
export type WordKey = keyof typeof en;

/** Texts without anything to fill in. */
export type PlainKey = {
  [Key in WordKey]: [Slots<(typeof en)[Key]>] extends [never] ? Key : never;
}[WordKey];

/** What a catalogue of another language must hold. */
export type Words = Readonly<Record<WordKey, string>>;

/** Names between braces in a text. */
type Slots<Text> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Slots<Rest>
  : never;

type Filling<Key extends WordKey> = [Slots<(typeof en)[Key]>] extends [never]
  ? readonly []
  : readonly [values: Readonly<Record<Slots<(typeof en)[Key]>, string | number>>];

/** Says a text of the catalogue. */
export type Say = <Key extends WordKey>(key: Key, ...filling: Filling<Key>) => string;

export const LANGUAGES: Readonly<
  Record<Language, { readonly name: string; readonly tag: string }>
> = { en: { name: "English", tag: "en-GB" }, zh: { name: "中文", tag: "zh-CN" } };

const CATALOGUES: Readonly<Record<Language, Words>> = { en, zh };

/** The texts of a language. */
export function sayIn(language: Language): Say {
  const words = CATALOGUES[language];
  const numbers = new Intl.NumberFormat(LANGUAGES[language].tag);
  return (key, ...filling) => {
    const values: Readonly<Record<string, string | number>> = filling[0] ?? {};
    const [one = "", other = one] = words[key].split("|");
    return (values.n === 1 ? one : other).replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
}

/** The language to begin with, from what the browser asks for. */
export function languageOf(asked: readonly string[]): Language {
  for (const tag of asked) {
    if (/^zh\b/i.test(tag)) return "zh";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

/** A text of the catalogue by a key that is made of a value; the value itself where none is. */
export function sayKind(say: Say, family: string, value: string): string {
  const key = `${family}.${value}`;
  return key in en ? (say as (key: string) => string)(key) : value;
}
