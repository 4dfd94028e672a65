// SPDX-License-Identifier: Apache-2.0
// The network room on hand-made packets: readers, flows, reassembly, tunnels and each parser.
import { expect, test } from "vitest";
import type { FlowEvent, NetworkEvent } from "../../../lib/model/model.ts";
import { CaptureReader } from "../../../lib/network/network.ts";
import { analyze } from "../../corpora/analyze.ts";
import { concat } from "./concat.ts";
import { ascii, ends, hex, ipv4, pcap, tcp, udp, udpBody } from "./packets.ts";

const out = (port: number) => ends(port);
const back = (port: number) => ends(port, true);

function only<Kind extends NetworkEvent["kind"]>(
  packets: readonly Uint8Array[],
  kind: Kind,
): Array<Extract<NetworkEvent, { kind: Kind }>> {
  const isKind = (event: NetworkEvent): event is Extract<NetworkEvent, { kind: Kind }> =>
    event.kind === kind;
  return analyze(pcap(packets)).filter(isKind);
}

function closed(packets: readonly Uint8Array[]): FlowEvent {
  const flows = analyze(pcap(packets)).filter((event) => event.kind === "flow.close");
  return flows[0] as FlowEvent;
}

const query = hex("1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 00 0001 0001");
const answer = hex(
  "1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 00 0001 0001" +
    "c00c 0001 0001 0000003c 0004 c0000201",
);

test("reads both byte orders and says where a capture is cut", () => {
  for (const little of [true, false]) {
    const bytes = pcap([udp(out(53), query), udp(back(53), answer)], little);
    const reader = new CaptureReader(bytes);
    expect(reader.next()).toBe(true);
    expect(reader.packet.timeMs).toBe(1_000_500);
    expect(reader.next()).toBe(true);
    expect(reader.next()).toBe(false);
    expect(reader.fault).toBeUndefined();
  }
  const whole = pcap([udp(out(53), query)]);
  const cut = new CaptureReader(whole.subarray(0, whole.length - 5));
  expect(cut.next()).toBe(true);
  expect(cut.fault).toEqual({ fault: "truncated-packet", offset: 40 });
  expect(new CaptureReader(ascii("no capture")).fault?.fault).toBe("not-a-capture");
});

test("joins a DNS response to its query", () => {
  const [event] = only([udp(out(53), query), udp(back(53), answer)], "dns");
  expect(event).toMatchObject({
    query: "www.example",
    answers: ["192.0.2.1"],
    answerTtls: [60],
    roundTripMs: 1000,
    sourceAddress: "10.0.0.1",
    destinationPort: 53,
  });
});

test("tells an unanswered query at the end, and finds DNS on any port", () => {
  const [event] = only([udp(out(9999), query)], "dns");
  expect(event).toMatchObject({ query: "www.example", answered: false });
});

test("puts the fragments of a datagram together", () => {
  const body = udpBody(out(53), query);
  const first = ipv4(17, out(53), body.subarray(0, 16), 0x2000);
  const second = ipv4(17, out(53), body.subarray(16), 2);
  expect(only([second, first], "dns")).toHaveLength(1);
});

test("looks into VXLAN, GRE and IP in IP", () => {
  const inner = udp(out(53), query);
  const ethernet = concat(new Uint8Array(12), hex("0800"), inner);
  const vxlan = udp({ ...out(4789), source: 5 }, concat(hex("0800000000002a00"), ethernet));
  const gre = ipv4(47, { ...out(0), source: 5 }, concat(hex("00000800"), inner));
  const nested = ipv4(4, { ...out(0), source: 5 }, inner);
  for (const packet of [vxlan, gre, nested]) {
    expect(only([packet], "dns")[0]?.sourceAddress).toBe("10.0.0.1");
  }
});

const request = ascii("GET /a?b HTTP/1.1\r\n" + "Host: web.example\r\nUser-Agent: test\r\n\r\n");
const response = ascii(
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
);

