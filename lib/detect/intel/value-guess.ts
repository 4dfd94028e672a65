// SPDX-License-Identifier: Apache-2.0
// Which kind a value without a name is. Used for plain lists, and for CSV without a kind column.
import type { IndicatorKind, Observable } from "../../model/model.ts";
import { readIpv4 } from "./address-key.ts";
import { canonicalValue, isWindowsPath, shortText } from "./indicator-kinds.ts";
import { refang } from "./refang.ts";

/** A value with its kind, in written form, and what must hold too. */
export interface Guess extends Observable {
  readonly with?: readonly Observable[];
}

const DIGEST_KINDS: Readonly<Record<number, IndicatorKind>> = {
  32: "md5",
  40: "sha1",
  56: "sha224",
  64: "sha256",
  96: "sha384",
  128: "sha512",
};

/** Ends of file names that are no domains of the Internet. */
const FILE_ENDS: ReadonlySet<string> = new Set(
  "exe dll sys scr cpl bat cmd ps1 vbs vbe js jse wsf hta lnk doc docx docm xls xlsx xlsm ppt pptx"
    .split(" ")
    .concat("pdf rtf jar apk iso img msi bin dat tmp elf ko 7z rar gz tgz".split(" ")),
);
const PLAIN_DOMAIN = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/;

/** The value with its kind, or why it is none. */
export function guessValue(text: string): Guess | string {
  // Most lines of most lists: nothing to take back, nothing to split.
  if (readIpv4(text, 0, text.length) >= 0) return { kind: "address", value: text };
  const digest = DIGEST_KINDS[text.length];
  if (digest !== undefined) {
    const value = canonicalValue(digest, text);
    if (value !== undefined) return { kind: digest, value };
  }
  if (PLAIN_DOMAIN.test(text) && !isFileName(text)) {
    const value = canonicalValue("domain", text);
    if (value !== undefined) return { kind: "domain", value };
  }
  return guessRest(text);
}

function isFileName(text: string): boolean {
  const dot = text.lastIndexOf(".");
  return dot > 0 && FILE_ENDS.has(text.slice(dot + 1).toLowerCase()) && !/[/\\]/.test(text);
}

function guessRest(original: string): Guess | string {
  if (original.startsWith("/")) return of("path", original);
  if (isWindowsPath(original)) return of("path", original);
  if (/^(?:hkey_[a-z_]+|hklm|hkcu|hkcr|hku|hkcc)\\/i.test(original)) {
    return of("registry-key", original);
  }
  if (isFileName(original)) return of("name", original);
  const text = refang(original);
  if (text.includes("://")) return of("url", text);
  if (/^\S+@[^\s@]+$/.test(text) && !text.includes("/")) return of("email", text);
  const withPort = /^\[?([0-9a-z:._-]+?)\]?:(\d{1,5})$/i.exec(text);
  if (
    withPort !== null &&
    (text.startsWith("[") || !text.slice(0, text.lastIndexOf(":")).includes(":"))
  ) {
    return atPort(withPort[1] ?? "", withPort[2] ?? "", original);
  }
  const address = canonicalValue("address", text);
  if (address !== undefined) return { kind: "address", value: address };
  if (/[/?]/.test(text)) return of("url", text);
  if (!text.includes(".")) return none(original);
  return of("domain", text);
}

function atPort(server: string, port: string, original: string): Guess | string {
  const value = canonicalValue("port", port);
  if (value === undefined) return none(original);
  const conditions = [{ kind: "port" as const, value }];
  for (const kind of ["address", "domain"] as const) {
    const known = canonicalValue(kind, server);
    if (known !== undefined) return { kind, value: known, with: conditions };
  }
  return none(original);
}

function of(kind: IndicatorKind, text: string): Guess | string {
  const value = canonicalValue(kind, text);
  return value === undefined ? none(text) : { kind, value };
}

function none(text: string): string {
  return `is no value of a kind that can be told without its name: ${shortText(text)}`;
}
