// SPDX-License-Identifier: Apache-2.0
// MISP events and the manifest of a feed: which attributes become indicators, what they take over
// from their event, and what is left.
import { expect, test } from "vitest";
import { readMispManifest } from "../../../../lib/detect/detect.ts";
import { briefly, importText } from "../../../support/import-text.ts";

const MD5 = "cd".repeat(16);
const SHA256 = "ab".repeat(32);

const EVENT = {
  Event: {
    Orgc: { name: "O", Tag: [{ name: "tlp:red" }] },
    Attribute: [
      { uuid: "u1", type: "domain", value: "evil[.]example", to_ids: true },
      { uuid: "u2", type: "ip-dst|port", value: "1.2.3.4|8443", to_ids: true },
      { uuid: "u3", type: "domain|ip", value: "b.example|10.0.0.1", to_ids: true },
      { uuid: "u4", type: "filename|md5", value: `a|b.exe|${MD5}`, to_ids: true },
      { uuid: "u5", type: "domain", value: "good.example", to_ids: false },
      { uuid: "u6", type: "yara", value: "rule x {}", to_ids: true },
      { uuid: "u7", type: "ip-src", value: "no address", to_ids: true },
      { uuid: "u8", type: "domain", value: "gone.example", to_ids: true, deleted: true },
      { uuid: "u9", type: "filename", value: "C:\\Temp\\X.exe", to_ids: true },
      { uuid: "u10", type: "regkey|value", value: "HKLM\\Run|evil", to_ids: true },
      { uuid: "u11", type: "uri", value: "/gate.php", to_ids: true },
      { uuid: "u12", type: "AS", value: "AS174", to_ids: true },
      "text",
      { type: "domain" },
    ],
    Object: [
      {
        name: "file",
        Attribute: [
          { uuid: "o1", type: "sha256", value: SHA256, to_ids: true, Tag: [{ name: "TLP:GREEN" }] },
          { uuid: "o2", type: "filename", value: "x.exe", to_ids: true },
          { uuid: "o3", type: "size-in-bytes", value: "12", to_ids: false },
        ],
      },
      {
        name: "mutex",
        Attribute: [{ uuid: "o4", type: "text", object_relation: "name", value: "M" }],
      },
    ],
    RelatedEvent: [
      { Event: { info: "another", Attribute: [{ type: "domain", value: "no.example" }] } },
    ],
    ShadowAttribute: [{ type: "domain", value: "proposed.example", to_ids: true }],
    info: "Campaign",
    threat_level_id: "2",
    Tag: [{ name: "tlp:amber" }, { name: "apt" }],
  },
};

test("attributes become indicators with what their event says of them", () => {
  for (const chunkBytes of [1, 11, 65_536]) {
    const found = importText("misp", JSON.stringify(EVENT), chunkBytes);
    expect(briefly(found.indicators)).toEqual([
      "domain evil.example",
      "address 1.2.3.4 + port 8443",
      "domain b.example",
      "address 10.0.0.1",
      `md5 ${MD5} + name a|b.exe`,
      "path c:\\temp\\x.exe",
      "registry-key hklm\\run + registry-value evil",
      "http-path /gate.php",
      "asn 174",
      `sha256 ${SHA256}`,
      "name x.exe",
      "mutex M",
    ]);
    for (const one of found.indicators) {
      expect(one).toMatchObject({ title: "Campaign", severity: "medium", tlp: "amber" });
      expect(one.labels).toContain("apt");
    }
    expect(found.indicators.map(({ id }) => id).slice(2, 5)).toEqual(["u3", "u3#2", "u4"]);
    expect(found.indicators.at(-1)?.labels).toEqual(["misp:object=mutex", "apt"]);
    expect(found.problems.map(({ place }) => place)).toEqual([
      "$.Event.Attribute[6]",
      "$.Event.Attribute[12]",
      "$.Event.Attribute[13]",
    ]);
    expect(found.removed).toEqual(["u8"]);
    expect(Object.fromEntries(found.skips)).toEqual({
      "MISP attribute that is not for detection (to_ids)": 2,
      "MISP attribute of type yara": 1,
    });
  }
});

test("events are found however MISP wraps them, each with its own title", () => {
  const event = (info: string, value: string): object => ({
    info,
    Attribute: [{ type: "domain", value, to_ids: true }],
  });
  const first = event("one", "a.example");
  const second = event("two", "b.example");
  const titles = (value: unknown): string[] =>
    importText("misp", JSON.stringify(value)).indicators.map((one) => `${one.title} ${one.value}`);
  expect(titles(first)).toEqual(["one a.example"]);
  expect(titles({ Event: first })).toEqual(["one a.example"]);
  const both = ["one a.example", "two b.example"];
  expect(titles({ response: [{ Event: first }, { Event: second }] })).toEqual(both);
  expect(titles([{ Event: first }, { Event: second }])).toEqual(both);
  const attributes = { response: { Attribute: [{ type: "domain", value: "c.example" }] } };
  expect(titles(attributes)).toEqual(["Known bad domain c.example"]);
});

test("a manifest lists the events that are new, oldest first", () => {
  const uuid = "57c06bb1-625c-4d34-9b9f-4066950d210f";
  const text = JSON.stringify({
    [uuid]: { timestamp: "20", info: "later" },
    "57C06BB1-625C-4D34-9B9F-4066950D2100": { timestamp: 10, info: "sooner" },
    "../../etc/passwd": { timestamp: 1 },
    "57c06bb1-625c-4d34-9b9f-4066950d2101": "no object",
  });
  expect(readMispManifest(text, "m")).toEqual([
    { uuid: "57c06bb1-625c-4d34-9b9f-4066950d2100", timestamp: 10, title: "sooner" },
    { uuid, timestamp: 20, title: "later" },
  ]);
  for (const bad of ["", "[]", "5", "{"]) {
    expect(() => readMispManifest(bad, "m.json")).toThrow(/m\.json is no manifest/);
  }
});