function conversation(asked: Uint8Array, answered: Uint8Array, port = 8081): Uint8Array[] {
  const askedEnd = 101 + asked.length;
  const answeredEnd = 501 + answered.length;
  return [
    tcp(out(port), 2, 100, 0),
    tcp(back(port), 18, 500, 101),
    tcp(out(port), 16, 101, 501),
    tcp(out(port), 24, 101, 501, asked),
    tcp(back(port), 24, 501, askedEnd, answered),
    tcp(out(port), 17, askedEnd, answeredEnd),
    tcp(back(port), 17, answeredEnd, askedEnd + 1),
    tcp(out(port), 16, askedEnd + 1, answeredEnd + 1),
  ];
}

test("follows a whole connection in Zeek's words", () => {
  expect(closed(conversation(request, response))).toMatchObject({
    state: "SF",
    history: "ShADdFf",
    services: ["http"],
    sourceBytes: request.length,
    destinationBytes: response.length,
    sourcePackets: 5,
    destinationPackets: 3,
    missedBytes: 0,
    durationMs: 6000,
  });
});

test("reads an HTTP exchange with a chunked body", () => {
  const [event] = only(conversation(request, response), "http");
  expect(event).toMatchObject({
    method: "GET",
    authority: "web.example",
    uri: "/a?b",
    userAgent: "test",
    statusCode: 200,
    responseBodyBytes: 5,
  });
});

test("puts segments in order, keeps what came first and counts what differs", () => {
  const packets = conversation(request, response).slice(0, 3);
  const evil = ascii("GET /EVIL");
  const half = 30;
  packets.push(tcp(out(8081), 24, 101 + half, 501, request.subarray(half)));
  packets.push(
    tcp(
      out(8081),
      24,
      101 + half,
      501,
      request.subarray(half).map((byte) => byte ^ 1),
    ),
  );
  packets.push(tcp(out(8081), 24, 101, 501, request.subarray(0, half)));
  packets.push(tcp(out(8081), 24, 101, 501, evil));
  const events = analyze(pcap(packets));
  expect(events.find(({ kind }) => kind === "http")).toMatchObject({
    uri: "/a?b",
    authority: "web.example",
  });
  const flow = events.find(({ kind }) => kind === "flow.close") as FlowEvent;
  expect(flow.overlapBytes).toBe(request.length - half);
});

test("counts a hole that the other side acknowledged", () => {
  const packets = conversation(request, response);
  packets.splice(4, 1);
  const flow = closed(packets);
  expect(flow.missedBytes).toBe(response.length);
});

test("names refused, unanswered and half-seen connections", () => {
  const syn = tcp(out(9), 2, 100, 0);
  expect(closed([syn]).state).toBe("S0");
  expect(closed([syn, tcp(back(9), 20, 0, 101)]).state).toBe("REJ");
  expect(closed([tcp(back(9), 18, 500, 101)]).history).toBe("^h");
});

test("makes the community id that the specification gives", () => {
  // From the specification's own baseline: 128.232.110.120:34855 to 66.35.250.204:80.
  const packet = tcp({ ...out(80), sourcePort: 34_855 }, 2, 1, 0);
  packet.set([128, 232, 110, 120, 66, 35, 250, 204], 12);
  expect(closed([packet]).communityId).toBe("1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
});

test("reads SSH banners and DHCP", () => {
  const hello = ascii("SSH-2.0-client\r\n");
  const [ssh] = only(conversation(hello, ascii("SSH-2.0-server\r\n")), "ssh");
  expect(ssh).toMatchObject({ clientVersion: "SSH-2.0-client", serverVersion: "SSH-2.0-server" });
  const message = new Uint8Array(252);
  message.set([1, 1, 6, 0, 0, 0, 0, 9]);
  message.set([2, 0, 0, 0, 0, 1], 28);
  message.set(hex("63825363 350101 0c0461626364 ff"), 236);
  const [dhcp] = only([udp(out(67), message)], "dhcp");
  expect(dhcp).toMatchObject({
    messageType: 1,
    clientName: "abcd",
    clientMac: "02:00:00:00:00:01",
  });
});

test("makes an anomaly of malformed input", () => {
  const broken = answer.slice();
  broken.set([0xff, 0xff], answer.length - 6);
  const events = analyze(pcap([udp(out(53), query), udp(back(53), broken)]));
  expect(events.some((event) => event.kind === "anomaly" && event.name === "dns_malformed")).toBe(
    true,
  );
});
