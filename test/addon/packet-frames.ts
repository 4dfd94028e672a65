// SPDX-License-Identifier: Apache-2.0
// Ethernet frames for the packet tests, written byte by byte: no code of the project makes them.
import { parseAddressRange } from "../../lib/wire/wire.ts";

export interface FrameShape {
  readonly source: string;
  readonly destination: string;
  /** Default: UDP. */
  readonly protocol?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** VLAN ids, the outermost first. */
  readonly tags?: readonly number[];
  /** IPv4: in units of 8 bytes. IPv6: the same, in a fragment header. */
  readonly fragmentOffset?: number;
  /** IPv6: protocol numbers of extension headers before the payload, each of 8 bytes. */
  readonly extensions?: readonly number[];
  readonly hopLimit?: number;
  /** After the ports; default 8 zero bytes. */
  readonly payload?: readonly number[];
  /** Cuts the frame after so many bytes. */
  readonly cutAt?: number;
}

const u16 = (value: number): number[] => [value >> 8, value & 0xff];

function addressBytes(text: string): number[] {
  const range = parseAddressRange(text);
  if (range === undefined) throw new Error(`${text} is no address`);
  return [...range.bytes.subarray(0, range.family === 4 ? 4 : 16)];
}

/** An Ethernet frame around any payload. */
export function ethernet(
  type: number,
  payload: readonly number[],
  tags: readonly number[] = [],
): Uint8Array {
  const macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
  const tagBytes = tags.flatMap((id) => [0x81, 0x00, ...u16(id)]);
  return Uint8Array.from([...macs, ...tagBytes, ...u16(type), ...payload]);
}

/** An IPv4 or IPv6 packet in an Ethernet frame. */
export function ipFrame(shape: FrameShape): Uint8Array {
  const source = addressBytes(shape.source);
  const body = [
    ...u16(shape.sourcePort ?? 0),
    ...u16(shape.destinationPort ?? 0),
    ...(shape.payload ?? [0, 0, 0, 0, 0, 0, 0, 0]),
  ];
  const packet = source.length === 4 ? ipv4(shape, source, body) : ipv6(shape, source, body);
  const frame = ethernet(source.length === 4 ? 0x0800 : 0x86dd, packet, shape.tags);
  return frame.subarray(0, shape.cutAt ?? frame.length);
}

function ipv4(shape: FrameShape, source: number[], body: number[]): number[] {
  return [
    ...[0x45, 0, ...u16(20 + body.length), 0, 0, ...u16(shape.fragmentOffset ?? 0)],
    ...[shape.hopLimit ?? 64, shape.protocol ?? 17, 0, 0],
    ...source,
    ...addressBytes(shape.destination),
    ...body,
  ];
}

function ipv6(shape: FrameShape, source: number[], body: number[]): number[] {
  const protocol = shape.protocol ?? 17;
  const kinds = [...(shape.extensions ?? []), ...(shape.fragmentOffset === undefined ? [] : [44])];
  const headers = kinds.flatMap((kind, index) => {
    const offset = kind === 44 ? (shape.fragmentOffset ?? 0) << 3 : 0;
    return [kinds[index + 1] ?? protocol, 0, ...u16(offset), 0, 0, 0, 0];
  });
  return [
    ...[0x60, 0, 0, 0, ...u16(headers.length + body.length)],
    ...[kinds[0] ?? protocol, shape.hopLimit ?? 64],
    ...source,
    ...addressBytes(shape.destination),
    ...headers,
    ...body,
  ];
}
