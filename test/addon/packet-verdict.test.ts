// SPDX-License-Identifier: Apache-2.0
// Verdicts at the tap, frame by frame, under the address sanitizer: rules as the server encodes
// them, frames written by hand, and frames that a hostile guest would send.
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import type { BlockRule } from "../../lib/model/model.ts";
import { encodeBlockRule } from "../../lib/wire/wire.ts";
import { compile } from "./compile.ts";
import { ethernet, type FrameShape, ipFrame } from "./packet-frames.ts";

const SLOT = 5;
const NOW_NS = 1_000_000_000n;
const GUEST = "10.0.0.2";
const GUEST6 = "fd00::2";
const ARP = ethernet(0x0806, new Array(28).fill(0));
const LLDP = ethernet(0x88cc, new Array(40).fill(1));
const NEIGHBOUR: FrameShape = {
  ...{ source: GUEST6, destination: "ff02::1:ff00:1", protocol: 58, hopLimit: 255 },
  ...{ sourcePort: 135 << 8, destinationPort: 0 },
};

let program: string;
beforeAll(() => {
  const sources = ["test/addon/packet-judge.c", "addon/packet-key.c", "addon/packet-verdict.c"];
  program = compile("packet-judge", sources, [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
  ]);
});

type Rule = Omit<BlockRule, "id" | "slot"> & { readonly slot?: number };

function rulesBytes(rules: readonly Rule[]): Uint8Array {
  const parts = rules.map((rule, index) =>
    encodeBlockRule({ slot: SLOT, ...rule, id: BigInt(index + 1) }, NOW_NS),
  );
  return Buffer.concat(parts);
}

/** The program's answer: the result of making the table, and a sign for each frame. */
function judge(
  rules: Uint8Array,
  frames: readonly Uint8Array[],
  fromGuest: boolean,
  laterMs = 0,
): string {
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(NOW_NS + BigInt(laterMs) * 1_000_000n, 0);
  head.writeUInt32LE(SLOT, 8);
  head.writeUInt32LE(rules.length, 12);
  const parts: Uint8Array[] = [head, rules];
  for (const frame of frames) {
    const frameHead = Buffer.alloc(8);
    frameHead.writeUInt32LE(frame.length, 0);
    frameHead.writeUInt32LE(fromGuest ? 1 : 0, 4);
    parts.push(frameHead, frame);
  }
  const result = spawnSync(program, { input: Buffer.concat(parts), maxBuffer: 1 << 26 });
  expect(result.stderr.toString()).toBe("");
  expect(result.status).toBe(0);
  return result.stdout.toString();
}

/** Whether a frame that the guest sends, and the peer's answer to it, may pass. */
function passes(rules: readonly Rule[], shape: Partial<FrameShape>, laterMs = 0): string {
  const out = { source: GUEST, destination: "192.0.2.7", ...shape };
  const back = {
    ...out,
    ...{ source: out.destination, destination: out.source },
    ...{ sourcePort: out.destinationPort ?? 0, destinationPort: out.sourcePort ?? 0 },
  };
  const bytes = rulesBytes(rules);
  const [made, sign] = judge(bytes, [ipFrame(out)], true, laterMs).split(" ");
  expect(made).toBe("0");
  return `${sign}${judge(bytes, [ipFrame(back)], false, laterMs).split(" ")[1]}`;
}

const drop = (remote: string): Rule => ({ action: "drop", remote });
const isolate: Rule = { action: "isolate" };
const web: Rule = { action: "drop", remote: "192.0.2.7", protocol: 6, remotePort: 443 };
const to6 = { source: GUEST6, destination: "2001:db8::7" };

