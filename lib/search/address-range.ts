// SPDX-License-Identifier: Apache-2.0
// Addresses as texts that sort as addresses do: a family and its bytes in hex. A network is then
// two keys. The SQL compiler writes the same keys.
import { addressRangeText, parseAddressRange } from "../wire/wire.ts";

export interface AddressKeys {
  /** `4` or `6`, then 8 or 32 hex digits. */
  readonly low: string;
  readonly high: string;
  /** As it is printed. */
  readonly text: string;
}

/** Reads `ADDRESS` or `ADDRESS/BITS`; undefined where it is neither. */
export function addressKeys(text: string): AddressKeys | undefined {
  if (text.length > 64) return undefined;
  const range = parseAddressRange(text);
  if (range === undefined) return undefined;
  const size = range.family === 4 ? 4 : 16;
  const bytes = range.bytes.subarray(0, size);
  const top = bytes.map((byte, at) => {
    const fixed = Math.min(8, Math.max(0, range.prefixBits - at * 8));
    return byte | (0xff >> fixed);
  });
  return {
    low: `${range.family}${hexOf(bytes)}`,
    high: `${range.family}${hexOf(top)}`,
    text: addressRangeText(range),
  };
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
