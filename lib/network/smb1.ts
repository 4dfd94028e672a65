// SPDX-License-Identifier: Apache-2.0
// Messages of SMB 1 ([MS-CIFS] section 2.2.4, [MS-SMB] section 2.2.4): joins answers to requests
// by process and multiplex number. Called by the SMB parser with one message at a time.
import { latin1 } from "./bytes.ts";
import type { ParserContext } from "./parser-context.ts";
import { guidHex, readNtlm, u16Little, u32Little, u64Little, zeroText } from "./smb-fields.ts";
import { type SmbFields, type SmbRequest, SmbSession } from "./smb-session.ts";

const headerBytes = 32;
const chainMax = 8;
const dialectsMax = 64;
const isResponseFlag = 0x80;
const isNtStatusFlag = 0x4000;
const isWideFlag = 0x8000;
const noCommand = 0xff;
const capabilityExtended = 0x8000_0000;
const createOptionDelete = 0x1000;

const commands: ReadonlyMap<number, string> = new Map([
  [0x04, "close"],
  [0x06, "delete"],
  [0x07, "rename"],
  [0x2b, "echo"],
  [0x2e, "read"],
  [0x2f, "write"],
  [0x71, "tree-disconnect"],
  [0x72, "negotiate"],
  [0x73, "session-setup"],
  [0x74, "logoff"],
  [0x75, "tree-connect"],
  [0xa2, "create"],
]);
const chained: ReadonlySet<string> = new Set([
  "read",
  "write",
  "session-setup",
  "logoff",
  "tree-connect",
  "create",
]);
const services: Readonly<Record<string, SmbFields["shareType"]>> = {
  "A:": "disk",
  IPC: "pipe",
  "LPT1:": "print",
};

/** One command of a message: its words and its bytes, which may hold texts of either width. */
interface Part {
  readonly message: Uint8Array;
  readonly words: Uint8Array;
  readonly dataAt: number;
  readonly dataEnd: number;
  readonly isWide: boolean;
}

/** Reads messages of generation 1. */
export class Smb1Reader {
  readonly #session: SmbSession;
  #offered: readonly string[] = [];

  constructor(context: ParserContext) {
    this.#session = new SmbSession(context, 1);
  }

  end(): void {
    this.#session.end();
  }

  /** Takes a message: one command and those chained to it. False where it breaks its form. */
  message(message: Uint8Array): boolean {
    if (message.length < headerBytes + 3) return false;
    const isResponse = ((message[9] ?? 0) & isResponseFlag) !== 0;
    let number = message[4] ?? noCommand;
    let at = headerBytes;
    for (let count = 0; count < chainMax; count += 1) {
      const part = partAt(message, at);
      if (part === undefined) return false;
      const command = commands.get(number);
      if (command !== undefined) this.#one(command, isResponse, part);
      if (command === undefined || !chained.has(command) || part.words.length < 4) return true;
      number = part.words[0] ?? noCommand;
      const next = u16Little(part.words, 2);
      // A chain that does not go forward would not end.
      if (number === noCommand || next <= at) return true;
      at = next;
    }
    return true;
  }

