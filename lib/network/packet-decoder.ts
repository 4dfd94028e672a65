// SPDX-License-Identifier: Apache-2.0
// Walks a packet from its link layer to its transport, tunnels included. Called by the analyzer
// for each packet. Every length is compared with what was captured before it is used.
import { hexOf, u16, u32 } from "./bytes.ts";
import { FragmentTable } from "./fragment-table.ts";
import { ICMP, ICMP6, Packet, TCP, UDP } from "./packet.ts";

/** Who takes what the decoder finds. */
export interface PacketHandler {
  /** A transport packet; it is valid during the call only. */
  onPacket(packet: Packet): void;
  onArp(bytes: Uint8Array, start: number): void;
  onAnomaly(name: string): void;
}

// Deeper nesting is an attack on the decoder, not a network.
const layersMax = 24;
const vxlanPort = 4789;
const genevePort = 6081;
const extensionsMax = 12;
/** Ethernet pads its payload up to this. */
const paddingBytesMax = 46;

/** Decodes packets one by one. */
export class PacketDecoder {
  readonly fragments: FragmentTable = new FragmentTable();
  readonly #handler: PacketHandler;
  readonly #verifyChecksums: boolean;
  readonly #packet: Packet = new Packet();
  #layers = 0;

  /** Checksums are off by default: on taps, offload leaves them to be filled in later. */
  constructor(handler: PacketHandler, verifyChecksums: boolean) {
    this.#handler = handler;
    this.#verifyChecksums = verifyChecksums;
  }

  /** Decodes one packet of a link type as capture files number them. */
  decode(timeMs: number, linkType: number, bytes: Uint8Array, start: number, end: number): void {
    this.#layers = 0;
    this.#packet.timeMs = timeMs;
    this.#packet.vlan = 0;
    switch (linkType) {
      case 1:
        this.#ethernet(bytes, start, end);
        return;
      case 0:
      case 108:
        this.#ip(bytes, start + 4, end);
        return;
      case 12:
      case 14:
      case 101:
      case 228:
      case 229:
        this.#ip(bytes, start, end);
        return;
      case 9:
        this.#ppp(bytes, start, end);
        return;
      case 104: // Cisco HDLC: address, control, type
        if (end - start < 4) this.#handler.onAnomaly("link_truncated");
        else this.#etherType(u16(bytes, start + 2), bytes, start + 4, end);
        return;
      case 113:
        if (end - start < 16) {
          this.#handler.onAnomaly("link_truncated");
          return;
        }
        this.#etherType(u16(bytes, start + 14), bytes, start + 16, end);
        return;
      case 239:
        this.#nflog(bytes, start, end);
        return;
      case 276:
        if (end - start < 20) {
          this.#handler.onAnomaly("link_truncated");
          return;
        }
        this.#etherType(u16(bytes, start), bytes, start + 20, end);
        return;
      default:
        this.#handler.onAnomaly("link_unknown");
        return;
    }
  }

