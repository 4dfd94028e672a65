// SPDX-License-Identifier: Apache-2.0
// Captures that lack or misplace something: packets out of order, holes, heads cut off, flows
// taken up in their middle, and options where other fields should be.
import { expect, test } from "vitest";
import type { NetworkEvent } from "../../../lib/model/model.ts";
import { NetworkAnalyzer } from "../../../lib/network/network.ts";
import { networkDigests } from "../../../lib/server/network-digests.ts";
import { analyze } from "../../corpora/analyze.ts";
import { concat } from "./concat.ts";
import { ascii, ends, hex, pcap, tcp, udp } from "./packets.ts";

const ack = 16;
const out = ends(80);
const back = ends(80, true);
const request = ascii("GET /1 HTTP/1.1\r\n\r\n");

const uris = (events: readonly NetworkEvent[]): string[] =>
  events.flatMap((event) =>
    event.kind === "http" ? `${event.method} ${event.uri} ${event.statusCode}` : [],
  );

test("an acknowledgement before its segment loses nothing", () => {
  const response = ascii("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const events = analyze(
    pcap([
      tcp(out, 2, 0, 0),
      tcp(back, 18, 0, 1),
      tcp(back, ack, 1, 1 + request.length),
      tcp(out, ack, 1, 1, request),
      tcp(back, ack, 1, 1 + request.length, response),
    ]),
  );
  expect(uris(events)).toEqual(["GET /1 200"]);
  const flow = events.find((event) => event.kind === "flow.close");
  expect(flow).toMatchObject({ missedBytes: 0 });
});

test("a segment that never came is missing at the end, though nothing waits behind it", () => {
  const events = analyze(
    pcap([tcp(out, 2, 0, 0), tcp(back, 18, 0, 1), tcp(back, ack, 1, 101), tcp(out, ack, 101, 1)]),
  );
  expect(events.find((event) => event.kind === "flow.close")).toMatchObject({ missedBytes: 100 });
});

test("HTTP goes on after a hole that took a head with it", () => {
  const response = ascii("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  const third = ascii("GET /3 HTTP/1.1\r\n\r\n");
  const events = analyze(
    pcap([
      tcp(out, 2, 0, 0),
      tcp(back, 18, 0, 1),
      tcp(out, ack, 1, 1, request),
      tcp(out, ack, 1 + request.length, 1, third),
      tcp(back, ack, 1001, 40, ascii("the end of a body")),
      tcp(out, ack, 39, 1018),
      tcp(back, ack, 1018, 40, response),
    ]),
  );
  expect(uris(events)).toEqual(["GET /1 0", "GET /3 404"]);
});

test("a head that the capture cuts off is told at its end", () => {
  const cut = ascii("GET /cut HTTP/1.0\r\nHost: a\r\n");
  const events = analyze(pcap([tcp(out, 2, 0, 0), tcp(back, 18, 0, 1), tcp(out, ack, 1, 1, cut)]));
  expect(uris(events)).toEqual(["GET /cut 0"]);
});

test("a request from who was taken for the server is a request", () => {
  const at = { source: 1, destination: 2, sourcePort: 6666, destinationPort: 63 };
  expect(uris(analyze(pcap([tcp(at, ack, 1, 1, request)])))).toEqual(["GET /1 0"]);
});

test("reads Cisco HDLC", () => {
  const events: NetworkEvent[] = [];
  const analyzer = new NetworkAnalyzer({
    digests: networkDigests,
    onEvent: (event) => events.push(event),
  });
  const frame = concat(hex("0f000800"), tcp(out, ack, 1, 1, request));
  analyzer.packet(1, 104, frame, 0, frame.length);
  analyzer.packet(2, 104, frame, 0, 3);
  analyzer.flush();
  expect(uris(events)).toEqual(["GET /1 0"]);
  expect(events.filter((event) => event.kind === "anomaly")).toHaveLength(1);
});

test("reads DHCP options in the fields that option 52 names", () => {
  const message = new Uint8Array(260);
  message.set(hex("02010600 12345678"));
  message.set(hex("0304c0000201 0604c0000202 ff"), 44);
  message.set(hex("3c024d53 370103 ff"), 108);
  message.set(hex("63825363 350102 340103 ff"), 236);
  const at = { source: 1, destination: 2, sourcePort: 67, destinationPort: 68 };
  const [event] = analyze(pcap([udp(at, message)])).filter(({ kind }) => kind === "dhcp");
  expect(event).toMatchObject({
    messageType: 2,
    routers: ["192.0.2.1"],
    nameServers: ["192.0.2.2"],
    vendorClass: "MS",
    parameters: [3],
  });
});
