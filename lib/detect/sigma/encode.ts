// SPDX-License-Identifier: Apache-2.0
// The encodings of Sigma's modifiers: UTF-16 and Base64 (modifiers appendix 2.1.0, "Encoding").
// Bytes are kept as text of one character each, so that a chain of encodings stays text.

/** What encoding the characters of a text are in. */
export type ByteOrder = "little" | "big";

/** The text's UTF-16 units as bytes. */
export function utf16Bytes(text: string, order: ByteOrder): string {
  let bytes = "";
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const [high, low] = [unit >> 8, unit & 0xff];
    bytes += order === "little" ? String.fromCharCode(low, high) : String.fromCharCode(high, low);
  }
  return bytes;
}

/** The text's UTF-8 bytes. */
export function utf8Bytes(text: string): string {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}

/** Base64 of bytes. */
export function base64Text(bytes: string): string {
  return btoa(bytes);
}

// What a neighbour's bits spoil, by how far the value is shifted and how much is left over.
const SKIPPED_AT_START = [0, 2, 3] as const;
const SKIPPED_AT_END = [0, 3, 2] as const;

/**
 * The three texts, of which one is in any Base64 of something that holds these bytes: the part
 * that no byte before or after changes, for each of the three places in a group.
 */
export function base64Offsets(bytes: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = btoa(" ".repeat(shift) + bytes);
    const end = encoded.length - (SKIPPED_AT_END[(bytes.length + shift) % 3] ?? 0);
    return encoded.slice(SKIPPED_AT_START[shift], end);
  });
}
