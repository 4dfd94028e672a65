// SPDX-License-Identifier: Apache-2.0
// DNS of one flow, over UDP or TCP: joins responses to queries and tells one event each. Made by
// protocol detection. Queries that wait for a response are bounded.
import { ByteStore, u16 } from "./bytes.ts";
import { type DnsMessage, isDnsResponse, readDns } from "./dns-message.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";

interface Pending {
  readonly message: DnsMessage;
  readonly timeMs: number;
}

const pendingMax = 256;
/** About what a query that waits takes beside its name. */
const pendingBytes = 400;
const messageBytesMax = 65_537;

/** Reads DNS messages of a flow. */
export class DnsParser implements FlowParser {
  readonly service = "dns";
  readonly isConfirmed = true;
  #isBegun = false;
  isDone = false;
  readonly #context: ParserContext;
  readonly #isStream: boolean;
  readonly #stores: readonly ByteStore[];
  readonly #pending = new Map<string, Pending>();

  constructor(context: ParserContext, isStream: boolean) {
    this.#context = context;
    this.#isStream = isStream;
    this.#stores = [messageBytesMax * 2, messageBytesMax * 2].map(
      (bytesMax) => new ByteStore(bytesMax, context),
    );
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isStream) {
      if (!this.#isBegun && isFromSource && isDnsResponse(bytes, start)) this.#context.turn();
      this.#isBegun = true;
      this.#message(bytes, start, end);
      return;
    }
    const store = this.#stores[isFromSource ? 0 : 1] as ByteStore;
    if (!store.append(bytes, start, end)) {
      this.#giveUp("dns_too_long");
      return;
    }
    let at = 0;
    while (store.length - at >= 2) {
      const length = u16(store.bytes, at);
      if (store.length - at < 2 + length) break;
      this.#message(store.bytes, at + 2, at + 2 + length);
      at += 2 + length;
    }
    store.consume(at);
  }

  gap(): void {
    if (this.#isStream) this.#giveUp("dns_gap");
  }

  end(): void {
    for (const { message, timeMs } of this.#pending.values())
      this.#tell(message, undefined, timeMs);
    this.#pending.clear();
  }

  #giveUp(name: string): void {
    this.#context.anomaly(name);
    this.isDone = true;
  }

  #message(bytes: Uint8Array, start: number, end: number): void {
    const message = readDns(bytes, start, end);
    if (message === undefined) {
      this.#context.anomaly("dns_malformed");
      return;
    }
    const key = `${message.id}.${message.queryType}.${message.query}`;
    const { timeMs } = this.#context.base();
    if (!message.isResponse) {
      const before = this.#pending.get(key);
      if (before !== undefined) this.#tell(before.message, undefined, before.timeMs);
      this.#forget(key);
      this.#pending.set(key, { message, timeMs });
      this.#context.hold(pendingBytes + key.length);
      if (this.#pending.size > pendingMax) this.#dropOldest();
      return;
    }
    const pending = this.#pending.get(key);
    this.#forget(key);
    this.#tell(pending?.message, message, pending?.timeMs ?? timeMs);
  }

  #forget(key: string): void {
    if (this.#pending.delete(key)) this.#context.hold(-pendingBytes - key.length);
  }

  #dropOldest(): void {
    const [first] = this.#pending;
    if (first === undefined) return;
    this.#forget(first[0]);
    this.#tell(first[1].message, undefined, first[1].timeMs);
  }

  #tell(query: DnsMessage | undefined, response: DnsMessage | undefined, startMs: number): void {
    const asked = query ?? response;
    if (asked === undefined) return;
    const base = this.#context.base();
    const isPair = query !== undefined && response !== undefined;
    this.#context.emit({
      ...base,
      kind: "dns",
      transactionId: asked.id,
      opcode: asked.opcode,
      query: asked.query,
      queryType: asked.queryType,
      queryClass: asked.queryClass,
      asked: query !== undefined,
      answered: response !== undefined,
      responseCode: response?.responseCode ?? 0,
      authoritative: response?.authoritative ?? false,
      truncated: (response ?? asked).truncated,
      recursionDesired: asked.recursionDesired,
      recursionAvailable: response?.recursionAvailable ?? false,
      answers: response?.answers ?? [],
      answerTtls: response?.answerTtls ?? [],
      roundTripMs: isPair ? base.timeMs - startMs : 0,
    });
  }
}
