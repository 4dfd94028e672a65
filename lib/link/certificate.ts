// SPDX-License-Identifier: Apache-2.0
// X.509 as the link needs it: one small certificate authority of ECDSA P-256, certificates of
// managers and servers, signing requests. Keys are PEM texts (PKCS #8); nothing is kept here.
import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { UndercroftError } from "../errors/errors.ts";

// The library asks for a provider once for all its calls.
x509.cryptoProvider.set(globalThis.crypto);

/** The name that managers' certificates carry and servers ask for, whatever the address is. */
export const MANAGER_NAME = "manager.undercroft.internal";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 3600 * 1000;
/** Clocks of two machines may differ by this much before a new certificate is refused. */
const EARLY_MS = DAY_MS;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** A private key and its certificate, both PEM. */
export interface KeyedCertificate {
  readonly key: string;
  readonly certificate: string;
}

export interface CertificateFacts {
  /** Hex, lower case. */
  readonly serial: string;
  readonly commonName: string;
  readonly endsMs: number;
}

/** Makes a certificate authority of its own. */
export async function makeAuthority(name: string, nowMs: number): Promise<KeyedCertificate> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerial(),
    name: `CN=${name}`,
    notBefore: new Date(nowMs - EARLY_MS),
    notAfter: new Date(nowMs + 3650 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await pemOfKey(keys.privateKey), certificate: certificate.toString("pem") };
}

/** Makes a key and a signing request for it: what a server sends at enrolment. */
export async function makeRequest(): Promise<{ readonly key: string; readonly request: string }> {
  const keys = await makeKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=server",
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { key: await pemOfKey(keys.privateKey), request: request.toString("pem") };
}

/**
 * Signs a server's request. Only its key counts: the name is ours to give.
 * @throws {UndercroftError} ERR_UC_LINK where it is no request, or not signed with its own key
 */
export async function signRequest(
  authority: KeyedCertificate,
  request: string,
  subject: { readonly commonName: string; readonly days: number; readonly nowMs: number },
): Promise<string> {
  let parsed: x509.Pkcs10CertificateRequest;
  let isSigned: boolean;
  try {
    parsed = new x509.Pkcs10CertificateRequest(request);
    isSigned = await parsed.verify();
  } catch (cause) {
    throw new UndercroftError("ERR_UC_LINK", "the signing request is not one", {}, { cause });
  }
  const { algorithm } = parsed.publicKey;
  const isP256 = "namedCurve" in algorithm && algorithm.namedCurve === "P-256";
  if (!isSigned || !isP256) {
    throw new UndercroftError("ERR_UC_LINK", "the signing request must be of ECDSA P-256");
  }
  return issue(authority, parsed.publicKey, { ...subject, usage: CLIENT_AUTH, names: [] });
}

/** Makes a key and certificate of the manager itself. names: DNS names and addresses. */
export async function makeManagerCertificate(
  authority: KeyedCertificate,
  names: readonly string[],
  nowMs: number,
): Promise<KeyedCertificate> {
  const keys = await makeKeys();
  const certificate = await issue(authority, keys.publicKey, {
    ...{ commonName: MANAGER_NAME, days: 397, nowMs, usage: SERVER_AUTH },
    names: [MANAGER_NAME, ...names],
  });
  return { key: await pemOfKey(keys.privateKey), certificate };
}

/** Facts of a certificate. */
export function certificateFacts(pem: string): CertificateFacts {
  const certificate = new x509.X509Certificate(pem);
  return {
    serial: serialText(certificate.serialNumber),
    commonName: certificate.subjectName.getField("CN")[0] ?? "",
    endsMs: certificate.notAfter.getTime(),
  };
}

/** A serial as {@link CertificateFacts} has it, from how TLS sockets and others spell it. */
export function serialText(serial: string): string {
  return serial.toLowerCase().replace(/^(00)+(?=.)/, "");
}

/** SHA-256 over the DER of a certificate, in hex. */
export function fingerprintOf(pem: string): string {
  const { rawData } = new x509.X509Certificate(pem);
  return createHash("sha256").update(new Uint8Array(rawData)).digest("hex");
}

interface Subject {
  readonly commonName: string;
  readonly days: number;
  readonly nowMs: number;
  readonly usage: string;
  readonly names: readonly string[];
}

async function issue(
  authority: KeyedCertificate,
  publicKey: x509.PublicKey | webcrypto.CryptoKey,
  { commonName, days, nowMs, usage, names }: Subject,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const key = publicKey as x509.PublicKeyType;
  const alternatives = names.map((value) => ({
    type: isAddress(value) ? ("ip" as const) : ("dns" as const),
    value,
  }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: makeSerial(),
    subject: `CN=${commonName}`,
    issuer: issuer.subject,
    notBefore: new Date(nowMs - EARLY_MS),
    notAfter: new Date(nowMs + days * DAY_MS),
    publicKey: key,
    signingKey: await keyOfPem(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage], true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(alternatives.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension(alternatives)]),
    ],
  });
  return certificate.toString("pem");
}

const isAddress = (text: string): boolean => /^[\d.]+$/.test(text) || text.includes(":");

// Positive and never zero (RFC 5280 §4.1.2.2).
function makeSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function keyOfPem(pem: string): Promise<webcrypto.CryptoKey> {
  const [bytes] = x509.PemConverter.decode(pem);
  if (bytes === undefined) throw new UndercroftError("ERR_UC_LINK", "the key file holds no key");
  return webcrypto.subtle.importKey("pkcs8", bytes, ALGORITHM, false, ["sign"]);
}
