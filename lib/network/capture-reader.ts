// SPDX-License-Identifier: Apache-2.0
// Reads packets out of the bytes of a capture: classic pcap and pcapng. Called by replays and by
// the pcap command, which unpacks gzip itself. A damaged file ends in a fault value, not an error.

/** Where and why a capture cannot be read further. */
export interface CaptureFault {
  readonly fault:
    | "not-a-capture"
    | "truncated-header"
    | "truncated-packet"
    | "bad-length"
    | "bad-block";
  readonly offset: number;
}

/** One packet of a capture; the reader fills the same object again and again. */
export interface CapturedPacket {
  timeMs: number;
  linkType: number;
  /** The captured bytes are [start, end) of the reader's bytes. */
  start: number;
  end: number;
  originalBytes: number;
}

interface CaptureInterface {
  readonly linkType: number;
  readonly ticksPerMs: number;
  readonly offsetMs: number;
}

const blockSection = 0x0a0d0d0a;
const blockInterface = 1;
const blockObsoletePacket = 2;
const blockSimplePacket = 3;
const blockEnhancedPacket = 6;
const optionTimeResolution = 9;
const optionTimeOffset = 14;
const packetBytesMax = 1 << 24;
// A hostile file could name an interface in each block.
const interfacesMax = 65_536;

