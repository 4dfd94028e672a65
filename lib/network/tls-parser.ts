// SPDX-License-Identifier: Apache-2.0
// TLS of one connection, until both sides encrypt: names, fingerprints, certificates. Made by
// protocol detection. One event a connection; handshake messages are bounded.
import { ByteStore, hexOf, u16, u24 } from "./bytes.ts";
import { type Hello, readHello } from "./client-hello.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";
import { helloPart } from "./tls-event.ts";

const recordBytesMax = 5 + 16_384 + 2_048;
const handshakeBytesMax = 1 << 18;
const certificatesMax = 32;

class TlsSide {
  readonly records: ByteStore;
  readonly handshake: ByteStore;
  isEncrypted = false;
  certificates: string[] = [];

  constructor(context: ParserContext) {
    this.records = new ByteStore(2 * recordBytesMax + 65_536, context);
    this.handshake = new ByteStore(handshakeBytesMax, context);
  }
}

/** Whether bytes begin like a TLS handshake record of either side. */
export function looksLikeTls(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 6 || bytes[start] !== 22 || bytes[start + 1] !== 3) return false;
  const type = bytes[start + 5];
  return (bytes[start + 2] as number) <= 4 && (type === 1 || type === 2);
}

/** Reads the plain part of TLS. */
export class TlsParser implements FlowParser {
  readonly service = "ssl";
  readonly isConfirmed = true;
  isDone = false;
  readonly #context: ParserContext;
  readonly #client: TlsSide;
  readonly #server: TlsSide;
  #clientHello: Hello | undefined;
  #serverHello: Hello | undefined;
  #group = 0;
  #alertLevel = -1;
  #alert = -1;
  #hasTold = false;

  constructor(context: ParserContext) {
    this.#context = context;
    this.#client = new TlsSide(context);
    this.#server = new TlsSide(context);
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    const side = isFromSource ? this.#client : this.#server;
    if (!side.records.append(bytes, start, end)) {
      this.#stop("tls_record_too_long");
      return;
    }
    const { records } = side;
    let at = 0;
    while (records.length - at >= 5 && !this.isDone) {
      const length = u16(records.bytes, at + 3);
      if (records.bytes[at + 1] !== 3 || length > recordBytesMax) {
        this.#stop("tls_record_malformed");
        return;
      }
      if (records.length - at < 5 + length) break;
      this.#record(side, records.bytes[at] as number, at + 5, at + 5 + length);
      at += 5 + length;
    }
    records.consume(at);
  }

  gap(): void {
    this.#stop("tls_gap");
  }

  end(): void {
    this.#tell();
  }

  #stop(name: string): void {
    this.#context.anomaly(name);
    this.#tell();
    this.isDone = true;
  }

  #record(side: TlsSide, type: number, start: number, end: number): void {
    const { bytes } = side.records;
    if (type === 20 && this.#isTls13()) return;
    if (type === 20 || type === 23) side.isEncrypted = true;
    if (type === 21 && !side.isEncrypted && end - start === 2) {
      this.#alertLevel = bytes[start] as number;
      this.#alert = bytes[start + 1] as number;
    }
    if (type === 22 && !side.isEncrypted) this.#handshake(side, bytes, start, end);
    if (this.#client.isEncrypted && this.#server.isEncrypted) {
      this.#tell();
      this.isDone = true;
    }
  }

  #handshake(side: TlsSide, bytes: Uint8Array, start: number, end: number): void {
    const { handshake } = side;
    if (!handshake.append(bytes, start, end)) {
      this.#stop("tls_handshake_too_long");
      return;
    }
    let at = 0;
    while (handshake.length - at >= 4) {
      const stop = at + 4 + u24(handshake.bytes, at + 1);
      if (stop > handshake.length) break;
      this.#message(side, handshake.bytes[at] as number, at + 4, stop);
      at = stop;
    }
    handshake.consume(at);
  }

  #message(side: TlsSide, type: number, start: number, end: number): void {
    const { bytes } = side.handshake;
    if (type === 1 || type === 2) {
      const hello = readHello(bytes, start, end, type === 1);
      if (hello === undefined) {
        this.#context.anomaly("tls_hello_malformed");
        return;
      }
      if (type === 1) this.#clientHello ??= hello;
      else this.#serverHello = hello;
    } else if (type === 11) {
      this.#readCertificates(side, start, end);
    } else if (type === 12 && end - start >= 3 && bytes[start] === 3) {
      this.#group = u16(bytes, start + 1);
    }
  }

  #readCertificates(side: TlsSide, start: number, end: number): void {
    const { bytes } = side.handshake;
    let at = start + 3;
    while (end - at >= 3 && side.certificates.length < certificatesMax) {
      const stop = at + 3 + u24(bytes, at);
      if (stop > end) {
        this.#context.anomaly("tls_certificate_malformed");
        return;
      }
      side.certificates.push(hexOf(this.#context.digests.sha256(bytes.subarray(at + 3, stop))));
      at = stop;
    }
  }

  #isTls13(): boolean {
    return (this.#serverHello?.versions.length ?? 0) > 0;
  }

  #tell(): void {
    const client = this.#clientHello;
    const server = this.#serverHello;
    if (this.#hasTold || (client === undefined && server === undefined)) return;
    this.#hasTold = true;
    const established = this.#client.isEncrypted && this.#server.isEncrypted;
    this.#context.emit({
      ...this.#context.base(),
      ...helloPart(client, server, "t", this.#group, established, this.#context.digests),
      certificates: this.#server.certificates,
      clientCertificates: this.#client.certificates,
      alertLevel: this.#alertLevel,
      alert: this.#alert,
    });
  }
}
