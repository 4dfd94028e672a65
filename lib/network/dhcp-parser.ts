// SPDX-License-Identifier: Apache-2.0
// DHCP of one flow: one event a message. Made by protocol detection, which knows it by its magic
// number. Options are read from the options field only.
import { ipv4Text, latin1, macText, u32 } from "./bytes.ts";
import type { FlowParser } from "./flow.ts";
import type { ParserContext } from "./parser-context.ts";

const magic = 0x63825363;
const optionsAt = 240;
const nameAt = 44;
const fileAt = 108;
const noBytes = new Uint8Array(0);

/** Whether bytes are a DHCP message. */
export function looksLikeDhcp(bytes: Uint8Array, start: number, end: number): boolean {
  const operation = bytes[start];
  if (end - start < optionsAt || (operation !== 1 && operation !== 2)) return false;
  return u32(bytes, start + 236) === magic;
}

/** Reads DHCP messages. */
export class DhcpParser implements FlowParser {
  readonly service = "dhcp";
  readonly isConfirmed = true;
  readonly isDone = false;
  readonly #context: ParserContext;

  constructor(context: ParserContext) {
    this.#context = context;
  }

  data(_isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (!looksLikeDhcp(bytes, start, end)) {
      this.#context.anomaly("dhcp_malformed");
      return;
    }
    const options = this.#allOptions(bytes, start, end);
    const text = (code: number): string => {
      const value = options.get(code);
      return value === undefined ? "" : latin1(value, 0, value.length).replace(/\0+$/, "");
    };
    const address = (code: number): string => {
      const value = options.get(code);
      return value !== undefined && value.length >= 4 ? ipv4Text(value, 0) : "";
    };
    const addresses = (code: number): string[] => {
      const value = options.get(code) ?? noBytes;
      const count = value.length >> 2;
      return Array.from({ length: count }, (_, index) => ipv4Text(value, 4 * index));
    };
    const lease = options.get(51);
    const domainName = options.get(81);
    this.#context.emit({
      ...this.#context.base(),
      kind: "dhcp",
      transactionId: u32(bytes, start + 4),
      messageType: options.get(53)?.[0] ?? 0,
      fromClient: bytes[start] === 1,
      clientMac: macText(bytes, start + 28),
      clientAddress: notZero(ipv4Text(bytes, start + 12)),
      assignedAddress: notZero(ipv4Text(bytes, start + 16)),
      serverAddress: address(54),
      requestedAddress: address(50),
      clientName: text(12),
      clientDomainName: domainName === undefined ? "" : latin1(domainName, 3, domainName.length),
      domain: text(15),
      leaseSeconds: lease !== undefined && lease.length >= 4 ? u32(lease, 0) : 0,
      routers: addresses(3),
      nameServers: addresses(6),
      vendorClass: text(60),
      parameters: [...(options.get(55) ?? noBytes)],
    });
  }

  gap(): void {}

  end(): void {}

  // Option 52 says that the fields for a file and a server's name hold options (RFC 2132, 9.3).
  #allOptions(bytes: Uint8Array, start: number, end: number): Map<number, Uint8Array> {
    const options = new Map<number, Uint8Array>();
    this.#options(options, bytes, start + optionsAt, end);
    const overload = options.get(52)?.[0] ?? 0;
    if (overload & 1) this.#options(options, bytes, start + fileAt, start + fileAt + 128);
    if (overload & 2) this.#options(options, bytes, start + nameAt, start + nameAt + 64);
    return options;
  }

  #options(options: Map<number, Uint8Array>, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const code = bytes[at] as number;
      if (code === 255) break;
      if (code === 0) {
        at += 1;
        continue;
      }
      const stop = at + 2 + (bytes[at + 1] as number);
      if (at + 1 >= end || stop > end) {
        this.#context.anomaly("dhcp_malformed");
        break;
      }
      if (!options.has(code)) options.set(code, bytes.subarray(at + 2, stop));
      at = stop;
    }
  }
}

function notZero(address: string): string {
  return address === "0.0.0.0" ? "" : address;
}
