// SPDX-License-Identifier: Apache-2.0
// Messages of SMB 2 and 3 ([MS-SMB2] section 2.2): joins answers to requests by message number.
// Called by the SMB parser with one message at a time. Encrypted messages are not looked into.
import type { ParserContext } from "./parser-context.ts";
import {
  guidHex,
  readNtlm,
  u16Little,
  u32Little,
  u64Little,
  u64Text,
  wideText,
} from "./smb-fields.ts";
import { type SmbFields, type SmbRequest, SmbSession } from "./smb-session.ts";

const headerBytes = 64;
const compoundMax = 64;
const statusPending = 0x103;
const statusEndOfFile = 0xc0000011;
const severityError = 3;
const isResponseFlag = 1;
const isRelatedFlag = 4;
const createOptionDelete = 0x1000;
const infoTypeFile = 1;
const infoRename = 10;
const infoDisposition = 13;
const infoDispositionExtended = 64;
const sameFile = "f".repeat(32);

const commands: readonly string[] = [
  "negotiate",
  "session-setup",
  "logoff",
  "tree-connect",
  "tree-disconnect",
  "create",
  "close",
  "flush",
  "read",
  "write",
  "lock",
  "ioctl",
  "cancel",
  "echo",
  "query-directory",
  "change-notify",
  "query-info",
  "set-info",
  "oplock-break",
];
// Asked all the time and telling little; set-info is told where it renames or deletes.
const untold: ReadonlySet<string> = new Set(["cancel", "query-info", "oplock-break"]);
const dialects: ReadonlyMap<number, string> = new Map([
  [0x0202, "2.02"],
  [0x0210, "2.10"],
  [0x02ff, "2.FF"],
  [0x0300, "3.00"],
  [0x0302, "3.02"],
  [0x0311, "3.11"],
]);
const shareTypes = ["", "disk", "pipe", "print"] as const;

/** Offset of the file number in each request that has one. */
const fileOffsets: Readonly<Record<string, number>> = {
  close: 8,
  flush: 8,
  read: 16,
  write: 16,
  lock: 8,
  ioctl: 8,
  "query-directory": 8,
  "query-info": 24,
  "set-info": 16,
};

/** Reads messages of generation 2. */
export class Smb2Reader {
  readonly #session: SmbSession;
  // A related request of a compound goes on with these.
  #lastSessionId = "0";
  #lastTreeId = 0;
  #lastFileId = "";

  constructor(context: ParserContext) {
    this.#session = new SmbSession(context, 2);
  }

  end(): void {
    this.#session.end();
  }

  /** Takes a message: one or several commands. False where it breaks its form. */
  message(bytes: Uint8Array): boolean {
    let rest = bytes;
    for (let count = 0; count < compoundMax; count += 1) {
      if (rest.length < headerBytes || u16Little(rest, 4) !== headerBytes) return false;
      const next = u32Little(rest, 20);
      const isLast = next < headerBytes || next >= rest.length;
      this.#one(isLast ? rest : rest.subarray(0, next));
      if (isLast) return true;
      rest = rest.subarray(next);
    }
    return false;
  }

