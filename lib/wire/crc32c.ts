// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected polynomial 0x82f63b78. Guards against
// accidents only, never against a hostile writer.

const TABLE: Uint32Array = (() => {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    }
    table[byte] = value;
  }
  return table;
})();

/** CRC-32C of `length` bytes at `offset`; `seed` continues an earlier result. */
export function crc32c(
  bytes: Uint8Array,
  offset: number = 0,
  length: number = bytes.length,
  seed: number = 0,
): number {
  let crc = ~seed;
  for (let at = offset; at < offset + length; at++) {
    crc = (TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
