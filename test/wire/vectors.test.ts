// SPDX-License-Identifier: Apache-2.0
// The golden vectors under the TypeScript codecs: the same bytes in both directions as the C
// encoder makes, and the same fault of every malformed ring, in TypeScript and natively.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { faultName, type RingConsumer } from "../../lib/model/model.ts";
import { openIvshmemRegion, openMemoryRegion, type Region } from "../../lib/transport/transport.ts";
import * as w from "../../lib/wire/wire.ts";

type Values = Readonly<Record<string, number | string>>;

function load<T>(name: string): T {
  const url = new URL(`../../guest-drivers/wire/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}

interface RecordVector {
  readonly name: string;
  readonly kind: string;
  readonly header: Values;
  readonly body: Values;
  readonly fields: Readonly<Record<string, string>>;
  readonly truncated: readonly string[];
  readonly hex: string;
}
interface CommandVector {
  readonly name: string;
  readonly kind: string;
  readonly id: string;
  readonly deadlineNs: string;
  readonly body?: Values;
  readonly rules?: readonly Values[];
  readonly ids?: readonly string[];
  readonly hex: string;
}
interface PageVector {
  readonly name: string;
  readonly page: string;
  readonly fields: Values;
  readonly lost?: Readonly<Record<string, string>>;
  readonly hex: string;
}
interface RingVector {
  readonly name: string;
  readonly sessionId: number;
  readonly features: string;
  readonly ops: ReadonlyArray<{ readonly bytes?: number; readonly drain?: boolean }>;
  readonly tail: string;
  readonly ringHex: string;
  readonly records: ReadonlyArray<{
    readonly type: number;
    readonly length: number;
    readonly sequence: number;
  }>;
}
interface MalformedRing {
  readonly name: string;
  readonly sessionId: number;
  readonly previousSessionId: number;
  readonly features: string;
  readonly tail: string;
  readonly head?: string;
  readonly ringHex: string;
  readonly fault: string;
}
interface Malformed {
  readonly rings: readonly MalformedRing[];
  readonly heads: ReadonlyArray<Pick<MalformedRing, "name" | "tail" | "fault"> & { head: string }>;
  readonly hellos: ReadonlyArray<{ readonly name: string; readonly fields: Values }>;
}

const records = load<RecordVector[]>("records");
const commands = load<CommandVector[]>("commands");
const pages = load<PageVector[]>("pages");
const rings = load<RingVector[]>("rings");
const malformed = load<Malformed>("malformed");

/** A constant of the wire format by its name there. */
function constant(name: string): number {
  const value = (w as unknown as Readonly<Record<string, unknown>>)[name];
  if (typeof value !== "number") throw new Error(`the wire format has no ${name}`);
  return value;
}

const TEXTS = new Set(["driverVersion", "osVersion"]);
const BYTES = new Set([
  ...["sha256", "bootId", "guestId", "serverInstance"],
  ...["localAddress", "remoteAddress", "interfaceName", "uplinkName"],
]);

const ADDRESSES = new Set(["localAddress", "remoteAddress"]);

/** Values of a vector as the encoder takes them: texts of numbers are 64 bits wide. */
function fixed(values: Values): w.FixedValues {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (typeof value === "number") return [name, value];
      if (TEXTS.has(name)) return [name, w.encodeText(value)];
      return [name, BYTES.has(name) ? w.fromHex(value) : BigInt(value)];
    }),
  );
}

/** Holds an event or page against the values of a vector, for every name that both have. */
function expectSame(made: object, values: Values): number {
  let compared = 0;
  for (const [name, value] of Object.entries(made)) {
    const given = values[name];
    if (given === undefined) continue;
    if (ADDRESSES.has(name)) {
      const bytes = w.fromHex(String(given));
      expect(value, name).toBe(w.addressText(bytes, 0, Number(values.family)));
    } else if (BYTES.has(name) || TEXTS.has(name)) {
      // A digest is shown only when the hash was made.
      if (value !== "") expect(value, name).toBe(given);
    } else if (typeof value === "bigint") expect(value, name).toBe(BigInt(given));
    else if (typeof value === "number") expect(value, name).toBe(Number(given));
    else continue;
    compared++;
  }
  return compared;
}

describe("records", () => {
  const context = { guest: "g", boot: "b", clockOffsetMs: 0 };
  const TEXT_OF: Readonly<Record<string, string>> = {
    PATH: "path",
    OLD_PATH: "oldPath",
    REQUESTED_PATH: "requestedPath",
    WORKING_DIRECTORY: "workingDirectory",
    CGROUP: "cgroup",
    COMMAND_NAME: "commandName",
    KEY: "key",
    NAME: "name",
    DATA: "data",
  };

  it.each(records)("$kind: $name", (vector) => {
    const type = constant(`RECORD_${vector.kind}`);
    const bytes = w.fromHex(vector.hex);
    const fields = Object.entries(vector.fields).map(
      ([name, value]) =>
        [constant(`FIELD_${name}`), name === "DATA" ? w.fromHex(value) : value] as const,
    );
    const truncated = vector.truncated.map((name) => constant(`FIELD_${name}`));
    const made = w.encodeRecord(type, fixed(vector.header), fixed(vector.body), fields, truncated);
    expect(w.toHex(made)).toBe(vector.hex);

    const decoder = new w.RecordDecoder();
    decoder.use(bytes);
    const event = decoder.decode(context, type, 0, 0, bytes.length);
    if (event === undefined) throw new Error("did not decode");
    const { boottimeNs, ...header } = vector.header;
    expect(expectSame(event, { ...vector.body, ...header })).toBeGreaterThan(0);
    if ("rule" in event) expect(expectSame(event.rule, vector.body)).toBe(4);
    if (!("pid" in event)) return;
    expect(event.timeMs).toBe(Number(boottimeNs) / 1e6);
    expect(event.truncated).toBe(vector.truncated.length > 0);
    const texts = event as unknown as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(vector.fields)) {
      if (name === "ARGUMENTS") continue;
      const place = vector.kind === "DNS_QUERY" ? "query" : TEXT_OF[name];
      expect(texts[place ?? ""], name).toBe(value);
    }
    if ("arguments" in event && vector.truncated.length === 0) {
      const joined = event.arguments.map((argument) => `${argument}\0`).join("");
      expect(joined).toBe(vector.fields.ARGUMENTS ?? "");
    }
  });
});

describe("commands", () => {
  const LAYOUTS: Readonly<Record<string, Parameters<typeof w.writeStruct>[2]>> = {
    START_MONITORING: w.COMMAND_START_MONITORING_LAYOUT,
    KILL_PROCESS: w.COMMAND_KILL_PROCESS_LAYOUT,
    RULES_BEGIN: w.COMMAND_RULES_BEGIN_LAYOUT,
    RULES_COMMIT: w.COMMAND_RULES_COMMIT_LAYOUT,
  };

  /** A redirector's body read and made again; kind and body limit are beside the point. */
  function redirectorBody(kind: number, body: Uint8Array): Uint8Array {
    const command = w.decodeRedirectorCommand(kind, body, 0n);
    if (command === undefined) throw new Error("did not decode");
    return w.encodeRedirectorCommand(command, 0n, w.RECORD_BYTES_MAX).body;
  }

  /** The body as the product's own encoder makes it from the vector's meaning. */
  function bodyOf(vector: CommandVector): Uint8Array {
    const kind = constant(`COMMAND_${vector.kind}`);
    if (kind >= w.COMMAND_REDIRECT_START) {
      return redirectorBody(kind, w.fromHex(vector.hex).subarray(w.COMMAND_LAYOUT.size));
    }
    const layout = LAYOUTS[vector.kind];
    if (vector.rules !== undefined) {
      return Buffer.concat(vector.rules.map((rule) => w.encodeRule(ruleOf(rule), 0n)));
    }
    if (layout === undefined) return new Uint8Array(0);
    const body = new Uint8Array(layout.size);
    w.writeStruct(body, 0, layout, fixed(vector.body ?? {}));
    return body;
  }

  function ruleOf(rule: Values): Parameters<typeof w.encodeRule>[0] {
    const operations = Number(rule.operations);
    const match = String(rule.match).toLowerCase().replace("_", "-");
    return {
      id: Number(rule.id),
      operations: (["open", "exec"] as const).filter((_, bit) => operations & (1 << bit)),
      match: match as "path",
      pattern: String(rule.pattern),
      verdict: rule.verdict === w.VERDICT_DENY ? "deny" : "allow",
      ...(rule.uid === w.UID_ANY ? {} : { uid: Number(rule.uid) }),
      ...(rule.expiresNs === "0" ? {} : { expiresInMs: Number(rule.expiresNs) / 1e6 }),
    };
  }

  it.each(commands)("$kind: $name", (vector) => {
    const kind = constant(`COMMAND_${vector.kind}`);
    const part = { kind, body: bodyOf(vector) };
    const made = w.encodeCommandPayload(BigInt(vector.id), BigInt(vector.deadlineNs), part);
    expect(w.toHex(made)).toBe(vector.hex);
    const received = w.decodeCommandPayload(w.fromHex(vector.hex));
    expect(received).toMatchObject({
      kind,
      id: BigInt(vector.id),
      deadlineNs: BigInt(vector.deadlineNs),
    });
    expect(w.toHex(received?.body ?? new Uint8Array(0))).toBe(w.toHex(part.body));
    expect(w.COMMAND_NAMES[kind]).toBeDefined();
  });
});

/** A whole page of a vector, whose hex ends at the last byte that is not zero. */
function pageOf(hex: string): Uint8Array {
  const page = new Uint8Array(w.PAGE_BYTES);
  page.set(w.fromHex(hex));
  return page;
}

const pageHex = (page: Uint8Array): string => w.toHex(page).replace(/(00)+$/, "");

describe("pages", () => {
  const of = (page: string): PageVector[] => pages.filter((vector) => vector.page === page);

  it.each(of("superblock"))("$name", ({ fields, hex }) => {
    const superblock = w.decodeSuperblock(pageOf(hex), Number(fields.regionBytes));
    expect(expectSame(superblock, fields)).toBe(5);
    const made = w.encodeSuperblock(superblock);
    // The hash of the header is for diagnosis, and the vector has one of its own.
    const view = new DataView(made.buffer);
    view.setUint32(w.SUPERBLOCK_LAYOUT.wireHash, Number(fields.wireHash), true);
    view.setUint32(w.SUPERBLOCK_LAYOUT.headerCrc32c, 0, true);
    view.setUint32(w.SUPERBLOCK_LAYOUT.headerCrc32c, w.crc32c(made), true);
    expect(pageHex(made)).toBe(hex);
  });

  it.each(of("hello"))("$name", ({ fields, hex }) => {
    const hello = w.decodeHello(pageOf(hex));
    expect(expectSame({ ...hello, ...hello.driver }, fields)).toBeGreaterThan(8);
    expect(hello.driver).toMatchObject({ os: "linux", mapKind: "write-combining" });
    expect(hello.driver.version).toBe(fields.driverVersion);
    expect(pageHex(w.encodeHello(hello))).toBe(hex);
  });

  it.each(of("session"))("$name", ({ fields, hex }) => {
    const session = w.decodeSession(pageOf(hex));
    expect(expectSame(session, fields)).toBe(10);
    expect(w.toHex(w.encodeSession(session)).replace(/(00)+$/, "")).toBe(hex);
  });

  it.each(of("status"))("$name", ({ fields, lost, hex }) => {
    const status = w.decodeStatus(pageOf(hex));
    expect(expectSame(status, fields)).toBe(12);
    const expected = new Array<bigint>(w.CLASS_COUNT * w.LOSS_COUNT).fill(0n);
    for (const [place, count] of Object.entries(lost ?? {})) {
      const [recordClass = "", reason = ""] = place.split("/");
      const index = constant(`CLASS_${recordClass}`) * w.LOSS_COUNT + constant(`LOSS_${reason}`);
      expected[index] = BigInt(count);
    }
    expect(status.lost).toEqual(expected);
  });

  it.each(malformed.hellos)("a hello is refused: $name", ({ fields }) => {
    const page = new Uint8Array(w.PAGE_BYTES);
    w.writeStruct(page, 0, w.HELLO_LAYOUT, fixed(fields));
    const superblock = w.decodeSuperblock(pageOf(pages[0]?.hex ?? ""), 1 << 20);
    expect(w.helloProblem(w.decodeHello(page), superblock)).toBeDefined();
    const [right] = of("hello");
    expect(w.helloProblem(w.decodeHello(pageOf(right?.hex ?? "")), superblock)).toBeUndefined();
  });
});

const PLACEMENT = {
  ringOffset: 65536,
  producerOffset: 16384,
  consumerOffset: 20480,
  capacityLog2: 12,
} as const;

const transports: ReadonlyArray<readonly [name: string, open: () => Region]> = [
  ["memory", () => openMemoryRegion(1 << 20)],
  ["memfd", () => openIvshmemRegion({ memfd: "vectors", bytes: 1 << 20 })],
];

interface Image {
  readonly ringHex: string;
  readonly tail: string;
  readonly sessionId: number;
  readonly previousSessionId?: number;
  readonly features: string;
}

/** A consumer in front of a ring image. */
function openImage(region: Region, image: Image, head: bigint): RingConsumer {
  region.copyIn(PLACEMENT.ringOffset, w.fromHex(image.ringHex));
  region.storeU64(PLACEMENT.producerOffset, BigInt(image.tail));
  const consumer = region.openConsumer(PLACEMENT, w.RECORD_BYTES_MAX);
  const previous = image.previousSessionId ?? image.sessionId;
  consumer.startSession(image.sessionId, previous, BigInt(image.features), head);
  return consumer;
}

/** Where the last drain of a vector began: behind every record that fitted the empty ring. */
function lastHead({ ops }: RingVector): bigint {
  let at = 0;
  const last = ops.findLastIndex((op) => op.drain === true);
  for (const { bytes } of ops.slice(0, Math.max(last, 0))) {
    const end = at + 16 + Math.ceil((bytes ?? 0) / 16) * 16;
    if (end <= 4096) at = end;
  }
  return BigInt(at);
}

describe.each(transports)("rings over %s", (_name, open) => {
  it.each(rings)("$name", (vector) => {
    const region = open();
    const consumer = openImage(region, vector, lastHead(vector));
    const seen: Array<{ type: number; length: number; sequence: number }> = [];
    let count = consumer.drain();
    for (; count > 0; count = consumer.drain()) {
      for (let at = 0; at < count * 4; at += 4) {
        const [offset = 0, length = 0, type = 0, sequence = 0] = consumer.records.slice(at, at + 4);
        seen.push({ type, length, sequence });
        if (type === w.RECORD_LOST) continue;
        const counted = Uint8Array.from({ length }, (_, index) => index & 0xff);
        expect(consumer.batch.slice(offset, offset + length)).toEqual(counted);
      }
    }
    expect(count).toBe(0);
    expect(seen).toEqual(vector.records);
    region.close();
  });

  it.each(malformed.rings)("$fault: $name", (vector) => {
    const region = open();
    const consumer = openImage(region, vector, BigInt(vector.head ?? "0"));
    let result = consumer.drain();
    while (result > 0) result = consumer.drain();
    expect(result < 0 ? faultName(result) : "OK").toBe(vector.fault);
    region.close();
  });

  it.each(malformed.heads)("$fault: $name", ({ tail, head, fault }) => {
    const region = open();
    const producer = region.openProducer(PLACEMENT, w.RECORD_BYTES_MAX);
    producer.startSession(1, 0n);
    expect(producer.write(w.RECORD_COMMAND, 0, new Uint8Array(Number(tail) - 16))).toBe(1);
    producer.publish();
    expect(producer.stats[4]).toBe(BigInt(tail));
    region.storeU64(PLACEMENT.consumerOffset, BigInt(head));
    producer.publish();
    const result = producer.write(w.RECORD_COMMAND, 0, new Uint8Array(0));
    expect(result < 0 ? faultName(result) : "OK").toBe(fault);
    region.close();
  });
});
