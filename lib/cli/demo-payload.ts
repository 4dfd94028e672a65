// SPDX-License-Identifier: Apache-2.0
// The program that the demo's intruder drops and runs: a whole tiny ELF file that waits to
// be ended and does nothing else. Made here byte by byte, so that its SHA-256 is the same on every
// machine and the demo's indicator file can name it. Called by demo-guest.ts only.

const headerBytes = 64;
const segmentBytes = 56;
const loadAddress = 0x400000n;
const note = "Undercroft demo: harmless, it only waits to be ended.\n";

// mov eax, 34 (pause); syscall; jmp back to the first instruction
const code = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];

/** Bytes of the payload, an executable for Linux on x86-64. */
export function demoPayload(): Uint8Array {
  const text = new TextEncoder().encode(note);
  const codeAt = headerBytes + segmentBytes;
  const bytes = new Uint8Array(codeAt + code.length + text.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // an executable
  view.setUint16(18, 62, true); // for x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, loadAddress + BigInt(codeAt), true);
  view.setBigUint64(32, BigInt(headerBytes), true);
  view.setUint16(52, headerBytes, true);
  view.setUint16(54, segmentBytes, true);
  view.setUint16(56, 1, true);
  view.setUint32(headerBytes, 1, true); // a segment to load,
  view.setUint32(headerBytes + 4, 5, true); // readable and executable: the whole file
  view.setBigUint64(headerBytes + 16, loadAddress, true);
  view.setBigUint64(headerBytes + 24, loadAddress, true);
  view.setBigUint64(headerBytes + 32, BigInt(bytes.length), true);
  view.setBigUint64(headerBytes + 40, BigInt(bytes.length), true);
  view.setBigUint64(headerBytes + 48, 4096n, true);
  bytes.set(code, codeAt);
  bytes.set(text, codeAt + code.length);
  return bytes;
}
