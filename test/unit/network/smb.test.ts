// SPDX-License-Identifier: Apache-2.0
// The SMB reader on hand-made messages: compounds, open files, deletions, limits and lies.
import { expect, test } from "vitest";
import type { SmbEvent } from "../../../lib/model/model.ts";
import { analyze } from "../../corpora/analyze.ts";
import { concat } from "./concat.ts";
import { ascii, ends, hex, pcap, tcp } from "./packets.ts";

const [negotiate, sessionSetup, treeConnect, create, close, read, setInfo] = [0, 1, 3, 5, 6, 8, 17];
const fileId = "ab".repeat(16);
const accessDenied = 0xc0000022;

/** One SMB2 command; `at` puts numbers of so many bytes at places of its body. */
function smb2(
  command: number,
  id: number,
  body: Uint8Array,
  more: { readonly isBack?: boolean; readonly status?: number; readonly next?: number } = {},
): Uint8Array {
  const header = new Uint8Array(64);
  const view = new DataView(header.buffer);
  header.set(hex("fe534d4240"));
  view.setUint32(8, more.status ?? 0, true);
  view.setUint16(12, command, true);
  view.setUint32(16, more.isBack ? 1 : 0, true);
  view.setUint32(20, more.next ?? 0, true);
  view.setUint32(24, id, true);
  view.setUint32(36, 5, true);
  view.setUint32(40, 77, true);
  return concat(header, body);
}

function fields(
  bytes: number,
  values: ReadonlyArray<readonly [number, number, number]>,
): Uint8Array {
  const body = new Uint8Array(bytes);
  for (const [at, size, value] of values) {
    for (let index = 0; index < size; index += 1) body[at + index] = value >>> (8 * index);
  }
  return body;
}

const wide = (text: string): Uint8Array =>
  Uint8Array.from([...text].flatMap((letter) => [letter.charCodeAt(0), 0]));

function createRequest(id: number, name: string, options = 0): Uint8Array {
  const body = fields(56, [
    [36, 4, 1],
    [40, 4, options],
    [44, 2, 64 + 56],
    [46, 2, 2 * name.length],
  ]);
  return smb2(create as number, id, concat(body, wide(name)));
}

function createResponse(id: number, fileBytes: number): Uint8Array {
  const body = fields(88, [[48, 4, fileBytes]]);
  body.set(hex(fileId), 64);
  return smb2(create as number, id, body, { isBack: true });
}

function withFile(command: number, id: number, at: number, bytes: number): Uint8Array {
  const body = new Uint8Array(bytes);
  body.set(hex(fileId), at);
  return smb2(command, id, body);
}

const frame = (message: Uint8Array): Uint8Array =>
  concat(hex(`00${message.length.toString(16).padStart(6, "0")}`), message);

/** SMB events of messages; those of a server are told by their flag, or that of SMB1. */
function events(messages: readonly Uint8Array[]): SmbEvent[] {
  const sent = [1, 1];
  const packets = [tcp(ends(445), 2, 0, 0), tcp(ends(445, true), 18, 0, 1)];
  for (const message of messages) {
    const isBack = message[0] === 0xff ? (message[9] as number) > 0x7f : message[16] === 1;
    const [own = 0, other = 0] = isBack ? [sent[1], sent[0]] : sent;
    const bytes = frame(message);
    // In two segments, so that messages are put together.
    packets.push(tcp(ends(445, isBack), 16, own, other, bytes.subarray(0, 9)));
    packets.push(tcp(ends(445, isBack), 16, own + 9, other, bytes.subarray(9)));
    sent[isBack ? 1 : 0] = own + bytes.length;
  }
  return analyze(pcap(packets)).filter((event) => event.kind === "smb");
}

const negotiation = [
  smb2(
    negotiate as number,
    0,
    fields(40, [
      [2, 2, 2],
      [36, 2, 0x0202],
      [38, 2, 0x0311],
    ]),
  ),
  smb2(negotiate as number, 0, fields(64, [[4, 2, 0x0311]]), { isBack: true }),
];

test("tells dialects, share and who logged on", () => {
  const user = concat(
    ascii("NTLMSSP\0"),
    fields(56, [
      [0, 4, 3],
      [20, 2, 4],
      [24, 4, 64],
      [28, 2, 6],
      [32, 4, 68],
      [52, 4, 1],
    ]),
    wide("WGann"),
  );
  const setup = concat(
    fields(24, [
      [12, 2, 64 + 24],
      [14, 2, user.length],
    ]),
    user,
  );
  const path = wide("\\\\fs\\data");
  const found = events([
    ...negotiation,
    smb2(sessionSetup as number, 1, setup),
    smb2(sessionSetup as number, 1, new Uint8Array(8), { isBack: true }),
    smb2(
      treeConnect as number,
      2,
      concat(
        fields(8, [
          [4, 2, 72],
          [6, 2, path.length],
        ]),
        path,
      ),
    ),
    smb2(treeConnect as number, 2, fields(16, [[2, 1, 1]]), { isBack: true }),
  ]);
  expect(found.map((event) => event.command)).toEqual([
    "negotiate",
    "session-setup",
    "tree-connect",
  ]);
  expect(found[0]).toMatchObject({ offeredDialects: ["2.02", "3.11"], dialect: "3.11" });
  expect(found[1]).toMatchObject({ userName: "ann", domainName: "WG", sessionId: "77" });
  expect(found[2]).toMatchObject({
    share: "\\\\fs\\data",
    shareType: "disk",
    treeId: 5,
    userName: "ann",
  });
});

