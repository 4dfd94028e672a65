// SPDX-License-Identifier: Apache-2.0
// Values that match more than themselves: domains with everything below them, addresses with the
// ranges they lie in, URLs with everything under their path. Called by the network matcher.
import { type AddressRange, parseAddressRange } from "../wire/wire.ts";

/** A name in its one form: lower case, no dot at the end. */
export function domainKey(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** Domains; a listed one covers itself and all below it. */
export class DomainStore<Value> {
  readonly #values = new Map<string, Value>();

  add(domain: string, value: Value): void {
    this.#values.set(domainKey(domain), value);
  }

  /** The value of the name itself, or of the nearest domain above it. */
  find(name: string): Value | undefined {
    if (this.#values.size === 0) return undefined;
    let rest = domainKey(name);
    for (;;) {
      const value = this.#values.get(rest);
      if (value !== undefined) return value;
      const dot = rest.indexOf(".");
      if (dot < 0) return undefined;
      rest = rest.slice(dot + 1);
    }
  }
}

/** Addresses and ranges, of both families. */
export class AddressStore<Value> {
  /** By family and prefix length, then by the bytes that count. */
  readonly #ranges = new Map<string, Map<string, Value>>();
  readonly #lengths: Array<readonly [family: number, bits: number]> = [];

  add(range: AddressRange, value: Value): void {
    const { family, prefixBits } = range;
    const group = `${family}/${prefixBits}`;
    const known = this.#ranges.get(group);
    if (known === undefined) {
      // The narrowest first: it says most.
      this.#lengths.push([family, prefixBits]);
      this.#lengths.sort((one, two) => two[1] - one[1]);
    }
    const values = known ?? new Map<string, Value>();
    values.set(keyOf(range.bytes, prefixBits), value);
    this.#ranges.set(group, values);
  }

  /** The value of the narrowest range that holds an address; undefined too for what is none. */
  find(address: string): Value | undefined {
    if (this.#lengths.length === 0 || address === "") return undefined;
    const range = parseAddressRange(address);
    if (range === undefined) return undefined;
    for (const [family, bits] of this.#lengths) {
      if (family !== range.family) continue;
      const value = this.#ranges.get(`${family}/${bits}`)?.get(keyOf(range.bytes, bits));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

function keyOf(bytes: Uint8Array, bits: number): string {
  const whole = bits >> 3;
  let key = String.fromCharCode(...bytes.subarray(0, whole));
  const rest = bits & 7;
  if (rest > 0) key += String.fromCharCode((bytes[whole] ?? 0) & (0xff00 >> rest) & 0xff);
  return key;
}

/** Whom a URL names, and its path, in one form; undefined where it names nobody. */
export function urlParts(text: string): { domain: string; path: string } | undefined {
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
  const slash = bare.search(/[/?#]/);
  const authority = slash < 0 ? bare : bare.slice(0, slash);
  const domain = domainKey(authority.replace(/^.*@/, "").replace(/:(80|443)$/, ""));
  if (domain === "") return undefined;
  const rest = slash < 0 ? "/" : bare.slice(slash).replace(/#.*$/, "");
  return { domain, path: rest.startsWith("/") ? rest : `/${rest}` };
}

/** URLs; a listed one covers what lies under its path. */
export class UrlStore<Value> {
  readonly #domains = new Map<string, Array<{ readonly path: string; readonly value: Value }>>();

  add(domain: string, path: string, value: Value): void {
    const paths = this.#domains.get(domain) ?? [];
    paths.push({ path, value });
    paths.sort((one, two) => two.path.length - one.path.length);
    this.#domains.set(domain, paths);
  }

  find(domain: string, path: string): Value | undefined {
    const paths = this.#domains.get(domain);
    return paths?.find((known) => isUnder(path, known.path))?.value;
  }
}

function isUnder(path: string, listed: string): boolean {
  if (!path.startsWith(listed)) return false;
  const next = path[listed.length];
  return listed.endsWith("/") || next === undefined || "/?#".includes(next);
}
