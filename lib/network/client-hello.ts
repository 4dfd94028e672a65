// SPDX-License-Identifier: Apache-2.0
// Reads the TLS hello messages and makes the fingerprints JA3, JA3S and JA4 of them. Called by the
// TLS parser. Of the JA4 family only JA4 itself is free to implement; the others stay out.
import { hexOf, latin1, u16 } from "./bytes.ts";
import type { NetworkDigests } from "./parser-context.ts";

/** A ClientHello or ServerHello, as much as events and fingerprints need. */
export interface Hello {
  readonly legacyVersion: number;
  readonly ciphers: readonly number[];
  readonly extensions: readonly number[];
  readonly groups: readonly number[];
  readonly pointFormats: readonly number[];
  readonly signatures: readonly number[];
  readonly versions: readonly number[];
  readonly protocols: readonly string[];
  readonly protocolBytes: Uint8Array;
  readonly serverName: string;
  readonly hasServerName: boolean;
}

/** Reads the body of a hello in [start, end); undefined where it breaks the format. */
export function readHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  isClient: boolean,
): Hello | undefined {
  if (end - start < 38) return undefined;
  let at = start + 34;
  at += 1 + (bytes[at] as number);
  const ciphers: number[] = [];
  if (isClient) {
    if (end - at < 2) return undefined;
    const length = u16(bytes, at);
    at += 2;
    if (length > end - at) return undefined;
    ciphers.push(...list16(bytes, at, at + length));
    at += length;
    if (at >= end) return undefined;
    at += 1 + (bytes[at] as number);
  } else {
    if (end - at < 3) return undefined;
    ciphers.push(u16(bytes, at));
    at += 3;
  }
  const hello = new HelloFields(u16(bytes, start), ciphers);
  if (at > end) return undefined;
  if (end - at < 2) return hello;
  const stop = Math.min(end, at + 2 + u16(bytes, at));
  at += 2;
  while (stop - at >= 4) {
    const type = u16(bytes, at);
    const dataEnd = at + 4 + u16(bytes, at + 2);
    if (dataEnd > stop) return undefined;
    hello.extensions.push(type);
    hello.read(type, bytes, at + 4, dataEnd, isClient);
    at = dataEnd;
  }
  return hello;
}

class HelloFields implements Hello {
  readonly extensions: number[] = [];
  groups: number[] = [];
  pointFormats: number[] = [];
  signatures: number[] = [];
  versions: number[] = [];
  protocols: string[] = [];
  protocolBytes: Uint8Array = new Uint8Array(0);
  serverName = "";
  hasServerName = false;
  readonly legacyVersion: number;
  readonly ciphers: readonly number[];

  constructor(legacyVersion: number, ciphers: readonly number[]) {
    this.legacyVersion = legacyVersion;
    this.ciphers = ciphers;
  }

  read(type: number, bytes: Uint8Array, start: number, end: number, isClient: boolean): void {
    switch (type) {
      case 0:
        this.hasServerName = true;
        if (end - start < 5) return;
        this.serverName = latin1(
          bytes,
          start + 5,
          Math.min(end, start + 5 + u16(bytes, start + 3)),
        );
        return;
      case 10:
        this.groups = list16(bytes, start + 2, end);
        return;
      case 11:
        this.pointFormats = [...bytes.subarray(start + 1, end)];
        return;
      case 13:
        this.signatures = list16(bytes, start + 2, end);
        return;
      case 16:
        this.#readProtocols(bytes, start + 2, end);
        return;
      case 43:
        this.versions = list16(bytes, isClient ? start + 1 : start, end);
        return;
      case 51:
        if (!isClient && end - start >= 2) this.groups = [u16(bytes, start)];
        return;
      default:
    }
  }

  #readProtocols(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const stop = Math.min(end, at + 1 + (bytes[at] as number));
      if (this.protocols.length === 0) this.protocolBytes = bytes.slice(at + 1, stop);
      this.protocols.push(latin1(bytes, at + 1, stop));
      at = stop;
    }
  }
}

/** JA3 of a ClientHello: MD5 in hex. */
export function ja3Of(hello: Hello, digests: NetworkDigests): string {
  const parts = [hello.ciphers, hello.extensions, hello.groups].map(withoutGrease);
  const lists = [...parts, hello.pointFormats].map((values) => values.join("-"));
  return hexOf(digests.md5(asciiBytes(`${hello.legacyVersion},${lists.join(",")}`)));
}

/** JA3S of a ServerHello: MD5 in hex. */
export function ja3sOf(hello: Hello, digests: NetworkDigests): string {
  const text = `${hello.legacyVersion},${hello.ciphers.join("-")},${hello.extensions.join("-")}`;
  return hexOf(digests.md5(asciiBytes(text)));
}

/** JA4 of a ClientHello; `transport` is t for TCP and q for QUIC. */
export function ja4Of(hello: Hello, transport: "t" | "q", digests: NetworkDigests): string {
  const ciphers = withoutGrease(hello.ciphers);
  const extensions = withoutGrease(hello.extensions);
  const version = Math.max(0, ...withoutGrease(hello.versions)) || hello.legacyVersion;
  const names = `${ja4Versions.get(version) ?? "00"}${hello.hasServerName ? "d" : "i"}`;
  const counts = `${twoDigits(ciphers.length)}${twoDigits(extensions.length)}`;
  const sorted = extensions
    .filter((type) => type !== 0 && type !== 16)
    .map(hex16)
    .sort();
  const signatures = withoutGrease(hello.signatures).map(hex16).join(",");
  const listed = signatures === "" ? sorted.join(",") : `${sorted.join(",")}_${signatures}`;
  const shortHash = (text: string, isEmpty: boolean): string =>
    isEmpty ? "000000000000" : hexOf(digests.sha256(asciiBytes(text))).slice(0, 12);
  const cipherHash = shortHash(ciphers.map(hex16).sort().join(","), ciphers.length === 0);
  const head = `${transport}${names}${counts}${protocolMark(hello.protocolBytes)}`;
  return `${head}_${cipherHash}_${shortHash(listed, listed === "")}`;
}

const ja4Versions: ReadonlyMap<number, string> = new Map([
  [0x0304, "13"],
  [0x0303, "12"],
  [0x0302, "11"],
  [0x0301, "10"],
  [0x0300, "s3"],
  [0x0002, "s2"],
]);

function protocolMark(first: Uint8Array): string {
  const head = first[0];
  const last = first.at(-1);
  if (head === undefined || last === undefined) return "00";
  if (isWordByte(head) && isWordByte(last)) return String.fromCharCode(head, last);
  const hex = hexOf(first);
  return `${hex[0]}${hex.at(-1)}`;
}

function isWordByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}

function withoutGrease(values: readonly number[]): number[] {
  return values.filter((value) => (value & 0x0f0f) !== 0x0a0a || value >> 8 !== (value & 0xff));
}

function list16(bytes: Uint8Array, start: number, end: number): number[] {
  const values: number[] = [];
  for (let at = start; at + 1 < end; at += 2) values.push(u16(bytes, at));
  return values;
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function twoDigits(count: number): string {
  return String(Math.min(99, count)).padStart(2, "0");
}

function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
