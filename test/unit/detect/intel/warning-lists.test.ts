// SPDX-License-Identifier: Apache-2.0
// Warning lists of each type, and what is under a listed name without being on the list.
import { expect, test } from "vitest";
import { canonicalValue, WarningLists } from "../../../../lib/detect/detect.ts";
import type { IndicatorKind } from "../../../../lib/model/model.ts";

const NETWORK = ["domain", "hostname", "ip-dst", "ip-src", "url"];

function lists(...made: ReadonlyArray<{ type: string; list: string[]; about?: string[] }>) {
  const all = new WarningLists();
  for (const [index, { type, list, about = NETWORK }] of made.entries()) {
    const text = JSON.stringify({
      name: `${type} ${index}`,
      type,
      list,
      matching_attributes: about,
    });
    all.add(text, `list-${index}.json`);
  }
  return (kind: IndicatorKind, value: string): string | undefined => {
    const written = canonicalValue(kind, value) ?? value;
    const about = { id: "1", title: "T", severity: "high", source: "s" } as const;
    return all.nameOf({ ...about, kind, value: written });
  };
}

test("addresses in listed ranges are found, wider ranges are not", () => {
  const nameOf = lists({ type: "cidr", list: ["10.0.0.0/8", "2001:db8::/32", "9.9.9.9"] });
  expect(nameOf("address", "10.1.2.3")).toBe("cidr 0");
  expect(nameOf("address", "10.1.0.0/16")).toBe("cidr 0");
  expect(nameOf("address", "10.0.0.0/7")).toBeUndefined();
  expect(nameOf("address", "2001:db8::5")).toBe("cidr 0");
  expect(nameOf("address", "9.9.9.9")).toBe("cidr 0");
  expect(nameOf("address", "11.0.0.1")).toBeUndefined();
  expect(nameOf("url", "http://10.1.2.3:8080/")).toBe("cidr 0");
  expect(nameOf("url", "http://10.1.2.3/gate.php")).toBeUndefined();
});

test("names below a listed one are found, unless others may have names there", () => {
  const nameOf = lists({ type: "hostname", list: [".example.com", "github.io", "amazonaws.com"] });
  expect(nameOf("domain", "example.com")).toBe("hostname 0");
  expect(nameOf("domain", "a.b.example.com")).toBe("hostname 0");
  expect(nameOf("domain", "badexample.com")).toBeUndefined();
  expect(nameOf("domain", "evil.github.io")).toBeUndefined();
  expect(nameOf("domain", "evil.s3.amazonaws.com")).toBeUndefined();
  expect(nameOf("url", "https://example.com")).toBe("hostname 0");
  expect(nameOf("url", "https://example.com/evil.exe")).toBeUndefined();
});

test("texts, parts and expressions are held against the kinds they are for", () => {
  const md5 = "d41d8cd98f00b204e9800998ecf8427e";
  const nameOf = lists(
    { type: "string", list: [md5.toUpperCase(), "1.1.1.1"], about: ["md5", "ip-src"] },
    { type: "substring", list: ["sandbox"], about: ["domain"] },
    { type: "regex", list: ["/^(noc|abuse)@/i"], about: ["email-src"] },
    { type: "cidr", list: ["5.0.0.0/8"], about: ["phone-number"] },
  );
  expect(nameOf("md5", md5)).toBe("string 0");
  expect(nameOf("address", "1.1.1.1")).toBe("string 0");
  expect(nameOf("name", md5)).toBeUndefined();
  expect(nameOf("domain", "my.sandbox.example")).toBe("substring 1");
  expect(nameOf("name", "sandbox")).toBeUndefined();
  expect(nameOf("email", "NOC@example.com")).toBe("regex 2");
  expect(nameOf("address", "5.1.1.1")).toBeUndefined();
});

test("the addresses that never leave a network are a list of their own", () => {
  const all = new WarningLists();
  all.addReserved();
  const about = { id: "1", title: "T", severity: "high", source: "s" } as const;
  for (const value of ["127.0.0.1", "192.168.4.0/24", "fe80::1", "0.0.0.0"]) {
    expect(all.nameOf({ ...about, kind: "address", value }), value).toBe("reserved addresses");
  }
  expect(all.nameOf({ ...about, kind: "address", value: "8.8.8.8" })).toBeUndefined();
});

test("a list that is none is refused whole", () => {
  const all = new WarningLists();
  const bad = ["", "[]", '{"list": 5}', JSON.stringify({ type: "regex", list: ["ok", "("] })];
  for (const text of bad) {
    expect(() => all.add(text, "bad.json"), text).toThrow(/warning list bad\.json/);
  }
  expect(all.size).toBe(0);
});
