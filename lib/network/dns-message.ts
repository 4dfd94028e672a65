// SPDX-License-Identifier: Apache-2.0
// Reads one DNS message. Called by the DNS parser and by protocol detection; a message that breaks
// the format gives undefined. Names may point back only, so no chain of pointers can loop.
import { ipv4Text, ipv6Text, latin1, u16, u32 } from "./bytes.ts";

/** A DNS message, as much as events need. */
export interface DnsMessage {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly responseCode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly query: string;
  readonly queryType: number;
  readonly queryClass: number;
  readonly answers: readonly string[];
  readonly answerTtls: readonly number[];
}

const answersMax = 512;
const labelsMax = 128;

interface Name {
  readonly text: string;
  readonly end: number;
}

/** Reads the message in [start, end). */
export function readDns(bytes: Uint8Array, start: number, end: number): DnsMessage | undefined {
  if (end - start < 12) return undefined;
  const flags = u16(bytes, start + 2);
  const questions = u16(bytes, start + 4);
  const answerCount = u16(bytes, start + 6);
  let at = start + 12;
  let query = "";
  let queryType = 0;
  let queryClass = 0;
  for (let index = 0; index < questions; index += 1) {
    const name = readName(bytes, start, at, end);
    if (name === undefined || end - name.end < 4) return undefined;
    if (index === 0) {
      query = name.text;
      queryType = u16(bytes, name.end);
      queryClass = u16(bytes, name.end + 2);
    }
    at = name.end + 4;
  }
  const answers: string[] = [];
  const answerTtls: number[] = [];
  for (let index = 0; index < Math.min(answerCount, answersMax); index += 1) {
    const name = readName(bytes, start, at, end);
    if (name === undefined || end - name.end < 10) return undefined;
    const dataStart = name.end + 10;
    const dataEnd = dataStart + u16(bytes, name.end + 8);
    if (dataEnd > end) return undefined;
    const type = u16(bytes, name.end);
    // What nobody asked for, as in multicast, goes by the name of its first answer.
    if (index === 0 && questions === 0) query = name.text;
    if (type !== 41) {
      answers.push(readAnswer(bytes, start, dataStart, dataEnd, type));
      answerTtls.push(u32(bytes, name.end + 4));
    }
    at = dataEnd;
  }
  return {
    id: u16(bytes, start),
    isResponse: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    responseCode: flags & 15,
    authoritative: (flags & 0x400) !== 0,
    truncated: (flags & 0x200) !== 0,
    recursionDesired: (flags & 0x100) !== 0,
    recursionAvailable: (flags & 0x80) !== 0,
    query,
    queryType,
    queryClass,
    answers,
    answerTtls,
  };
}

/** Whether a message is a response. */
export function isDnsResponse(bytes: Uint8Array, start: number): boolean {
  return ((bytes[start + 2] as number) & 0x80) !== 0;
}

/** Whether bytes look like a whole DNS message, judged without trusting a port. */
export function looksLikeDns(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 17) return false;
  const flags = u16(bytes, start + 2);
  const questions = u16(bytes, start + 4);
  if ((flags & 0x40) !== 0 || ((flags >> 11) & 15) > 6) return false;
  const sections = u16(bytes, start + 6) + u16(bytes, start + 8) + u16(bytes, start + 10);
  if (questions > 1 || questions + sections === 0 || sections > 1000) return false;
  if (questions === 0 && (flags & 0x8000) === 0) return false;
  const message = readDns(bytes, start, end);
  if (message === undefined) return false;
  const isClass = [0, 1, 3, 4, 254, 255].includes(message.queryClass & 0x7fff);
  return isClass && (questions === 0 || message.queryType !== 0) && isNameText(message.query);
}

function isNameText(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return true;
}

function readName(bytes: Uint8Array, base: number, at: number, end: number): Name | undefined {
  const labels: string[] = [];
  let place = at;
  let after = -1;
  let total = 0;
  for (let count = 0; count < labelsMax; count += 1) {
    if (place >= end) return undefined;
    const length = bytes[place] as number;
    if (length === 0) {
      return { text: labels.join("."), end: after < 0 ? place + 1 : after };
    }
    if (length >= 0xc0) {
      if (place + 1 >= end) return undefined;
      const target = base + (u16(bytes, place) & 0x3fff);
      if (after < 0) after = place + 2;
      if (target >= place) return undefined;
      place = target;
      continue;
    }
    total += length + 1;
    if (length > 63 || total > 255 || place + 1 + length > end) return undefined;
    labels.push(latin1(bytes, place + 1, place + 1 + length).toLowerCase());
    place += 1 + length;
  }
  return undefined;
}

function readAnswer(
  bytes: Uint8Array,
  base: number,
  start: number,
  end: number,
  type: number,
): string {
  const nameAt = (at: number): string => readName(bytes, base, at, end)?.text ?? "";
  switch (type) {
    case 1:
      return end - start >= 4 ? ipv4Text(bytes, start) : "";
    case 28:
      return end - start >= 16 ? ipv6Text(bytes, start) : "";
    case 2:
    case 5:
    case 6:
    case 12:
    case 39:
      return nameAt(start);
    case 15:
      return nameAt(start + 2);
    case 33:
      return nameAt(start + 6);
    case 16:
    case 99:
      return textStrings(bytes, start, end, type === 99 ? "SPF" : "TXT");
    case 13:
      return `HINFO ${textStrings(bytes, start, end)}`;
    case 29:
      return end - start >= 16
        ? `LOC ${bytes[start + 1]} ${bytes[start + 2]} ${bytes[start + 3]}`
        : "";
    case 35:
      return nameAt(skipStrings(bytes, start + 4, end, 3));
    case 43:
      return `DS ${bytes[start + 2]} ${bytes[start + 3]}`;
    case 46:
      return `RRSIG ${u16(bytes, start)} ${nameAt(start + 18)}`;
    case 47:
      return `NSEC ${nameAt(start)}`;
    case 48:
      return `DNSKEY ${bytes[start + 3]}`;
    case 50:
      return "NSEC3";
    case 51:
      return "NSEC3PARAM";
    case 52:
      return `TLSA ${bytes[start]} ${bytes[start + 1]} ${bytes[start + 2]}`;
    case 64:
    case 65:
      return `${type === 65 ? "HTTPS" : "SVCB"} ${u16(bytes, start)} ${nameAt(start + 2) || "."}`;
    case 257:
      return `CAA ${latin1(bytes, start + 2, end)}`;
    default:
      return `type ${type}, ${end - start} bytes`;
  }
}

/** Place after so many strings, each with its length before it. */
function skipStrings(bytes: Uint8Array, start: number, end: number, count: number): number {
  let at = start;
  for (let index = 0; index < count && at < end; index += 1) at += 1 + (bytes[at] as number);
  return at;
}

function textStrings(bytes: Uint8Array, start: number, end: number, name = ""): string {
  const parts: string[] = [];
  for (let at = start; at < end; ) {
    const stop = Math.min(end, at + 1 + (bytes[at] as number));
    const text = latin1(bytes, at + 1, stop);
    parts.push(name === "" ? text : `${name} ${text.length} ${text}`);
    at = stop;
  }
  return parts.join(" ");
}
