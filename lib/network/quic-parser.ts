// SPDX-License-Identifier: Apache-2.0
// QUIC of one flow, as far as its Initial packets go: the two hello messages of the TLS inside,
// told as one TLS event. Made by protocol detection. Bytes, packets and tries are bounded.
import { u24 } from "./bytes.ts";
import { type Hello, readHello } from "./client-hello.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";
import { type InitialKeys, initialKeys } from "./quic-keys.ts";
import { type LongPacket, openInitial, readFrames, readLongPacket } from "./quic-packet.ts";
import { helloPart } from "./tls-event.ts";

const helloBytesMax = 16_384;
/** Datagrams that are looked at; a handshake takes a handful, a flood of Initials must not cost. */
const datagramsMax = 48;
const coalescedMax = 8;
const piecesMax = 256;

/** Handshake bytes of one side, put in order. */
class CryptoStream {
  bytes: Uint8Array = new Uint8Array(0);
  readonly #context: ParserContext;
  /** Parts that are there, [from, to), in order and apart from each other. */
  #parts: Array<readonly [number, number]> = [];

  constructor(context: ParserContext) {
    this.#context = context;
  }

  /** Bytes from the beginning without a hole. */
  get length(): number {
    const [first] = this.#parts;
    return first !== undefined && first[0] === 0 ? first[1] : 0;
  }

  /** False where it is more than a handshake needs. */
  add(offset: number, bytes: Uint8Array, start: number, end: number): boolean {
    const stop = offset + end - start;
    if (stop > helloBytesMax || this.#parts.length >= piecesMax) return false;
    if (stop > this.bytes.length) {
      const grown = new Uint8Array(Math.min(helloBytesMax, Math.max(stop, 2048)));
      grown.set(this.bytes);
      this.#context.hold(grown.length - this.bytes.length);
      this.bytes = grown;
    }
    this.bytes.set(bytes.subarray(start, end), offset);
    const all = [...this.#parts, [offset, stop] as const].sort((one, two) => one[0] - two[0]);
    this.#parts = [];
    for (const [from, to] of all) {
      const last = this.#parts.at(-1);
      if (last !== undefined && from <= last[1]) {
        this.#parts[this.#parts.length - 1] = [last[0], Math.max(last[1], to)];
      } else {
        this.#parts.push([from, to]);
      }
    }
    return true;
  }

  release(): void {
    this.#context.hold(-this.bytes.length);
    this.bytes = new Uint8Array(0);
    this.#parts = [];
  }
}

/** Reads the Initial packets of a flow. */
export class QuicParser implements FlowParser {
  readonly service = "quic";
  isConfirmed = false;
  isDone = false;
  readonly #context: ParserContext;
  readonly #client: CryptoStream;
  readonly #server: CryptoStream;
  #clientHello: Hello | undefined;
  #serverHello: Hello | undefined;
  #keys: { readonly client: InitialKeys; readonly server: InitialKeys } | undefined;
  #datagrams = 0;
  #hasTold = false;

  constructor(context: ParserContext) {
    this.#context = context;
    this.#client = new CryptoStream(context);
    this.#server = new CryptoStream(context);
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#datagrams += 1;
    let at = start;
    for (let count = 0; count < coalescedMax && at < end; count += 1) {
      const packet = readLongPacket(bytes, at, end);
      if (packet === undefined) break;
      if (packet.kind === "initial") this.#initial(isFromSource, bytes, packet);
      // A server that asks to come again makes the client begin anew with other keys.
      if (packet.kind === "retry" && !isFromSource) this.#keys = undefined;
      at = packet.end;
    }
    const isComplete = this.#clientHello !== undefined && this.#serverHello !== undefined;
    if (isComplete || this.#datagrams >= datagramsMax) this.#finish();
  }

  gap(): void {}

  end(): void {
    this.#finish();
  }

  #finish(): void {
    this.#tell();
    this.isDone = true;
    this.#client.release();
    this.#server.release();
  }

  #initial(isFromSource: boolean, bytes: Uint8Array, packet: LongPacket): void {
    const { digests } = this.#context;
    let payload: Uint8Array | undefined;
    if (this.#keys !== undefined) {
      const keys = isFromSource ? this.#keys.client : this.#keys.server;
      payload = openInitial(bytes, packet, keys, digests);
    }
    if (payload === undefined && isFromSource) {
      // The first of a connection, or the first after a retry, names what its keys are made of.
      const client = initialKeys(packet.version, packet.destinationId, true, digests);
      payload = openInitial(bytes, packet, client, digests);
      if (payload === undefined) return;
      const server = initialKeys(packet.version, packet.destinationId, false, digests);
      this.#keys = { client, server };
    }
    if (payload === undefined) return;
    this.isConfirmed = true;
    const stream = isFromSource ? this.#client : this.#server;
    const isRead = readFrames(payload, (offset, source, from, to) => {
      if (!stream.add(offset, source, from, to)) this.#context.anomaly("quic_crypto_too_long");
    });
    if (!isRead) this.#context.anomaly("quic_frame_malformed");
    this.#readHello(stream, isFromSource);
  }

  #readHello(stream: CryptoStream, isClient: boolean): void {
    const { bytes, length } = stream;
    if (length < 4 || length < 4 + u24(bytes, 1)) return;
    if (bytes[0] !== (isClient ? 1 : 2)) return;
    const hello = readHello(bytes, 4, 4 + u24(bytes, 1), isClient);
    if (hello === undefined) this.#context.anomaly("tls_hello_malformed");
    else if (isClient) this.#clientHello ??= hello;
    else this.#serverHello = hello;
  }

  #tell(): void {
    const client = this.#clientHello;
    const server = this.#serverHello;
    if (this.#hasTold || (client === undefined && server === undefined)) return;
    this.#hasTold = true;
    const established = client !== undefined && server !== undefined;
    this.#context.emit({
      ...this.#context.base(),
      ...helloPart(client, server, "q", 0, established, this.#context.digests),
      certificates: [],
      clientCertificates: [],
      alertLevel: -1,
      alert: -1,
    });
  }
}
