// SPDX-License-Identifier: Apache-2.0
// The analyzer's memory limits: what has to go is counted and told, and a flood leaves no trace.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { NetworkEvent } from "../../../lib/model/model.ts";
import { type AnalyzerOptions, NetworkAnalyzer } from "../../../lib/network/network.ts";
import { networkDigests } from "../../../lib/server/network-digests.ts";
import { concat } from "./concat.ts";
import { ascii, hex, tcp, udp } from "./packets.ts";

const rawLink = 101;
const synOnly = 2;
const ackOnly = 0x10;

class Rig {
  readonly events: NetworkEvent[] = [];
  readonly analyzer: NetworkAnalyzer;
  #timeMs = 1_000_000;

  constructor(options: Partial<AnalyzerOptions>, isKept = true) {
    this.analyzer = new NetworkAnalyzer({
      digests: networkDigests,
      onEvent: (event) => {
        if (isKept) this.events.push(event);
      },
      ...options,
    });
  }

  send(packet: Uint8Array, stepMs = 0.01): void {
    this.#timeMs += stepMs;
    this.analyzer.packet(this.#timeMs, rawLink, packet, 0, packet.length);
  }

  anomalies(name: string): number {
    return this.events.filter((event) => event.kind === "anomaly" && event.name === name).length;
  }
}

/** The client side of a flow of its own for each number. */
function place(index: number, port: number) {
  return {
    source: index & 0xff,
    destination: 2,
    sourcePort: 1024 + (index >> 8),
    destinationPort: port,
  };
}

test("heads that never end are held up to the limit, then their flows are no longer read", () => {
  const rig = new Rig({ parserBytesMax: 256 * 1024 });
  const head = concat(ascii("GET / HTTP/1.1\r\nX: "), new Uint8Array(1000).fill(0x61));
  for (let index = 0; index < 2000; index += 1) {
    const at = place(index, 80);
    rig.send(tcp(at, synOnly, 0, 0));
    rig.send(tcp(at, ackOnly, 1, 1, head));
  }
  const { parsers } = rig.analyzer.dropped;
  expect(parsers).toBeGreaterThan(1500);
  expect(rig.anomalies("memory_limit")).toBe(parsers);
  // The newest are still read: their requests are told once they are whole.
  const last = place(1999, 80);
  rig.send(tcp(last, ackOnly, 1 + head.length, 1, ascii("\r\nHost: kept\r\n\r\n")));
  rig.analyzer.flush();
  const names = rig.events.flatMap((event) => (event.kind === "http" ? [event.authority] : []));
  expect(names).toContain("kept");
});

test("without pressure nothing is given up", () => {
  const rig = new Rig({});
  for (let index = 0; index < 2000; index += 1) {
    const at = place(index, 80);
    rig.send(tcp(at, synOnly, 0, 0));
    rig.send(tcp(at, ackOnly, 1, 1, ascii("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
  }
  rig.analyzer.flush();
  expect(rig.analyzer.dropped).toEqual({ flows: 0, fragments: 0, parsers: 0 });
  expect(rig.events.filter(({ kind }) => kind === "http")).toHaveLength(2000);
});

test("more flows than there is room for: the longest idle go, each told and counted", () => {
  const rig = new Rig({ flowsMax: 100 });
  const query = hex("1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 00 0001 0001");
  for (let index = 0; index < 500; index += 1) rig.send(udp(place(index, 53), query));
  const evicted = rig.events.filter(
    (event) => event.kind === "flow.close" && event.reason === "evicted",
  );
  expect(evicted).toHaveLength(400);
  expect(rig.analyzer.dropped.flows).toBe(400);
  // What an evicted flow still had to tell is told.
  expect(rig.events.filter(({ kind }) => kind === "dns")).toHaveLength(400);
});

test("a flood of flows leaves the heap as it was", () => {
  const rig = new Rig({ flowsMax: 4096, parserBytesMax: 1 << 20 }, false);
  const query = hex("1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 00 0001 0001");
  const flood = (from: number, count: number): void => {
    for (let index = from; index < from + count; index += 1) {
      rig.send(udp(place(index % 1_000_000, 53), query));
    }
  };
  flood(0, 50_000);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  flood(50_000, 200_000);
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  expect(rig.analyzer.dropped.flows).toBeGreaterThan(200_000);
  expect(grown).toBeLessThan(8 << 20);
});

test("segments that wait for a hole are held up to the limit of all streams", () => {
  const rig = new Rig({ heldBytesMax: 64 * 1024 });
  const part = new Uint8Array(1000).fill(0x62);
  for (let index = 0; index < 500; index += 1) {
    const at = place(index, 80);
    rig.send(tcp(at, synOnly, 0, 0));
    rig.send(tcp(at, ackOnly, 1001, 1, part));
  }
  rig.analyzer.flush();
  const missed = rig.events.reduce(
    (sum, event) => sum + (event.kind === "flow.close" ? event.missedBytes : 0),
    0,
  );
  expect(missed).toBe(500 * 1000);
});
