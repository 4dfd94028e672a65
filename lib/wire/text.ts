// SPDX-License-Identifier: Apache-2.0
// Bytes from a guest to text and back. Decoding never fails: bad UTF-8 becomes U+FFFD.

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes `length` bytes at `offset` with replacement. */
export function decodeText(bytes: Uint8Array, offset: number, length: number): string {
  return length === 0 ? "" : decoder.decode(bytes.subarray(offset, offset + length));
}

/** Decodes a fixed field that ends at its first NUL or at its size. */
export function decodeFixedText(bytes: Uint8Array, offset: number, size: number): string {
  let length = 0;
  while (length < size && bytes[offset + length] !== 0) length++;
  return decodeText(bytes, offset, length);
}

/** UTF-8 bytes of a text. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex of `length` bytes at `offset`. */
export function toHex(
  bytes: Uint8Array,
  offset: number = 0,
  length: number = bytes.length,
): string {
  let text = "";
  for (let at = offset; at < offset + length; at++) text += HEX[bytes[at] ?? 0] ?? "";
  return text;
}

/**
 * Bytes of a hex text.
 * @throws {RangeError} where it is not an even number of hex digits.
 */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) throw new RangeError("not hex digits");
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16);
  }
  return bytes;
}

// Control and format characters (direction and zero-width marks among them), line separators.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Makes a guest's text safe to print: control and direction marks become visible escapes. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (mark) => {
    const code = mark.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return `\\u{${code.toString(16)}}`;
  });
}
