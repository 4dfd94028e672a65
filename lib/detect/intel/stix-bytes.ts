// SPDX-License-Identifier: Apache-2.0
// Bytes from the two texts that STIX writes them in. Used by the parser, and by the evaluator for
// properties whose names end in _hex and _bin.

/** Bytes of hex digits; undefined where the text is something else. */
export function hexBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

/** Bytes of base64 text. */
export function base64Bytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The bytes that a property of this name stands for; any other value is itself. */
export function propertyValue(name: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (name.endsWith("_hex") && /^(?:[0-9a-f]{2})*$/i.test(value)) return hexBytes(value);
  if (name.endsWith("_bin") && isBase64(value)) return base64Bytes(value);
  return value;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