  #one(bytes: Uint8Array): void {
    const flags = u32Little(bytes, 16);
    const number = u16Little(bytes, 12);
    const command = commands[number] ?? `command-${number}`;
    const key = u64Text(bytes, 24);
    if (flags & isResponseFlag) this.#response(command, key, bytes);
    else this.#request(command, key, bytes, (flags & isRelatedFlag) !== 0);
  }

  #request(command: string, key: string, bytes: Uint8Array, isRelated: boolean): void {
    const body = bytes.subarray(headerBytes);
    const sessionId = isRelated ? this.#lastSessionId : u64Text(bytes, 40);
    const treeId = isRelated ? this.#lastTreeId : u32Little(bytes, 36);
    const at = fileOffsets[command];
    let fileId = at === undefined ? "" : guidHex(body, at);
    if (isRelated && fileId === sameFile) fileId = this.#lastFileId;
    const request: SmbRequest = {
      command,
      sessionId,
      treeId,
      fields: {},
      fileId,
      bytes: 0,
      isDelete: false,
    };
    this.#readRequest(request, bytes, body);
    this.#lastSessionId = sessionId;
    this.#lastTreeId = treeId;
    // The file that a create of the same compound opens is not known before its answer.
    this.#lastFileId = command === "create" ? openedBy(key) : fileId;
    if (command !== "cancel") this.#session.ask(key, request);
  }

  #readRequest(request: SmbRequest, bytes: Uint8Array, body: Uint8Array): void {
    const { command } = request;
    const text = (at: number): string =>
      wideText(bytes, u16Little(body, at), u16Little(body, at + 2));
    if (command === "negotiate") {
      const count = Math.min(u16Little(body, 2), 64, Math.max(0, (body.length - 36) >> 1));
      const offered = Array.from({ length: count }, (_, index) =>
        dialectName(u16Little(body, 36 + 2 * index)),
      );
      request.fields = { offeredDialects: offered };
    } else if (command === "session-setup") {
      const at = u16Little(body, 12);
      const user = readNtlm(bytes.subarray(at, at + u16Little(body, 14)));
      if (user !== undefined) request.fields = user;
    } else if (command === "tree-connect") {
      request.fields = { share: text(4) };
    } else if (command === "create") {
      request.isDelete = (u32Little(body, 40) & createOptionDelete) !== 0;
      request.fields = { fileName: text(44), disposition: u32Little(body, 36) };
    } else if (command === "read" || command === "write") {
      request.bytes = u32Little(body, 4);
    } else if (command === "set-info") {
      readSetInfo(request, bytes, body);
    }
  }

  #response(command: string, key: string, bytes: Uint8Array): void {
    const status = u32Little(bytes, 8);
    if (status === statusPending) return;
    const sessionId = u64Text(bytes, 40);
    const asked = this.#session.take(key);
    const treeId = asked?.treeId ?? u32Little(bytes, 36);
    // An answer to what was asked before we looked.
    if (asked?.command !== command && (command === "read" || command === "write")) return;
    const request: SmbRequest =
      asked?.command === command
        ? { ...asked, sessionId: asked.sessionId === "0" ? sessionId : asked.sessionId }
        : { command, sessionId, treeId, fields: {}, fileId: "", bytes: 0, isDelete: false };
    const body = bytes.subarray(headerBytes);
    this.#answered(request, key, status, bytes, body);
  }

  #answered(
    request: SmbRequest,
    key: string,
    status: number,
    bytes: Uint8Array,
    body: Uint8Array,
  ): void {
    const session = this.#session;
    const { command, sessionId } = request;
    const isGood = status === 0;
    if (command === "read" || command === "write") {
      // A part of a pipe's message comes with a warning; the end of a file is no failure.
      if (status >>> 30 !== severityError) {
        session.move(request, command === "read", u32Little(body, 4));
      } else if (status !== statusEndOfFile) {
        session.tell(request, status);
      }
      return;
    }
    let more: SmbFields = {};
    if (command === "negotiate" && isGood) {
      session.dialect = dialectName(u16Little(body, 4));
      more = { serverGuid: guidHex(body, 8) };
    } else if (command === "session-setup" && isGood) {
      const { userName = "", domainName = "", clientName = "" } = request.fields;
      if (userName !== "") session.setUser(sessionId, { userName, domainName, clientName });
    } else if (command === "tree-connect" && isGood) {
      const treeId = u32Little(bytes, 36);
      const shareType = shareTypes[body[2] ?? 0] ?? "";
      session.setShare(sessionId, treeId, { share: request.fields.share ?? "", shareType });
      more = { treeId, shareType };
    } else if (command === "create" && isGood) {
      const fileBytes = u64Little(body, 48);
      request.fileId = guidHex(body, 64);
      session.open(request.fileId, request, fileBytes);
      session.resolve(openedBy(key), request.fileId);
      more = { fileBytes };
    } else if (command === "set-info") {
      if (request.fields.newName === undefined && !request.isDelete) return;
      if (isGood && request.isDelete) session.markDeleted(request.fileId);
    }
    if (untold.has(command)) return;
    if (command === "close" && isGood) {
      more = { fileName: session.nameOf(request.fileId), isDeleted: session.close(request.fileId) };
    }
    session.tell(request, status, more);
  }
}

function readSetInfo(request: SmbRequest, bytes: Uint8Array, body: Uint8Array): void {
  if (body[2] !== infoTypeFile) return;
  const data = bytes.subarray(u16Little(body, 8));
  if (body[3] === infoRename) {
    request.fields = { newName: wideText(data, 20, u32Little(data, 16)) };
  } else if (body[3] === infoDisposition || body[3] === infoDispositionExtended) {
    request.isDelete = ((data[0] ?? 0) & 1) !== 0;
  }
}

function openedBy(key: string): string {
  return `opened by ${key}`;
}

function dialectName(number: number): string {
  return dialects.get(number) ?? number.toString(16);
}