it.each<[string, readonly Rule[], Partial<FrameShape>, string]>([
  ["no rules", [], {}, "++"],
  ["its address", [drop("192.0.2.7")], {}, "--"],
  ["another address", [drop("192.0.2.8")], {}, "++"],
  ["another slot", [{ ...drop("192.0.2.7"), slot: SLOT + 1 }], {}, "++"],
  ["among many", numbered(500).concat(drop("192.0.2.7")), {}, "--"],
  ["not among many", numbered(500), {}, "++"],
  ["its network", [drop("192.0.2.0/29")], {}, "--"],
  ["the network beside", [drop("192.0.2.8/29")], {}, "++"],
  ["an odd prefix", [drop("192.0.0.0/13")], {}, "--"],
  ["IPv6 address", [drop("2001:db8::7")], to6, "--"],
  ["IPv6 network", [drop("2001:db8::/33")], to6, "--"],
  ["IPv6 network beside", [drop("2001:db8:8000::/33")], to6, "++"],
  ["IPv4 rule, IPv6 packet", [drop("32.1.13.184")], to6, "++"],
  ["the guest's own address", [{ action: "drop", local: `${GUEST}/32` }], {}, "--"],
  ["the guest's other address", [{ action: "drop", local: "10.0.0.3" }], {}, "++"],
  ["protocol", [{ action: "drop", protocol: 17 }], {}, "--"],
  ["another protocol", [{ action: "drop", protocol: 6 }], {}, "++"],
  ["port", [web], { protocol: 6, sourcePort: 4000, destinationPort: 443 }, "--"],
  ["another port", [web], { protocol: 6, sourcePort: 443, destinationPort: 80 }, "++"],
  ["port of another protocol", [web], { destinationPort: 443 }, "++"],
  ["tagged", [drop("192.0.2.7")], { tags: [7] }, "--"],
  ["tagged twice", [drop("192.0.2.7")], { tags: [7, 8] }, "--"],
  ["behind extension headers", [drop("2001:db8::7")], { ...to6, extensions: [0, 60, 43] }, "--"],
  [
    "IPv6 port behind extension headers",
    [{ ...web, remote: "2001:db8::7" }],
    { ...to6, protocol: 6, destinationPort: 443, extensions: [0, 60] },
    "--",
  ],
  ["later fragment, address", [drop("192.0.2.7")], { fragmentOffset: 9 }, "--"],
  ["later fragment, port", [web], { protocol: 6, destinationPort: 443, fragmentOffset: 9 }, "++"],
  ["ports cut off", [web], { protocol: 6, destinationPort: 443, cutAt: 36 }, "--"],
  ["allow over drop", [drop("192.0.2.0/24"), { ...drop("192.0.2.7"), action: "allow" }], {}, "++"],
  ["drop over isolate", [drop("192.0.2.7"), isolate], {}, "--"],
  ["isolated", [isolate], {}, "--"],
  ["isolated, allowed", [isolate, { action: "allow", remote: "192.0.2.7" }], {}, "++"],
  ["isolated, another allowed", [isolate, { action: "allow", remote: "192.0.2.8" }], {}, "--"],
  [
    "isolated, later fragment of what is allowed",
    [isolate, { action: "allow", remote: "192.0.2.7", protocol: 17, remotePort: 53 }],
    { destinationPort: 99, fragmentOffset: 9 },
    "++",
  ],
  [
    "isolated, allowed port cut off",
    [isolate, { action: "allow", remote: "192.0.2.7", protocol: 17, remotePort: 53 }],
    { destinationPort: 53, cutAt: 36 },
    "--",
  ],
  [
    "a chain of headers too long to follow, dropped port",
    [{ ...web, remote: "2001:db8::7" }],
    { ...to6, protocol: 6, extensions: new Array(20).fill(60) },
    "--",
  ],
])("%s", (_name, rules, shape, expected) => {
  expect(passes(rules, shape)).toBe(expected);
});

function numbered(count: number): Rule[] {
  return Array.from({ length: count }, (_, i) => drop(`198.18.${i >> 8}.${i & 255}`));
}

