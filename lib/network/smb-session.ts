// SPDX-License-Identifier: Apache-2.0
// What one SMB connection has open: requests that wait, sessions, shares and files. Called by the
// readers of both generations, which share it. All tables are bounded; the oldest makes room.
import type { SmbEvent } from "../model/model.ts";
import type { ParserContext } from "./parser-context.ts";
import type { NtlmUser } from "./smb-fields.ts";
import { SmbTable } from "./smb-table.ts";

/** Fields of an event that a reader knows. */
export type SmbFields = Partial<Omit<SmbEvent, "kind" | "generation" | "dialect">>;

/** A request that waits for its answer. */
export interface SmbRequest {
  readonly command: string;
  readonly sessionId: string;
  readonly treeId: number;
  fields: SmbFields;
  /** The open file it is about, and bytes that it reads or writes. */
  fileId: string;
  bytes: number;
  /** SetInfo or create: the file goes when it is closed. */
  isDelete: boolean;
}

interface Share {
  readonly share: string;
  readonly shareType: SmbEvent["shareType"];
}

interface OpenFile extends Share {
  readonly sessionId: string;
  readonly treeId: number;
  readonly fileName: string;
  readonly fileBytes: number;
  isDelete: boolean;
  readonly moved: { reads: number; readBytes: number; writes: number; writeBytes: number };
}

const requestsMax = 256;
const filesMax = 512;
const sharesMax = 64;
const usersMax = 64;
const nobody: NtlmUser = { userName: "", domainName: "", clientName: "" };
const noShare: Share = { share: "", shareType: "" };

/** State of one connection. */
export class SmbSession {
  dialect = "";
  readonly #context: ParserContext;
  readonly #generation: 1 | 2;
  readonly #requests: SmbTable<SmbRequest>;
  readonly #users: SmbTable<NtlmUser>;
  readonly #shares: SmbTable<Share>;
  readonly #files: SmbTable<OpenFile>;

  constructor(context: ParserContext, generation: 1 | 2) {
    this.#context = context;
    this.#generation = generation;
    this.#requests = new SmbTable(context, requestsMax);
    this.#users = new SmbTable(context, usersMax);
    this.#shares = new SmbTable(context, sharesMax);
    this.#files = new SmbTable(context, filesMax);
  }

  /** Keeps a request until its answer comes. */
  ask(key: string, request: SmbRequest): void {
    const oldest = this.#requests.put(key, request, charactersOf(request.fields));
    if (oldest !== undefined) this.tell(oldest, undefined);
  }

  take(key: string): SmbRequest | undefined {
    return this.#requests.take(key);
  }

  setUser(sessionId: string, user: NtlmUser): void {
    this.#users.put(sessionId, user, charactersOf(user));
  }

  setShare(sessionId: string, treeId: number, share: Share): void {
    this.#shares.put(`${sessionId}.${treeId}`, share, share.share.length);
  }

  shareOf(sessionId: string, treeId: number): Share {
    return this.#shares.get(`${sessionId}.${treeId}`) ?? noShare;
  }

  /** A create succeeded. */
  open(fileId: string, request: SmbRequest, fileBytes: number): void {
    const { sessionId, treeId, isDelete } = request;
    this.#keepFile(fileId, this.#file(sessionId, treeId, request, fileBytes, isDelete));
  }

  /** The file that a create opens is known: requests behind it in a compound are about it. */
  resolve(openedBy: string, fileId: string): void {
    for (const request of this.#requests.values()) {
      if (request.fileId === openedBy) request.fileId = fileId;
    }
  }

  /** Name of an open file; empty for one opened before we looked. */
  nameOf(fileId: string): string {
    return this.#files.get(fileId)?.fileName ?? "";
  }

  /** The file goes when it is closed. */
  markDeleted(fileId: string): void {
    const file = this.#files.get(fileId);
    if (file !== undefined) file.isDelete = true;
  }