/** Walks a capture that lies in memory as a whole. */
export class CaptureReader {
  readonly packet: CapturedPacket = { timeMs: 0, linkType: 0, start: 0, end: 0, originalBytes: 0 };
  /** Set once the capture cannot be read further. */
  fault: CaptureFault | undefined;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #little = true;
  #isNext = false;
  #ticksPerMs = 1000;
  #linkType = 0;
  #snapBytes = 0;
  #interfaces: CaptureInterface[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#open();
  }

  /** Puts the next packet into `packet`; false at the end or at a fault. */
  next(): boolean {
    if (this.fault !== undefined || this.#offset >= this.bytes.length) return false;
    return this.#isNext ? this.#nextBlock() : this.#nextRecord();
  }

  #open(): void {
    if (this.bytes.length < 4) {
      this.#stop(this.bytes.length === 0 ? "not-a-capture" : "truncated-header", 0);
      return;
    }
    const magic = this.#view.getUint32(0, true);
    if (magic === blockSection) {
      this.#isNext = true;
      return;
    }
    const layout = pcapMagics.get(magic);
    if (layout === undefined) {
      this.#stop("not-a-capture", 0);
      return;
    }
    if (this.bytes.length < 24) {
      this.#stop("truncated-header", 0);
      return;
    }
    this.#little = layout.little;
    this.#ticksPerMs = layout.ticksPerMs;
    this.#linkType = this.#view.getUint32(20, layout.little) & 0xffff;
    this.#offset = 24;
  }

  #stop(fault: CaptureFault["fault"], offset: number): void {
    this.fault = { fault, offset };
  }

  #nextRecord(): boolean {
    const at = this.#offset;
    if (this.bytes.length - at < 16) {
      this.#stop("truncated-header", at);
      return false;
    }
    const captured = this.#view.getUint32(at + 8, this.#little);
    if (captured > packetBytesMax) {
      this.#stop("bad-length", at + 8);
      return false;
    }
    const end = at + 16 + captured;
    const { packet } = this;
    if (end > this.bytes.length) this.#stop("truncated-packet", at + 16);
    packet.timeMs =
      this.#view.getUint32(at, this.#little) * 1000 +
      this.#view.getUint32(at + 4, this.#little) / this.#ticksPerMs;
    packet.linkType = this.#linkType;
    packet.start = at + 16;
    packet.end = Math.min(end, this.bytes.length);
    packet.originalBytes = this.#view.getUint32(at + 12, this.#little);
    this.#offset = end;
    // What is there of the last packet is still worth a look.
    return this.fault === undefined || packet.end > packet.start;
  }

  #nextBlock(): boolean {
    while (this.#offset < this.bytes.length) {
      const at = this.#offset;
      if (this.bytes.length - at < 12) {
        this.#stop("truncated-header", at);
        return false;
      }
      const isSection = this.#view.getUint32(at, true) === blockSection;
      if (isSection && !this.#openSection(at)) return false;
      const type = this.#view.getUint32(at, this.#little);
      const length = this.#view.getUint32(at + 4, this.#little);
      if (length < 12 || length % 4 !== 0) {
        this.#stop("bad-length", at + 4);
        return false;
      }
      if (length > this.bytes.length - at) {
        this.#stop("truncated-packet", at);
        return false;
      }
      this.#offset = at + length;
      const bodyEnd = at + length - 4;
      if (type === blockInterface && !this.#openInterface(at + 8, bodyEnd)) return false;
      if (this.#takePacket(type, at + 8, bodyEnd)) return true;
      if (this.fault !== undefined) return false;
    }
    return false;
  }

  #openSection(at: number): boolean {
    const order = this.#view.getUint32(at + 8, true);
    if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a) {
      this.#stop("bad-block", at + 8);
      return false;
    }
    this.#little = order === 0x1a2b3c4d;
    this.#interfaces = [];
    return true;
  }

  #openInterface(start: number, end: number): boolean {
    if (end - start < 8 || this.#interfaces.length >= interfacesMax) {
      this.#stop("bad-block", start);
      return false;
    }
    const linkType = this.#view.getUint16(start, this.#little);
    let ticksPerMs = 1000;
    let offsetMs = 0;
    let at = start + 8;
    while (end - at >= 4) {
      const code = this.#view.getUint16(at, this.#little);
      const length = this.#view.getUint16(at + 2, this.#little);
      if (code === 0 || length > end - at - 4) break;
      if (code === optionTimeResolution && length >= 1) {
        const value = this.bytes[at + 4] as number;
        const ticksPerSecond = value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value;
        ticksPerMs = ticksPerSecond / 1000;
      } else if (code === optionTimeOffset && length >= 8) {
        offsetMs = Number(this.#view.getBigInt64(at + 4, this.#little)) * 1000;
      }
      at += 4 + length + ((4 - (length & 3)) & 3);
    }
    if (this.#interfaces.length === 0) {
      this.#snapBytes = this.#view.getUint32(start + 4, this.#little);
    }
    this.#interfaces.push({ linkType, ticksPerMs, offsetMs });
    return true;
  }

  #takePacket(type: number, start: number, end: number): boolean {
    if (type === blockSimplePacket) return this.#takeSimple(start, end);
    if (type !== blockEnhancedPacket && type !== blockObsoletePacket) return false;
    if (end - start < 20) {
      this.#stop("bad-block", start);
      return false;
    }
    const number =
      type === blockEnhancedPacket
        ? this.#view.getUint32(start, this.#little)
        : this.#view.getUint16(start, this.#little);
    const captureInterface = this.#interfaces[number];
    const captured = this.#view.getUint32(start + 12, this.#little);
    if (captureInterface === undefined || captured > end - start - 20) {
      this.#stop("bad-block", start);
      return false;
    }
    const high = this.#view.getUint32(start + 4, this.#little);
    const low = this.#view.getUint32(start + 8, this.#little);
    const { packet } = this;
    packet.timeMs = ticksToMs(high, low, captureInterface.ticksPerMs) + captureInterface.offsetMs;
    packet.linkType = captureInterface.linkType;
    packet.start = start + 20;
    packet.end = start + 20 + captured;
    packet.originalBytes = this.#view.getUint32(start + 16, this.#little);
    return true;
  }

  // A simple packet has no time and belongs to the first interface.
  #takeSimple(start: number, end: number): boolean {
    const first = this.#interfaces[0];
    if (end - start < 4 || first === undefined) {
      this.#stop("bad-block", start);
      return false;
    }
    const { packet } = this;
    packet.originalBytes = this.#view.getUint32(start, this.#little);
    const snap = this.#snapBytes === 0 ? packetBytesMax : this.#snapBytes;
    packet.timeMs = 0;
    packet.linkType = first.linkType;
    packet.start = start + 4;
    packet.end = start + 4 + Math.min(packet.originalBytes, snap, end - start - 4);
    return true;
  }
}

// The quotient of the high word by the ticks may not be whole: split so that no digit is lost.
function ticksToMs(high: number, low: number, ticksPerMs: number): number {
  if (high < 0x20_0000) return (high * 2 ** 32 + low) / ticksPerMs;
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  const perMs = BigInt(Math.max(1, Math.round(ticksPerMs)));
  return Number(ticks / perMs) + Number(ticks % perMs) / ticksPerMs;
}

const pcapMagics: ReadonlyMap<number, { readonly little: boolean; readonly ticksPerMs: number }> =
  new Map([
    [0xa1b2c3d4, { little: true, ticksPerMs: 1000 }],
    [0xd4c3b2a1, { little: false, ticksPerMs: 1000 }],
    [0xa1b23c4d, { little: true, ticksPerMs: 1e6 }],
    [0x4d3cb2a1, { little: false, ticksPerMs: 1e6 }],
  ]);
