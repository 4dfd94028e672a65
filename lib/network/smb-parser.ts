// SPDX-License-Identifier: Apache-2.0
// SMB of one connection: cuts both directions into messages and hands them to the reader of their
// generation. Made by protocol detection. Of a long message only the start is kept.
import { ByteStore, u24, u32 } from "./bytes.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";
import { Smb1Reader } from "./smb1.ts";
import { Smb2Reader } from "./smb2.ts";

const frameBytes = 4;
const keptBytesMax = 16_384;
const typeMessage = 0;
const typeRequest = 0x81;
const signature1 = 0xff534d42;
const signature2 = 0xfe534d42;
const signatureEncrypted = 0xfd534d42;
const signatureCompressed = 0xfc534d42;
const signatures: ReadonlySet<number> = new Set([
  signature1,
  signature2,
  signatureEncrypted,
  signatureCompressed,
]);

/** Whether bytes begin like SMB, or like the NetBIOS session that carries it. */
export function looksLikeSmb(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 8) return false;
  if (bytes[start] === typeRequest) return u24(bytes, start + 1) === 68 && bytes[start + 4] === 32;
  return bytes[start] === typeMessage && signatures.has(u32(bytes, start + 4));
}

class SmbSide {
  readonly store: ByteStore;
  /** Rest of a message that is not kept. */
  skipBytes = 0;
  isLost = false;

  constructor(context: ParserContext) {
    this.store = new ByteStore(frameBytes + keptBytesMax, context);
  }
}

/** Reads SMB of a flow. */
export class SmbParser implements FlowParser {
  readonly service = "smb";
  readonly isConfirmed = true;
  isDone = false;
  readonly #context: ParserContext;
  readonly #sides: readonly SmbSide[];
  #hasTold = false;
  #reader1: Smb1Reader | undefined;
  #reader2: Smb2Reader | undefined;

  constructor(context: ParserContext) {
    this.#context = context;
    this.#sides = [new SmbSide(context), new SmbSide(context)];
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    const side = this.#sides[isFromSource ? 0 : 1] as SmbSide;
    let at = start;
    if (side.isLost) {
      if (!looksLikeSmb(bytes, start, end)) return;
      side.isLost = false;
    }
    while (at < end && !this.isDone) {
      const skipped = Math.min(side.skipBytes, end - at);
      side.skipBytes -= skipped;
      at += skipped;
      if (at < end) at = this.#take(side, bytes, at, end);
    }
  }

  gap(isFromSource: boolean, bytes: number): void {
    const side = this.#sides[isFromSource ? 0 : 1] as SmbSide;
    if (bytes <= side.skipBytes) {
      side.skipBytes -= bytes;
      return;
    }
    this.#context.anomaly("smb_gap");
    side.skipBytes = 0;
    side.store.consume(side.store.length);
    side.isLost = true;
  }

  end(): void {
    this.#reader1?.end();
    this.#reader2?.end();
  }

  /** Takes bytes of one message and returns where it stopped. */
  #take(side: SmbSide, bytes: Uint8Array, at: number, end: number): number {
    const { store } = side;
    const whole = at + frameBytes + u24(bytes, at + 1);
    if (store.length === 0 && at + frameBytes <= end && whole <= end) {
      this.#frame(bytes[at] as number, bytes.subarray(at + frameBytes, whole));
      return whole;
    }
    if (store.length < frameBytes) {
      const stop = Math.min(end, at + frameBytes - store.length);
      store.append(bytes, at, stop);
      return stop;
    }
    const length = u24(store.bytes, 1);
    const kept = Math.min(length, keptBytesMax);
    const stop = Math.min(end, at + frameBytes + kept - store.length);
    store.append(bytes, at, stop);
    if (store.length < frameBytes + kept) return stop;
    this.#frame(store.bytes[0] as number, store.bytes.subarray(frameBytes, store.length));
    side.skipBytes = length - kept;
    store.consume(store.length);
    return stop;
  }

  #frame(type: number, message: Uint8Array): void {
    if (type !== typeMessage || message.length === 0) return;
    const signature = u32(message, 0);
    let isGood = true;
    if (signature === signature1) {
      this.#reader1 ??= new Smb1Reader(this.#context);
      isGood = this.#reader1.message(message);
    } else if (signature === signature2) {
      this.#reader2 ??= new Smb2Reader(this.#context);
      isGood = this.#reader2.message(message);
    } else if (!signatures.has(signature)) {
      isGood = false;
      this.isDone = true;
    }
    if (isGood || this.#hasTold) return;
    this.#hasTold = true;
    this.#context.anomaly("smb_malformed");
  }
}