  // Linux's own log: attributes, little-endian here, of which one is the packet.
  #nflog(bytes: Uint8Array, start: number, end: number): void {
    let at = start + 4;
    for (let count = 0; count < extensionsMax && end - at >= 4; count += 1) {
      const length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const type = (bytes[at + 2] as number) | ((bytes[at + 3] as number) << 8);
      if (length < 4 || at + length > end) break;
      if (type === 9) {
        this.#ip(bytes, at + 4, at + length);
        return;
      }
      at += (length + 3) & ~3;
    }
    this.#handler.onAnomaly("link_truncated");
  }

  #ethernet(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 14) {
      this.#handler.onAnomaly("link_truncated");
      return;
    }
    this.#etherType(u16(bytes, start + 12), bytes, start + 14, end);
  }

  #etherType(type: number, bytes: Uint8Array, start: number, end: number): void {
    this.#layers += 1;
    if (this.#layers > layersMax) {
      this.#handler.onAnomaly("too_many_layers");
      return;
    }
    switch (type) {
      case 0x0800:
      case 0x86dd:
        this.#ip(bytes, start, end);
        return;
      case 0x0806:
        if (end - start < 28) {
          this.#handler.onAnomaly("arp_truncated");
          return;
        }
        this.#handler.onArp(bytes, start);
        return;
      case 0x8100:
      case 0x88a8:
      case 0x9100:
        if (end - start < 4) {
          this.#handler.onAnomaly("vlan_truncated");
          return;
        }
        if (this.#packet.vlan === 0) this.#packet.vlan = u16(bytes, start) & 0xfff;
        this.#etherType(u16(bytes, start + 2), bytes, start + 4, end);
        return;
      case 0x8847:
      case 0x8848:
        this.#mpls(bytes, start, end);
        return;
      case 0x8864:
        this.#ppp(bytes, start + 6, end);
        return;
      case 0x880b:
        this.#ppp(bytes, start, end);
        return;
      case 0x8903: // Cisco FabricPath
        this.#ethernet(bytes, start + 2, end);
        return;
      case 0x88e7: // provider backbone bridging
        this.#ethernet(bytes, start + 4, end);
        return;
      case 0x8926: // VN-Tag
        if (end - start < 6) this.#handler.onAnomaly("vlan_truncated");
        else this.#etherType(u16(bytes, start + 4), bytes, start + 6, end);
        return;
      case 0x6558:
        this.#ethernet(bytes, start, end);
        return;
      default:
    }
  }

  #mpls(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (end - at >= 4) {
      const isBottom = ((bytes[at + 2] as number) & 1) === 1;
      at += 4;
      if (isBottom) {
        this.#ip(bytes, at, end);
        return;
      }
    }
    this.#handler.onAnomaly("mpls_truncated");
  }

  #ppp(bytes: Uint8Array, start: number, end: number): void {
    // Address and control bytes are left out by some.
    const at = bytes[start] === 0xff && bytes[start + 1] === 3 ? start + 2 : start;
    if (end - at < 2) {
      this.#handler.onAnomaly("ppp_truncated");
      return;
    }
    const isShort = ((bytes[at] as number) & 1) === 1;
    const protocol = isShort ? (bytes[at] as number) : u16(bytes, at);
    if (protocol === 0x21 || protocol === 0x57) this.#ip(bytes, at + (isShort ? 1 : 2), end);
  }

  #ip(bytes: Uint8Array, start: number, end: number): void {
    this.#layers += 1;
    if (this.#layers > layersMax) {
      this.#handler.onAnomaly("too_many_layers");
      return;
    }
    if (end <= start) {
      this.#handler.onAnomaly("ip_truncated");
      return;
    }
    const version = (bytes[start] as number) >> 4;
    if (version === 4) {
      this.#ipv4(bytes, start, end);
      return;
    }
    if (version === 6) {
      this.#ipv6(bytes, start, end);
      return;
    }
    this.#handler.onAnomaly("ip_version");
  }

  #ipv4(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 20) {
      this.#handler.onAnomaly("ip_truncated");
      return;
    }
    const headerBytes = ((bytes[start] as number) & 15) * 4;
    // Segmentation offload leaves the length at 0.
    const totalBytes = u16(bytes, start + 2) || end - start;
    if (headerBytes < 20 || totalBytes < headerBytes) {
      this.#handler.onAnomaly("ip_length");
      return;
    }
    if (end - start < headerBytes) {
      this.#handler.onAnomaly("ip_truncated");
      return;
    }
    if (this.#verifyChecksums && sum16(bytes, start, start + headerBytes, 0) !== 0xffff) {
      this.#handler.onAnomaly("ip_checksum");
      return;
    }
    const packet = this.#packet;
    packet.isV6 = false;
    packet.address.fill(0);
    packet.address[3] = u32(bytes, start + 12);
    packet.address[7] = u32(bytes, start + 16);
    const dataStart = start + headerBytes;
    const dataEnd = Math.min(end, start + totalBytes);
    const protocol = bytes[start + 9] as number;
    const fragment = u16(bytes, start + 6);
    packet.ipBytes = totalBytes;
    if ((fragment & 0x3fff) === 0) {
      this.#transport(protocol, bytes, dataStart, dataEnd, totalBytes - headerBytes);
      return;
    }
    const addresses = hexOf(bytes, start + 12, start + 20);
    const key = `${addresses}.${protocol}.${u16(bytes, start + 4)}`;
    const isLast = (fragment & 0x2000) === 0;
    const offset = (fragment & 0x1fff) * 8;
    this.#fragment(key, headerBytes, offset, isLast, protocol, bytes.subarray(dataStart, dataEnd));
  }

  #fragment(
    key: string,
    headerBytes: number,
    offset: number,
    isLast: boolean,
    protocol: number,
    part: Uint8Array,
  ): void {
    const whole = this.fragments.add(key, this.#packet.timeMs, offset, isLast, part);
    if (whole === undefined) return;
    this.#packet.ipBytes = headerBytes + whole.length;
    this.#transport(protocol, whole, 0, whole.length, whole.length);
  }

  #ipv6(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 40) {
      this.#handler.onAnomaly("ip_truncated");
      return;
    }
    const packet = this.#packet;
    packet.isV6 = true;
    for (let word = 0; word < 8; word += 1) packet.address[word] = u32(bytes, start + 8 + 4 * word);
    const rest = end - start - 40;
    const isOffloaded = u16(bytes, start + 4) === 0 && rest > paddingBytesMax;
    const bodyBytes = isOffloaded ? rest : u16(bytes, start + 4);
    packet.ipBytes = 40 + bodyBytes;
    const stop = Math.min(end, start + 40 + bodyBytes);
    let next = bytes[start + 6] as number;
    let at = start + 40;
    for (let count = 0; count < extensionsMax; count += 1) {
      const isHeader = next === 0 || next === 43 || next === 60 || next === 51 || next === 135;
      if (!isHeader && next !== 44) {
        this.#transport(next, bytes, at, stop, bodyBytes - (at - start - 40));
        return;
      }
      if (stop - at < 8) {
        this.#handler.onAnomaly("ip_truncated");
        return;
      }
      const following = bytes[at] as number;
      if (next === 44) {
        const field = u16(bytes, at + 2);
        if ((field & 0xfff9) !== 0) {
          const key = `${hexOf(bytes, start + 8, start + 40)}.${u32(bytes, at + 4)}`;
          const isLast = (field & 1) === 0;
          const part = bytes.subarray(at + 8, stop);
          this.#fragment(key, at - start, field & 0xfff8, isLast, following, part);
          return;
        }
        at += 8;
      } else {
        at +=
          next === 51 ? ((bytes[at + 1] as number) + 2) * 4 : ((bytes[at + 1] as number) + 1) * 8;
      }
      next = following;
      if (at > stop) {
        this.#handler.onAnomaly("ip_truncated");
        return;
      }
    }
    this.#handler.onAnomaly("too_many_layers");
  }

  #transport(
    protocol: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    declaredBytes: number,
  ): void {
    const packet = this.#packet;
    packet.protocol = protocol;
    packet.bytes = bytes;
    packet.end = end;
    packet.flags = 0;
    packet.isDamaged = false;
    switch (protocol) {
      case TCP:
        this.#tcp(bytes, start, end, declaredBytes);
        return;
      case UDP:
        this.#udp(bytes, start, end, declaredBytes);
        return;
      case ICMP:
      case ICMP6:
        this.#icmp(protocol, bytes, start, end, declaredBytes);
        return;
      case 4:
      case 41:
        this.#ip(bytes, start, end);
        return;
      case 47:
        this.#gre(bytes, start, end);
        return;
      default:
        packet.sourcePort = 0;
        packet.destinationPort = 0;
        packet.start = start;
        packet.payloadBytes = declaredBytes;
        this.#handler.onPacket(packet);
    }
  }

  #tcp(bytes: Uint8Array, start: number, end: number, declaredBytes: number): void {
    if (end - start < 20) {
      this.#handler.onAnomaly("tcp_truncated");
      return;
    }
    const headerBytes = ((bytes[start + 12] as number) >> 4) * 4;
    if (headerBytes < 20 || headerBytes > declaredBytes) {
      this.#handler.onAnomaly("tcp_length");
      return;
    }
    const packet = this.#packet;
    packet.isDamaged = !this.#isSumRight(TCP, bytes, start, end, declaredBytes);
    packet.sourcePort = u16(bytes, start);
    packet.destinationPort = u16(bytes, start + 2);
    packet.sequence = u32(bytes, start + 4);
    packet.acknowledgement = u32(bytes, start + 8);
    packet.flags = bytes[start + 13] as number;
    packet.window = u16(bytes, start + 14);
    packet.start = Math.min(start + headerBytes, end);
    packet.payloadBytes = declaredBytes - headerBytes;
    this.#handler.onPacket(packet);
  }

  #udp(bytes: Uint8Array, start: number, end: number, declaredBytes: number): void {
    if (end - start < 8) {
      this.#handler.onAnomaly("udp_truncated");
      return;
    }
    const packet = this.#packet;
    packet.isDamaged =
      u16(bytes, start + 6) !== 0 && !this.#isSumRight(UDP, bytes, start, end, declaredBytes);
    const length = u16(bytes, start + 4);
    packet.sourcePort = u16(bytes, start);
    packet.destinationPort = u16(bytes, start + 2);
    packet.start = start + 8;
    packet.payloadBytes = (length >= 8 ? Math.min(length, declaredBytes) : declaredBytes) - 8;
    packet.end = Math.min(end, start + 8 + packet.payloadBytes);
    const port = packet.destinationPort;
    const stop = packet.end;
    this.#handler.onPacket(packet);
    if (packet.isDamaged) return;
    if (port === vxlanPort) this.#vxlan(bytes, start + 8, stop);
    else if (port === genevePort) this.#geneve(bytes, start + 8, stop);
  }

  #vxlan(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 22 || bytes[start] !== 8) return;
    this.#etherType(u16(bytes, start + 20), bytes, start + 22, end);
  }

  #geneve(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 8 || (bytes[start] as number) >> 6 !== 0) return;
    const at = start + 8 + ((bytes[start] as number) & 63) * 4;
    if (at > end) {
      this.#handler.onAnomaly("geneve_truncated");
      return;
    }
    this.#etherType(u16(bytes, start + 2), bytes, at, end);
  }

  #icmp(
    protocol: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    declaredBytes: number,
  ): void {
    if (end - start < 4) {
      this.#handler.onAnomaly("icmp_truncated");
      return;
    }
    const packet = this.#packet;
    const type = bytes[start] as number;
    packet.sourcePort = type;
    packet.destinationPort = icmpAnswer(protocol, type) ?? (bytes[start + 1] as number);
    packet.start = Math.min(start + 8, end);
    packet.payloadBytes = Math.max(0, declaredBytes - 8);
    this.#handler.onPacket(packet);
  }

  #gre(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 4) {
      this.#handler.onAnomaly("gre_truncated");
      return;
    }
    const flags = u16(bytes, start);
    let at = start + 4;
    if ((flags & 7) === 0) {
      if (flags & 0xc000) at += 4;
      if (flags & 0x2000) at += 4;
      if (flags & 0x1000) at += 4;
    } else {
      at += 4;
      if (flags & 0x1000) at += 4;
      if (flags & 0x80) at += 4;
    }
    const type = u16(bytes, start + 2);
    if (at > end) {
      this.#handler.onAnomaly("gre_truncated");
      return;
    }
    // ERSPAN carries its own header only where it numbers its packets.
    if (type === 0x88be) this.#etherType(0x6558, bytes, at + (flags & 0x1000 ? 8 : 0), end);
    else this.#etherType(type, bytes, at, end);
  }

  #isSumRight(
    protocol: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    declaredBytes: number,
  ): boolean {
    // A cut packet cannot be judged.
    if (!this.#verifyChecksums || end - start < declaredBytes) return true;
    let sum = protocol + declaredBytes;
    for (const word of this.#packet.address) sum += (word >>> 16) + (word & 0xffff);
    return sum16(bytes, start, start + declaredBytes, sum) === 0xffff;
  }
}

function sum16(bytes: Uint8Array, start: number, end: number, first: number): number {
  let sum = first;
  for (let at = start; at + 1 < end; at += 2) sum += u16(bytes, at);
  if ((end - start) % 2 === 1) sum += (bytes[end - 1] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** The ICMP type that answers a type, as flow keys and the community ID have it. */
export function icmpAnswer(protocol: number, type: number): number | undefined {
  return (protocol === ICMP ? icmp4Answers : icmp6Answers)[type];
}

const icmp4Answers: Readonly<Record<number, number>> = {
  0: 8,
  8: 0,
  9: 10,
  10: 9,
  13: 14,
  14: 13,
  15: 16,
  16: 15,
  17: 18,
  18: 17,
};
const icmp6Answers: Readonly<Record<number, number>> = {
  128: 129,
  129: 128,
  130: 131,
  131: 130,
  133: 134,
  134: 133,
  135: 136,
  136: 135,
  139: 140,
  140: 139,
  144: 145,
  145: 144,
};
