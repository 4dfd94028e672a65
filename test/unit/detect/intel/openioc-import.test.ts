// SPDX-License-Identifier: Apache-2.0
// OpenIOC files: trees of OR and AND as alternatives, and what cannot be used.
import { expect, test } from "vitest";
import { briefly, importText } from "../../../support/import-text.ts";

const MD5 = "cd".repeat(16);

function item(search: string, content: string, more = 'condition="is"'): string {
  return (
    `<IndicatorItem id="i" ${more}><Context document="X" search="${search}" type="mir"/>` +
    `<Content type="string">${content}</Content></IndicatorItem>`
  );
}

function file(tree: string): string {
  return (
    `<?xml version="1.0"?><!-- c --><ioc xmlns="http://schemas.example/" id="o-1">` +
    `<short_description>A &amp; B</short_description><definition>${tree}</definition></ioc>`
  );
}

test("OR gives alternatives, AND what must hold together", () => {
  const tree =
    `<Indicator operator="OR" id="r">${item("FileItem/Md5sum", MD5.toUpperCase())}` +
    `${item("Network/DNS", "evil[.]example")}` +
    `<Indicator operator="AND">${item("FileItem/FileName", "x.exe")}` +
    `${item("FileItem/SizeInBytes", "12")}<Indicator operator="OR">` +
    `${item("RegistryItem/Path", "HKLM\\A")}${item("RegistryItem/Path", "HKLM\\B")}` +
    "</Indicator></Indicator></Indicator>";
  for (const chunkBytes of [1, 4096]) {
    const { indicators, problems } = importText("openioc", file(tree), chunkBytes);
    expect(problems).toEqual([]);
    expect(briefly(indicators)).toEqual([
      `md5 ${MD5}`,
      "domain evil.example",
      "registry-key hklm\\a + name x.exe + size 12",
      "registry-key hklm\\b + name x.exe + size 12",
    ]);
    expect(indicators.map(({ id }) => id)).toEqual(["o-1", "o-1#2", "o-1#3", "o-1#4"]);
    expect(indicators[0]?.title).toBe("A & B");
  }
});

test("what has no kind, another condition or a bad value is told and left out", () => {
  const tree =
    `<Indicator operator="OR">${item("FileItem/PEInfo/Type", "x")}` +
    `${item("Network/DNS", "evil", 'condition="contains"')}` +
    `${item("Network/DNS", "a.example", 'condition="is" negate="true"')}` +
    `${item("FileItem/Md5sum", "xyz")}` +
    `${item("ProcessItem/arguments", "-e", 'condition="contains"')}` +
    `<Indicator operator="AND">${item("Network/DNS", "b.example")}` +
    `${item("FileItem/PEInfo/Type", "x")}</Indicator></Indicator>`;
  const { indicators, problems, skips } = importText("openioc", file(tree));
  expect(briefly(indicators)).toEqual(["command-line -e"]);
  expect(problems.map(({ place }) => place)).toEqual(["FileItem/Md5sum"]);
  expect([...skips.values()].reduce((sum, one) => sum + one, 0)).toBe(4);
});

test("XML that is damaged or dangerous is refused with its line", () => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ['<!DOCTYPE a [<!ENTITY a "b">]>\n<ioc/>', /document type/],
    ["<ioc id='1'>\n<Indicator>", /no end/],
    ["<ioc></other>", /ends no element/],
    ["<a>".repeat(100), /deeper/],
    ["<ioc><", /no end or is none/],
    ["not xml", /outside/],
    ["<html></html>", /no OpenIOC/],
  ];
  for (const [text, reason] of cases) {
    const { problems } = importText("openioc", text);
    expect(problems[0]?.reason, text.slice(0, 40)).toMatch(reason);
    expect(problems[0]?.place).toMatch(/^line \d+$/);
  }
});

test("too many alternatives are refused, not expanded", () => {
  const items = item("Network/DNS", "a.example").repeat(11);
  const either = `<Indicator operator="OR">${items}</Indicator>`;
  const tree = `<Indicator operator="AND" id="r">${either.repeat(4)}</Indicator>`;
  const { indicators, problems } = importText("openioc", file(tree));
  expect(indicators).toEqual([]);
  expect(problems[0]?.reason).toContain("alternatives");
});
