// SPDX-License-Identifier: Apache-2.0
// Keys of QUIC's Initial packets, which everybody can make who saw the connection begin (RFC 9001
// section 5.2, RFC 9369 section 3.3 for version 2). Called by the QUIC parser.
import type { NetworkDigests } from "./parser-context.ts";

/** What one direction's Initial packets are protected with. */
export interface InitialKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  /** For the header. */
  readonly mask: Uint8Array;
}

/** How a version of QUIC differs in its Initial packets. */
export interface QuicVersion {
  readonly salt: Uint8Array;
  readonly prefix: string;
  /** Type bits of an Initial packet and of a Retry. */
  readonly initial: number;
  readonly retry: number;
}

const salt1 = saltOf("38762cf7f55934b34d179ae6a4c80cadccbb7f0a");
const salt2 = saltOf("0dede3def700a6db819381be6e269dcbf9bd2ed9");
const saltDraft23 = saltOf("c3eef712c72ebb5a11a7d2432bb46365bef9f502");
const saltDraft29 = saltOf("afbfec289993d24c9e9786f19c6111e04390a899");
const draft = 0xff000000;

/** What is known of a version, or undefined. */
export function quicVersion(version: number): QuicVersion | undefined {
  if (version === 1) return { salt: salt1, prefix: "quic", initial: 0, retry: 3 };
  if (version === 0x6b3343cf) return { salt: salt2, prefix: "quicv2", initial: 1, retry: 0 };
  const number = version - draft;
  if (number < 23 || number > 34) return undefined;
  const salt = number < 29 ? saltDraft23 : number < 33 ? saltDraft29 : salt1;
  return { salt, prefix: "quic", initial: 0, retry: 3 };
}

/** Keys of one direction; connectionId: the destination of the client's first Initial. */
export function initialKeys(
  version: QuicVersion,
  connectionId: Uint8Array,
  isFromClient: boolean,
  digests: NetworkDigests,
): InitialKeys {
  const initial = digests.hmacSha256(version.salt, connectionId);
  const secret = expand(digests, initial, isFromClient ? "client in" : "server in", 32);
  return {
    key: expand(digests, secret, `${version.prefix} key`, 16),
    iv: expand(digests, secret, `${version.prefix} iv`, 12),
    mask: expand(digests, secret, `${version.prefix} hp`, 16),
  };
}

// HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1) without a context; one block is enough.
function expand(
  digests: NetworkDigests,
  secret: Uint8Array,
  label: string,
  bytes: number,
): Uint8Array {
  const name = `tls13 ${label}`;
  const info = new Uint8Array(5 + name.length);
  info[1] = bytes;
  info[2] = name.length;
  for (let at = 0; at < name.length; at += 1) info[3 + at] = name.charCodeAt(at);
  info[info.length - 1] = 1;
  return digests.hmacSha256(secret, info).subarray(0, bytes);
}

function saltOf(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
