// SPDX-License-Identifier: Apache-2.0
// Hand-made packets and captures for the tests of the network room.
import { concat } from "./concat.ts";

/** Bytes from hex, blanks allowed. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  );
}

/** One byte a character. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Ends of a hand-made packet. */
export interface Ends {
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** The client's side: 10.0.0.1:40000 to 10.0.0.2:`port`. */
export function ends(port: number, isBack = false): Ends {
  return isBack
    ? { source: 2, destination: 1, sourcePort: port, destinationPort: 40_000 }
    : { source: 1, destination: 2, sourcePort: 40_000, destinationPort: port };
}

/** An IPv4 packet, for the raw link type. */
export function ipv4(
  protocol: number,
  at: Ends,
  body: Uint8Array,
  fragment = 0,
  id = 7,
): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  header[0] = 0x45;
  view.setUint16(2, 20 + body.length);
  view.setUint16(4, id);
  view.setUint16(6, fragment);
  header[8] = 64;
  header[9] = protocol;
  header.set([10, 0, 0, at.source, 10, 0, 0, at.destination], 12);
  return concat(header, body);
}

/** UDP header and payload. */
export function udpBody(at: Ends, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(8);
  const view = new DataView(header.buffer);
  view.setUint16(0, at.sourcePort);
  view.setUint16(2, at.destinationPort);
  view.setUint16(4, 8 + payload.length);
  return concat(header, payload);
}

/** A UDP packet. */
export function udp(at: Ends, payload: Uint8Array): Uint8Array {
  return ipv4(17, at, udpBody(at, payload));
}

/** A TCP packet. */
export function tcp(
  at: Ends,
  flags: number,
  sequence: number,
  acknowledgement: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  view.setUint16(0, at.sourcePort);
  view.setUint16(2, at.destinationPort);
  view.setUint32(4, sequence);
  view.setUint32(8, acknowledgement);
  header[12] = 0x50;
  header[13] = flags;
  view.setUint16(14, 1000);
  return ipv4(6, at, concat(header, payload));
}

/** A classic capture of the raw link type, a second between packets. */
export function pcap(packets: readonly Uint8Array[], little = true): Uint8Array {
  const head = new Uint8Array(24);
  const view = new DataView(head.buffer);
  view.setUint32(0, 0xa1b2c3d4, little);
  view.setUint16(4, 2, little);
  view.setUint16(6, 4, little);
  view.setUint32(16, 65_535, little);
  view.setUint32(20, 101, little);
  const records = packets.flatMap((packet, index) => {
    const record = new Uint8Array(16);
    const fields = new DataView(record.buffer);
    fields.setUint32(0, 1000 + index, little);
    fields.setUint32(4, 500_000, little);
    fields.setUint32(8, packet.length, little);
    fields.setUint32(12, packet.length, little);
    return [record, packet];
  });
  return concat(head, ...records);
}
