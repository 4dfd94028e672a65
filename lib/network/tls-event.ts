// SPDX-License-Identifier: Apache-2.0
// The part of a TLS event that the two hello messages tell, whatever carried them. Called by the
// TLS and QUIC parsers.
import type { NetworkEventBase, TlsEvent } from "../model/model.ts";
import { type Hello, ja3Of, ja3sOf, ja4Of } from "./client-hello.ts";
import type { NetworkDigests } from "./parser-context.ts";

type HelloPart = Omit<
  TlsEvent,
  keyof NetworkEventBase | "certificates" | "clientCertificates" | "alertLevel" | "alert"
>;

/** keyGroup: group of a key exchange message, for versions before 1.3. */
export function helloPart(
  client: Hello | undefined,
  server: Hello | undefined,
  carrier: "t" | "q",
  keyGroup: number,
  established: boolean,
  digests: NetworkDigests,
): HelloPart {
  const isTls13 = (server?.versions.length ?? 0) > 0;
  return {
    kind: "tls",
    version: server?.versions[0] ?? server?.legacyVersion ?? client?.legacyVersion ?? 0,
    cipher: server?.ciphers[0] ?? 0,
    group: (isTls13 ? server?.groups[0] : keyGroup) ?? 0,
    serverName: client?.serverName ?? "",
    applicationProtocol: server?.protocols[0] ?? "",
    offeredProtocols: client?.protocols ?? [],
    established,
    ja3: client === undefined ? "" : ja3Of(client, digests),
    ja3s: server === undefined ? "" : ja3sOf(server, digests),
    ja4: client === undefined ? "" : ja4Of(client, carrier, digests),
    quic: carrier === "q",
  };
}
