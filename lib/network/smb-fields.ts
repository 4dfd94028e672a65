// SPDX-License-Identifier: Apache-2.0
// Little-endian reads and texts of SMB messages, and the credentials that NTLM shows in the clear.
// Called by the SMB readers. A read outside the bytes gives zeroes, as in bytes.ts.
import { hexOf, latin1 } from "./bytes.ts";

const textBytesMax = 2048;

/** 16 bits, little endian. */
export function u16Little(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/** 32 bits, little endian, as an unsigned number. */
export function u32Little(bytes: Uint8Array, at: number): number {
  return (u16Little(bytes, at) | (u16Little(bytes, at + 2) << 16)) >>> 0;
}

/** 64 bits, little endian; values above 2^53 lose their last digits. */
export function u64Little(bytes: Uint8Array, at: number): number {
  return u32Little(bytes, at + 4) * 2 ** 32 + u32Little(bytes, at);
}

/** 64 bits, little endian, as decimal text without a loss. */
export function u64Text(bytes: Uint8Array, at: number): string {
  const high = u32Little(bytes, at + 4);
  const low = u32Little(bytes, at);
  if (high < 0x20_0000) return String(high * 2 ** 32 + low);
  return String((BigInt(high) << 32n) | BigInt(low));
}

/** Text of `length` bytes in UTF-16, little endian; long ones are cut. */
export function wideText(bytes: Uint8Array, at: number, length: number): string {
  const end = Math.min(at + Math.min(length, textBytesMax), bytes.length);
  let text = "";
  for (let place = at; place + 1 < end; place += 2) {
    text += String.fromCharCode(u16Little(bytes, place));
  }
  return text;
}

/** A text up to its zero, and where the next begins. */
export function zeroText(
  bytes: Uint8Array,
  at: number,
  isWide: boolean,
): { readonly text: string; readonly next: number } {
  const step = isWide ? 2 : 1;
  let end = at;
  while (end < bytes.length && (isWide ? u16Little(bytes, end) : bytes[end]) !== 0) end += step;
  const length = Math.min(end - at, textBytesMax);
  const text = isWide ? wideText(bytes, at, length) : latin1(bytes, at, at + length);
  return { text, next: end + step };
}

/** A GUID or file number as hex, empty where it lies outside. */
export function guidHex(bytes: Uint8Array, at: number): string {
  return at + 16 <= bytes.length ? hexOf(bytes, at, at + 16) : "";
}

/** Who logs on. */
export interface NtlmUser {
  readonly userName: string;
  readonly domainName: string;
  readonly clientName: string;
}

const signature = [0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0];
const authenticate = 3;
// Wrappings before the message itself are short.
const signatureOffsetMax = 512;

/** The user in an NTLM authenticate message, wrapped or not ([MS-NLMP] 2.2.1.3). */
export function readNtlm(bytes: Uint8Array): NtlmUser | undefined {
  const limit = Math.min(bytes.length - 64, signatureOffsetMax);
  for (let at = 0; at <= limit; at += 1) {
    if (!signature.every((value, index) => bytes[at + index] === value)) continue;
    const message = bytes.subarray(at);
    if (u32Little(message, 8) !== authenticate) return undefined;
    const isWide = (u32Little(message, 60) & 1) !== 0;
    const field = (place: number): string => {
      const length = u16Little(message, place);
      const start = u32Little(message, place + 4);
      if (start + length > message.length) return "";
      if (isWide) return wideText(message, start, length);
      return latin1(message, start, start + Math.min(length, textBytesMax));
    };
    return { domainName: field(28), userName: field(36), clientName: field(44) };
  }
  return undefined;
}
