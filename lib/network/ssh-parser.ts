// SPDX-License-Identifier: Apache-2.0
// SSH of one connection: both banners and key exchange lists, with HASSH. Made by protocol
// detection. Reads the plain start only, at most 64 KiB a side.
import { ByteStore, hexOf, latin1, u32 } from "./bytes.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";

const sideBytesMax = 65_536;
const listsCount = 10;
const keyExchangeInit = 20;

class SshSide {
  readonly store: ByteStore;
  version = "";
  lists: string[] = [];

  constructor(context: ParserContext) {
    this.store = new ByteStore(sideBytesMax, context);
  }
}

/** Whether bytes begin like an SSH banner. */
export function looksLikeSsh(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 4 && u32(bytes, start) === 0x5353482d;
}

/** Reads the start of SSH. */
export class SshParser implements FlowParser {
  readonly service = "ssh";
  isDone = false;
  readonly #context: ParserContext;
  readonly #client: SshSide;
  readonly #server: SshSide;
  #hasTold = false;

  constructor(context: ParserContext) {
    this.#context = context;
    this.#client = new SshSide(context);
    this.#server = new SshSide(context);
  }

  /** Both sides have said what they speak. */
  get isConfirmed(): boolean {
    return this.#client.version !== "" && this.#server.version !== "";
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    const side = isFromSource ? this.#client : this.#server;
    if (side.lists.length > 0) return;
    if (!side.store.append(bytes, start, end)) {
      this.#stop("ssh_too_long");
      return;
    }
    if (side.version === "" && !this.#readVersion(side)) return;
    this.#readLists(side);
    if (this.#client.lists.length === 0 || this.#server.lists.length === 0) return;
    this.#tell();
    this.isDone = true;
  }

  gap(): void {
    this.#stop("ssh_gap");
  }

  end(): void {
    this.#tell();
  }

  #stop(name: string): void {
    this.#context.anomaly(name);
    this.#tell();
    this.isDone = true;
  }

  #readVersion(side: SshSide): boolean {
    const newline = side.store.bytes.subarray(0, side.store.length).indexOf(10);
    if (newline < 0) {
      if (side.store.length > 255) this.#stop("ssh_banner_too_long");
      return false;
    }
    side.version = latin1(side.store.bytes, 0, newline).replace(/\r$/, "");
    side.store.consume(newline + 1);
    return true;
  }

  #readLists(side: SshSide): void {
    const { bytes, length } = side.store;
    if (length < 6) return;
    const end = 4 + u32(bytes, 0);
    if (end > sideBytesMax || bytes[5] !== keyExchangeInit) {
      this.#stop("ssh_malformed");
      return;
    }
    if (length < end) return;
    const lists: string[] = [];
    let at = 22;
    for (let index = 0; index < listsCount; index += 1) {
      const stop = at + 4 + u32(bytes, at);
      if (stop > end) {
        this.#stop("ssh_malformed");
        return;
      }
      lists.push(latin1(bytes, at + 4, stop));
      at = stop;
    }
    side.lists = lists;
    side.store.consume(length);
  }

  #tell(): void {
    const client = this.#client;
    const server = this.#server;
    if (this.#hasTold || (client.version === "" && server.version === "")) return;
    this.#hasTold = true;
    const agreed = (index: number): string => agree(client.lists[index], server.lists[index]);
    this.#context.emit({
      ...this.#context.base(),
      kind: "ssh",
      clientVersion: client.version,
      serverVersion: server.version,
      hassh: this.#hash(client.lists, [0, 2, 4, 6]),
      hasshServer: this.#hash(server.lists, [0, 3, 5, 7]),
      keyExchange: agreed(0),
      serverKey: agreed(1),
      cipher: agreed(2),
      mac: agreed(4),
      compression: agreed(6),
    });
  }

  #hash(lists: readonly string[], chosen: readonly number[]): string {
    if (lists.length === 0) return "";
    const text = chosen.map((index) => lists[index] ?? "").join(";");
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    return hexOf(this.#context.digests.md5(bytes));
  }
}

/** The first of the client's algorithms that the server has too. */
function agree(client = "", server = ""): string {
  const offered = new Set(server.split(","));
  return client.split(",").find((name) => offered.has(name)) ?? "";
}