  /** A read or write succeeded. */
  move(request: SmbRequest, isRead: boolean, bytes: number): void {
    const { fileId, sessionId, treeId } = request;
    let file = this.#files.get(fileId);
    if (file === undefined) {
      file = this.#file(sessionId, treeId, request, 0, false);
      this.#keepFile(fileId, file);
    }
    const { moved } = file;
    if (isRead) {
      moved.reads += 1;
      moved.readBytes += bytes;
    } else {
      moved.writes += 1;
      moved.writeBytes += bytes;
    }
  }

  /** Tells what was read and written, and forgets the file; true if it goes with the close. */
  close(fileId: string): boolean {
    const file = this.#files.take(fileId);
    if (file === undefined) return false;
    this.#tellMoved(fileId, file);
    return file.isDelete;
  }

  /** The connection ended: tells what is still open. */
  end(): void {
    for (const [, request] of this.#requests.takeAll()) this.tell(request, undefined);
    for (const [fileId, file] of this.#files.takeAll()) this.#tellMoved(fileId, file);
  }

  /** One event; without a status the request was not answered. */
  tell(request: SmbRequest, status: number | undefined, more: SmbFields = {}): void {
    const { sessionId, treeId, command } = request;
    const isNamed = request.fileId !== "";
    const fileName = isNamed ? this.nameOf(request.fileId) : "";
    this.#emit(sessionId, treeId, {
      command,
      answered: status !== undefined,
      statusCode: status ?? 0,
      fileId: request.fileId,
      ...(fileName === "" ? {} : { fileName }),
      ...request.fields,
      ...more,
    });
  }

  #tellMoved(fileId: string, file: OpenFile): void {
    const { share, shareType, fileName, fileBytes, moved } = file;
    const common = { answered: true, fileId, share, shareType, fileName, fileBytes };
    const tell = (command: string, transfers: number, transferBytes: number): void => {
      if (transfers === 0) return;
      const fields = { ...common, command, transfers, transferBytes };
      this.#emit(file.sessionId, file.treeId, fields);
    };
    tell("read", moved.reads, moved.readBytes);
    tell("write", moved.writes, moved.writeBytes);
  }

  // The oldest file that had to go may still be in use: what it moved is told.
  #keepFile(fileId: string, file: OpenFile): void {
    const oldest = this.#files.put(fileId, file, file.fileName.length + file.share.length);
    if (oldest !== undefined) this.#tellMoved("", oldest);
  }

  #file(
    sessionId: string,
    treeId: number,
    request: SmbRequest,
    fileBytes: number,
    isDelete: boolean,
  ): OpenFile {
    const { share, shareType } = this.shareOf(sessionId, treeId);
    const fileName = request.fields.fileName ?? "";
    const moved = { reads: 0, readBytes: 0, writes: 0, writeBytes: 0 };
    return { sessionId, treeId, share, shareType, fileName, fileBytes, isDelete, moved };
  }

  #emit(sessionId: string, treeId: number, fields: SmbFields): void {
    this.#context.emit({
      ...this.#context.base(),
      ...emptyFields,
      ...(this.#users.get(sessionId) ?? nobody),
      ...this.shareOf(sessionId, treeId),
      sessionId,
      treeId,
      ...fields,
      kind: "smb",
      generation: this.#generation,
      dialect: this.dialect,
    });
  }
}

const emptyFields = {
  offeredDialects: [],
  command: "",
  answered: false,
  statusCode: 0,
  isNtStatus: true,
  clientSystem: "",
  clientSoftware: "",
  serverSystem: "",
  serverSoftware: "",
  serverGuid: "",
  fileId: "",
  fileName: "",
  newName: "",
  disposition: -1,
  isDeleted: false,
  fileBytes: 0,
  transfers: 0,
  transferBytes: 0,
};

/** Length of all texts among fields. */
function charactersOf(fields: SmbFields): number {
  let sum = 0;
  for (const value of Object.values(fields)) {
    if (typeof value === "string") sum += value.length;
    else if (Array.isArray(value)) sum += value.join().length;
  }
  return sum;
}
