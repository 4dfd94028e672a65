// SPDX-License-Identifier: Apache-2.0
// Finds out by content which parser reads a flow. Called by the analyzer with the first payloads
// of each flow; ports play no part.
import { u16 } from "./bytes.ts";
import { DhcpParser, looksLikeDhcp } from "./dhcp-parser.ts";
import { looksLikeDns } from "./dns-message.ts";
import { DnsParser } from "./dns-parser.ts";
import type { FlowParser } from "./flow.ts";
import { HttpParser, looksLikeHttp } from "./http-parser.ts";
import type { ParserContext } from "./parser-context.ts";
import { looksLikeQuic } from "./quic-packet.ts";
import { QuicParser } from "./quic-parser.ts";
import { looksLikeSmb, SmbParser } from "./smb-parser.ts";
import { looksLikeSsh, SshParser } from "./ssh-parser.ts";
import { looksLikeTls, TlsParser } from "./tls-parser.ts";

/** The parser for a TCP stream that begins so, or undefined. */
export function detectStream(
  context: ParserContext,
  bytes: Uint8Array,
  start: number,
  end: number,
): FlowParser | undefined {
  if (looksLikeTls(bytes, start, end)) return new TlsParser(context);
  if (looksLikeSmb(bytes, start, end)) return new SmbParser(context);
  if (looksLikeSsh(bytes, start, end)) return new SshParser(context);
  if (looksLikeHttp(bytes, start, end)) return new HttpParser(context);
  const length = end - start > 2 ? u16(bytes, start) : 0;
  if (
    length >= 17 &&
    length <= end - start - 2 &&
    looksLikeDns(bytes, start + 2, start + 2 + length)
  ) {
    return new DnsParser(context, true);
  }
  return undefined;
}

/** The parser for datagrams like this one, or undefined. */
export function detectDatagram(
  context: ParserContext,
  bytes: Uint8Array,
  start: number,
  end: number,
): FlowParser | undefined {
  if (looksLikeDhcp(bytes, start, end)) return new DhcpParser(context);
  if (looksLikeDns(bytes, start, end)) return new DnsParser(context, false);
  if (looksLikeQuic(bytes, start, end)) return new QuicParser(context);
  return undefined;
}
