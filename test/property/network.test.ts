// SPDX-License-Identifier: Apache-2.0
// The network room never throws and keeps its limits, whatever bytes it gets: arbitrary bytes,
// flipped bits, cut captures, and segments in any order.
import fc from "fast-check";
import { expect, test } from "vitest";
import { CaptureReader, NetworkAnalyzer } from "../../lib/network/network.ts";
import { networkDigests } from "../../lib/server/network-digests.ts";
import { analyze } from "../corpora/analyze.ts";
import { holds } from "../support/property.ts";
import { ascii, ends, pcap, tcp, udp } from "../unit/network/packets.ts";

const linkTypes = [0, 1, 9, 101, 113, 276];
const payloads = [
  "GET / HTTP/1.1\r\n\r\n",
  "SSH-2.0-a\r\n",
  "HTTP/1.1 200 OK\r\n\r\n",
  "\x16\x03\x01",
];

test("arbitrary captures are read to their end or to a fault", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const magic of ["d4c3b2a1", "a1b2c3d4", "0a0d0d0a"]) {
      const file = new Uint8Array([...Buffer.from(magic, "hex"), ...bytes]);
      const reader = new CaptureReader(file);
      for (let packets = 0; reader.next(); packets += 1) {
        expect(reader.packet.end).toBeLessThanOrEqual(file.length);
        expect(reader.packet.start).toBeLessThanOrEqual(reader.packet.end);
        expect(packets).toBeLessThan(file.length);
      }
    }
  });
  holds(property, 500);
});

test("arbitrary packets of every link type are survived", () => {
  const packet = fc.tuple(fc.constantFrom(...linkTypes), fc.uint8Array({ maxLength: 200 }));
  const property = fc.property(fc.array(packet, { maxLength: 20 }), (packets) => {
    const analyzer = new NetworkAnalyzer({ digests: networkDigests, onEvent: () => {} });
    for (const [link, bytes] of packets) analyzer.packet(1, link, bytes, 0, bytes.length);
    analyzer.flush();
    expect(analyzer.counts.packets).toBe(packets.length);
  });
  holds(property, 500);
});

test("transport payloads of any content and order are survived, whole or flipped", () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 120 }),
    fc
      .tuple(fc.constantFrom(...payloads), fc.uint8Array({ maxLength: 60 }))
      .map(([head, tail]) => new Uint8Array([...ascii(head), ...tail])),
  );
  const segment = fc.record({ back: fc.boolean(), offset: fc.nat(400), flags: fc.nat(63), body });
  const flip = fc.tuple(fc.nat(), fc.nat(7));
  const property = fc.property(
    fc.array(segment, { maxLength: 30 }),
    fc.array(flip, { maxLength: 5 }),
    (segments, flips) => {
      const packets = segments.flatMap(({ back, offset, flags, body: payload }) => [
        tcp(ends(80, back), flags, 2 ** 32 - 100 + (offset % 100), offset, payload),
        udp(ends(53, back), payload),
      ]);
      const bytes = pcap(packets);
      for (const [place, bit] of flips) {
        const at = 24 + (place % Math.max(1, bytes.length - 24));
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << bit);
      }
      const events = analyze(bytes);
      const opens = events.filter(({ kind }) => kind === "flow.open").length;
      expect(events.filter(({ kind }) => kind === "flow.close")).toHaveLength(opens);
    },
  );
  holds(property, 300);
});

test("the number of flows is bounded and evictions are counted", () => {
  let closes = 0;
  const onEvent = ({ kind }: { kind: string }): void => {
    if (kind === "flow.close") closes += 1;
  };
  const analyzer = new NetworkAnalyzer({ digests: networkDigests, onEvent, flowsMax: 100 });
  for (let port = 1; port <= 1000; port += 1) {
    const bytes = tcp({ ...ends(80), sourcePort: port }, 2, 1, 0);
    analyzer.packet(port, 101, bytes, 0, bytes.length);
  }
  expect(closes).toBe(900);
  expect(analyzer.dropped.flows).toBe(900);
});
