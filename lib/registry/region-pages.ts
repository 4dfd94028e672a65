// SPDX-License-Identifier: Apache-2.0
// The control pages of one region: writes the server's pages from private state, copies the
// guest's pages out once. Called by registration.ts. TRUST: no decision reads a server page back,
// except as a hint when a restarted server looks for a session to resume.
import { isUndercroftError } from "../errors/errors.ts";
import type { Region } from "../transport/transport.ts";
import {
  decodeHello,
  decodeSession,
  decodeStatus,
  decodeSuperblock,
  encodeSession,
  encodeSuperblock,
  type GuestStatus,
  HELLO_OFFSET,
  type Hello,
  MAGIC,
  PAGE_BYTES,
  type PlacedRing,
  type RegionLayout,
  SESSION_LAYOUT,
  SESSION_OFFER,
  SESSION_OFFSET,
  SESSION_READY,
  type Session,
  STATUS_LAYOUT,
  STATUS_OFFSET,
  type Superblock,
} from "../wire/wire.ts";

/** What an earlier server left in the region. All of it may be a lie of the guest. */
export interface ResumeHint {
  readonly sessionId: number;
  readonly features: bigint;
  readonly serverEpoch: bigint;
  readonly hello: Hello;
  /** Consumed position of each ring, in the order of the directory. */
  readonly heads: readonly bigint[];
}

const RING_FIELDS = [
  "kind",
  "lane",
  "capacityLog2",
  "producerOffset",
  "consumerOffset",
  "ringOffset",
] as const satisfies ReadonlyArray<keyof PlacedRing>;

const sameRing = (one: PlacedRing, other: PlacedRing | undefined): boolean =>
  other !== undefined && RING_FIELDS.every((field) => one[field] === other[field]);

/** Server pages out, guest pages in. Methods that read return undefined when the mapping failed. */
export class RegionPages {
  readonly #region: Region;
  readonly #layout: RegionLayout;
  readonly #page = new Uint8Array(PAGE_BYTES);
  readonly #status = new Uint8Array(STATUS_LAYOUT.size);
  readonly #word = new Uint8Array(8);
  readonly #wordView = new DataView(this.#word.buffer);

  constructor(region: Region, layout: RegionLayout) {
    this.#region = region;
    this.#layout = layout;
  }

  /** Looks for a session that an earlier server had running under the same layout. */
  readResumeHint(): ResumeHint | undefined {
    const region = this.#region;
    if (!region.copyOut(0, this.#page)) return undefined;
    let superblock: Superblock;
    try {
      superblock = decodeSuperblock(this.#page, region.bytes);
    } catch (error) {
      if (isUndercroftError(error)) return undefined;
      throw error;
    }
    const { rings } = superblock.layout;
    const wanted = this.#layout.rings;
    if (rings.length !== wanted.length) return undefined;
    if (!wanted.every((ring, index) => sameRing(ring, rings[index]))) return undefined;
    if (!region.copyOut(SESSION_OFFSET, this.#page)) return undefined;
    const session = decodeSession(this.#page);
    const isLive = session.state === SESSION_READY || session.state === SESSION_OFFER;
    if (!isLive || session.sessionId === 0) return undefined;
    if (session.serverEpoch !== superblock.serverEpoch) return undefined;
    if (!region.copyOut(HELLO_OFFSET, this.#page)) return undefined;
    const hello = decodeHello(this.#page);
    const heads: bigint[] = [];
    for (const ring of wanted) {
      const head = this.#readWord(ring.consumerOffset);
      if (head === undefined) return undefined;
      heads.push(head);
    }
    const { sessionId, features, serverEpoch } = session;
    return { sessionId, features, serverEpoch, hello, heads };
  }

  /** Makes an empty region: control pages zeroed, superblock complete with its magic last. */
  prepare(superblock: Superblock): void {
    this.#region.storeU64(0, 0n);
    this.#region.zero(HELLO_OFFSET, PAGE_BYTES);
    this.#region.zero(SESSION_OFFSET, PAGE_BYTES);
    this.#region.zero(STATUS_OFFSET, PAGE_BYTES);
    this.zeroRingPages();
    this.writeSuperblock(superblock);
  }

  /** Writes page 0; a guest that reads meanwhile sees no magic. */
  writeSuperblock(superblock: Superblock): void {
    const page = encodeSuperblock(superblock);
    this.#region.storeU64(0, 0n);
    this.#region.copyIn(8, page.subarray(8));
    // ORDER: the magic is stored after the page it vouches for; pairs with the guest's read of it.
    this.#region.storeU64(0, MAGIC);
  }

  /** Positions, claims and wake-up words of all rings back to zero. */
  zeroRingPages(): void {
    for (const ring of this.#layout.rings) {
      this.#region.zero(ring.producerOffset, PAGE_BYTES);
      this.#region.zero(ring.consumerOffset, PAGE_BYTES);
    }
  }

  /** Writes the session page whole, with its state and session id last. */
  writeSession(session: Session): void {
    const bytes = encodeSession(session);
    // A reader between the two stores finds an offer, never half of an answer.
    this.#region.storeU64(SESSION_OFFSET, BigInt(SESSION_OFFER));
    this.#region.copyIn(SESSION_OFFSET + 8, bytes.subarray(8));
    // ORDER: stored after the fields; pairs with the guest's first load of the session page.
    this.#region.storeU64(
      SESSION_OFFSET,
      BigInt(session.state) | (BigInt(session.sessionId) << 32n),
    );
  }

  writeHeartbeat(heartbeat: bigint): void {
    this.#region.storeU64(SESSION_OFFSET + SESSION_LAYOUT.heartbeat, heartbeat);
  }

  readHelloSeq(): bigint | undefined {
    return this.#readWord(HELLO_OFFSET);
  }

  /** Copies the hello once. Undefined too when the guest changed it meanwhile: look again later. */
  readHello(): Hello | undefined {
    if (!this.#region.copyOut(HELLO_OFFSET, this.#page)) return undefined;
    const hello = decodeHello(this.#page);
    return this.readHelloSeq() === hello.helloSeq ? hello : undefined;
  }

  readStatusHeartbeat(): bigint | undefined {
    return this.#readWord(STATUS_OFFSET);
  }

  readStatus(): GuestStatus | undefined {
    return this.#region.copyOut(STATUS_OFFSET, this.#status)
      ? decodeStatus(this.#status)
      : undefined;
  }

  #readWord(offset: number): bigint | undefined {
    if (!this.#region.copyOut(offset, this.#word)) return undefined;
    return this.#wordView.getBigUint64(0, true);
  }
}