  #one(command: string, isResponse: boolean, part: Part): void {
    const { message } = part;
    const key = `${u16Little(message, 26)}.${u16Little(message, 30)}.${command}`;
    const sessionId = String(u16Little(message, 28));
    const request: SmbRequest = {
      command,
      sessionId,
      treeId: u16Little(message, 24),
      fields: {},
      fileId: "",
      bytes: 0,
      isDelete: false,
    };
    if (isResponse) {
      const asked = this.#session.take(key);
      // Alone, an answer of this generation says next to nothing.
      if (asked !== undefined)
        this.#answered({ ...asked, sessionId, treeId: request.treeId }, part);
      return;
    }
    this.#readRequest(request, part);
    this.#session.ask(key, request);
  }

  #readRequest(request: SmbRequest, part: Part): void {
    const { words } = part;
    switch (request.command) {
      case "negotiate":
        this.#offered = dialectsOf(part);
        request.fields = { offeredDialects: this.#offered };
        break;
      case "session-setup":
        request.fields = setupRequest(part);
        break;
      case "tree-connect":
        request.fields = { share: textAt(part, part.dataAt + u16Little(words, 6)).text };
        break;
      case "create":
        request.isDelete = (u32Little(words, 39) & createOptionDelete) !== 0;
        request.fields = {
          fileName: textAt(part, part.dataAt).text,
          disposition: u32Little(words, 35),
        };
        break;
      case "close":
        request.fileId = fileNumber(words, 0);
        break;
      case "read":
      case "write":
        request.fileId = fileNumber(words, 4);
        break;
      case "delete":
        request.fields = { fileName: textAt(part, part.dataAt + 1).text };
        break;
      case "rename": {
        const old = textAt(part, part.dataAt + 1);
        request.fields = { fileName: old.text, newName: textAt(part, old.next + 1).text };
        break;
      }
    }
  }

  #answered(request: SmbRequest, part: Part): void {
    const { message, words } = part;
    const session = this.#session;
    const isNtStatus = (u16Little(message, 10) & isNtStatusFlag) !== 0;
    const status = u32Little(message, 5);
    const isGood = status === 0;
    const { command, sessionId, treeId } = request;
    if (isGood && (command === "read" || command === "write")) {
      const moved =
        command === "read"
          ? u16Little(words, 10) + 65_536 * u16Little(words, 14)
          : u16Little(words, 4);
      session.move(request, command === "read", moved);
      return;
    }
    let more: SmbFields = {};
    if (command === "negotiate" && isGood) {
      session.dialect = this.#offered[u16Little(words, 0)] ?? "";
      const isExtended = (u32Little(words, 19) & capabilityExtended) !== 0;
      if (isExtended)
        more = { serverGuid: guidHex(message.subarray(0, part.dataEnd), part.dataAt) };
    } else if (command === "session-setup") {
      more = setupResponse(part);
      const { userName = "", domainName = "", clientName = "" } = request.fields;
      if (isGood && userName !== "") {
        session.setUser(sessionId, { userName, domainName, clientName });
      }
    } else if (command === "tree-connect" && isGood) {
      const service = latin1(message, part.dataAt, Math.min(part.dataEnd, part.dataAt + 8));
      const shareType = services[service.split("\0")[0] ?? ""] ?? "";
      session.setShare(sessionId, treeId, { share: request.fields.share ?? "", shareType });
      more = { shareType };
    } else if (command === "create" && isGood) {
      const fileBytes = u64Little(words, 55);
      request.fileId = fileNumber(words, 5);
      session.open(request.fileId, request, fileBytes);
      more = { fileBytes };
    } else if (command === "close" && isGood) {
      more = { fileName: session.nameOf(request.fileId), isDeleted: session.close(request.fileId) };
    }
    session.tell(request, status, { ...more, isNtStatus });
  }
}

function partAt(message: Uint8Array, at: number): Part | undefined {
  const wordsEnd = at + 1 + 2 * (message[at] ?? 0);
  if (wordsEnd + 2 > message.length) return undefined;
  const dataAt = wordsEnd + 2;
  const dataEnd = Math.min(message.length, dataAt + u16Little(message, wordsEnd));
  const isWide = (u16Little(message, 10) & isWideFlag) !== 0;
  return { message, words: message.subarray(at + 1, wordsEnd), dataAt, dataEnd, isWide };
}

// Wide texts begin at an even place of the message.
function textAt(part: Part, at: number): { readonly text: string; readonly next: number } {
  const start = part.isWide ? at + (at & 1) : at;
  return zeroText(part.message.subarray(0, part.dataEnd), start, part.isWide);
}

function dialectsOf(part: Part): string[] {
  const dialects: string[] = [];
  let at = part.dataAt;
  while (at < part.dataEnd && part.message[at] === 2 && dialects.length < dialectsMax) {
    const { text, next } = zeroText(part.message.subarray(0, part.dataEnd), at + 1, false);
    dialects.push(text);
    at = next;
  }
  return dialects;
}

function setupRequest(part: Part): SmbFields {
  const { words, message, dataAt } = part;
  const isExtended = words.length === 24;
  const secretBytes = u16Little(words, 14) + (isExtended ? 0 : u16Little(words, 16));
  let at = dataAt + secretBytes;
  let user: SmbFields = {};
  if (isExtended) {
    user = readNtlm(message.subarray(dataAt, at)) ?? {};
  } else {
    const name = textAt(part, at);
    const domain = textAt(part, name.next);
    user = { userName: name.text, domainName: domain.text };
    at = domain.next;
  }
  const system = textAt(part, at);
  const software = textAt(part, system.next).text;
  return { ...user, clientSystem: system.text, clientSoftware: software };
}

function setupResponse(part: Part): SmbFields {
  const secretBytes = part.words.length === 8 ? u16Little(part.words, 6) : 0;
  const system = textAt(part, part.dataAt + secretBytes);
  const software = textAt(part, system.next).text;
  return { serverSystem: system.text, serverSoftware: software };
}

function fileNumber(words: Uint8Array, at: number): string {
  return u16Little(words, at).toString(16).padStart(4, "0");
}