it("a rule ends when its time has come", () => {
  const rules = [{ ...drop("192.0.2.7"), expiresInMs: 50 }];
  expect([passes(rules, {}, 49), passes(rules, {}, 51)]).toEqual(["--", "++"]);
});

it("an exemption ends when its time has come", () => {
  const rules: Rule[] = [isolate, { action: "allow", remote: "192.0.2.7", expiresInMs: 50 }];
  expect([passes(rules, {}, 49), passes(rules, {}, 51)]).toEqual(["++", "--"]);
  const arp = (ms: number): string => judge(rulesBytes(rules), [ARP], true, ms);
  expect([arp(49), arp(51)]).toEqual(["0 +", "0 -"]);
});

describe("frames that carry no addresses of a rule", () => {
  const allow4: Rule = { action: "allow", remote: "192.0.2.7" };
  const allow6: Rule = { action: "allow", remote: "2001:db8::7" };
  const frames = [ARP, ipFrame(NEIGHBOUR), LLDP, new Uint8Array(13), ipFrame(routed())];
  it.each<[string, readonly Rule[], string]>([
    ["pass beside drops", [drop("192.0.2.7"), drop("2001:db8::/32")], "+++++"],
    ["stop with isolation", [isolate], "-----"],
    ["address resolution goes with what IPv4 needs", [isolate, allow4], "+----"],
    ["address resolution goes with what IPv6 needs", [isolate, allow6], "-+---"],
    ["an ALLOW of everything is everything", [isolate, { action: "allow" }], "+++++"],
    ["a DROP of everything is everything", [{ action: "drop" }, allow4], "-----"],
  ])("%s", (_name, rules, expected) => {
    expect(judge(rulesBytes(rules), frames, true)).toBe(`0 ${expected}`);
  });
});

/** Like a neighbour solicitation, but it has passed a router: not what address resolution sends. */
function routed(): FrameShape {
  return { ...NEIGHBOUR, hopLimit: 254 };
}

it("refuses what contradicts itself, and too many rules", () => {
  const good = rulesBytes([drop("192.0.2.7")]);
  const broken = good.slice();
  broken[20] = 9;
  const wide = good.slice();
  wide[56] = 33;
  expect(judge(broken, [], true)).toBe("-22 ");
  expect(judge(wide, [], true)).toBe("-22 ");
  expect(judge(good.subarray(0, 60), [], true)).toBe("-22 ");
  const listed = Array.from({ length: 1025 }, () => drop("192.0.2.0/24"));
  expect(judge(rulesBytes(listed.slice(1)), [], true)).toBe("0 ");
  expect(judge(rulesBytes(listed), [], true)).toBe("-7 ");
});

it("reads nothing beyond a hostile frame, and drops what hides under isolation", () => {
  const shapes: FrameShape[] = [
    { source: GUEST, destination: "192.0.2.7", protocol: 6, destinationPort: 443, tags: [1, 2] },
    { ...to6, protocol: 6, destinationPort: 443, extensions: [0, 43, 60, 51, 135] },
    { ...to6, fragmentOffset: 3, extensions: [0] },
  ];
  const frames: Uint8Array[] = [];
  let state = 12_345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (const whole of shapes.map(ipFrame)) {
    for (let cut = 0; cut <= whole.length; cut++) frames.push(whole.slice(0, cut));
    for (let i = 0; i < 20_000; i++) {
      const frame = whole.slice(0, whole.length - random(4));
      for (let flips = random(6); flips >= 0; flips--) frame[random(frame.length)] = random(256);
      frames.push(frame);
    }
  }
  const rules = rulesBytes([isolate, web, drop("2001:db8::/32"), { action: "allow", protocol: 1 }]);
  const [made, signs] = judge(rules, frames, true).split(" ");
  expect([made, signs?.length]).toEqual(["0", frames.length]);
  // Flips make an ICMP or an ARP out of a few; nothing else gets out.
  expect(signs?.replaceAll("-", "").length).toBeLessThan(frames.length / 100);
});