test("tells reads of a file once, when it closes, and that it goes with the close", () => {
  const readResponse = (id: number) =>
    smb2(read as number, id, fields(16, [[4, 4, 100]]), { isBack: true });
  const found = events([
    ...negotiation,
    createRequest(3, "a\\b.txt", 0x1000),
    createResponse(3, 1234),
    withFile(read as number, 4, 16, 49),
    withFile(read as number, 5, 16, 49),
    readResponse(5),
    readResponse(4),
    withFile(close as number, 6, 8, 24),
    smb2(close as number, 6, new Uint8Array(60), { isBack: true }),
  ]);
  expect(found.map((event) => event.command)).toEqual(["negotiate", "create", "read", "close"]);
  expect(found[1]).toMatchObject({ fileName: "a\\b.txt", fileBytes: 1234, disposition: 1 });
  expect(found[2]).toMatchObject({
    transfers: 2,
    transferBytes: 200,
    fileName: "a\\b.txt",
    fileId,
  });
  expect(found[3]).toMatchObject({ isDeleted: true, fileName: "a\\b.txt" });
});

test("follows a compound whose parts are about the file it opens", () => {
  const pad = (bytes: Uint8Array) => concat(bytes, new Uint8Array((8 - (bytes.length % 8)) % 8));
  const first = pad(createRequest(3, "ab"));
  new DataView(first.buffer).setUint32(20, first.length, true);
  const second = smb2(close as number, 4, new Uint8Array(24));
  second.fill(255, 64 + 8);
  second[16] = 4;
  const answer = pad(createResponse(3, 1));
  new DataView(answer.buffer).setUint32(20, answer.length, true);
  const found = events([
    concat(first, second),
    concat(answer, smb2(close as number, 4, new Uint8Array(60), { isBack: true })),
  ]);
  expect(found.map(({ command, fileName }) => `${command} ${fileName}`)).toEqual([
    "create ab",
    "close ab",
  ]);
});

test("tells renames, failures, and what was never answered", () => {
  const name = wide("new");
  const rename = concat(
    fields(32, [
      [2, 1, 1],
      [3, 1, 10],
      [8, 2, 64 + 32],
    ]),
    fields(20, [[16, 4, 6]]),
  );
  rename.set(hex(fileId), 16);
  const found = events([
    createRequest(3, "old"),
    createResponse(3, 1),
    smb2(setInfo as number, 4, concat(rename, name)),
    smb2(setInfo as number, 4, new Uint8Array(2), { isBack: true }),
    createRequest(5, "secret"),
    smb2(create as number, 5, new Uint8Array(9), { isBack: true, status: accessDenied }),
    createRequest(6, "lost"),
  ]);
  expect(found[1]).toMatchObject({ command: "set-info", fileName: "old", newName: "new" });
  expect(found[2]).toMatchObject({ fileName: "secret", statusCode: accessDenied });
  expect(found[3]).toMatchObject({ fileName: "lost", answered: false });
});

test("reads SMB1 and its chained commands, and ends a chain that turns back", () => {
  const smb1 = (command: number, flags: number, rest: string): Uint8Array => {
    const header = new Uint8Array(32);
    header.set(hex("ff534d42"));
    header.set([command, 0, 0, 0, 0, flags, 1, 0x40], 4);
    return concat(header, hex(rest));
  };
  const dialect = Buffer.from("\u0002NT LM 0.12\0").toString("hex");
  const path = Buffer.from("\\\\a\\b\0A:\0").toString("hex");
  const found = events([
    smb1(0x72, 0, `000c00${dialect}`),
    smb1(0x72, 0x80, `11${"00".repeat(34)}0000`),
    smb1(0x75, 0, `0475000100000000000900${path}`),
    smb1(0x75, 0x80, "03ff00000000000300413a00"),
  ]);
  expect(found.map((event) => event.command)).toEqual(["negotiate", "tree-connect"]);
  expect(found[1]).toMatchObject({ dialect: "NT LM 0.12", share: "\\\\a\\b", shareType: "disk" });
});

test("keeps no more open requests and files than its limits", () => {
  const many = Array.from({ length: 2000 }, (_, id) => createRequest(id + 10, `f${id}`));
  const found = events(many);
  expect(found).toHaveLength(2000);
  expect(found.every((event) => !event.answered)).toBe(true);
});

test("a message that lies about its header makes one anomaly", () => {
  const lie = smb2(create as number, 1, new Uint8Array(20));
  lie[4] = 1;
  const packets = [tcp(ends(445), 16, 1, 1, concat(frame(lie), frame(lie)))];
  const names = analyze(pcap(packets)).flatMap((event) =>
    event.kind === "anomaly" ? event.name : [],
  );
  expect(names).toEqual(["smb_malformed"]);
});
