// SPDX-License-Identifier: Apache-2.0
// Plain lists, CSV and our own lines: what each line becomes, and that a bad one is told by its
// place while the others load.
import { expect, test } from "vitest";
import {
  guessFormat,
  guessValue,
  indicatorLine,
  LINES_HEADER,
  parseCsvMapping,
  refang,
} from "../../../../lib/detect/detect.ts";
import { briefly, importText } from "../../../support/import-text.ts";

const SHA256 = "ab".repeat(32);

test("what was made harmless is taken back, and nothing else", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["hxxp://evil[.]example/a", "http://evil.example/a"],
    ["hXXps[:]//evil(.)example", "https://evil.example"],
    ["evil[dot]example(dot)com", "evil.example.com"],
    ["evil {.} example", "evil.example"],
    ["10[.]0[.]0[.]1", "10.0.0.1"],
    ["who[at]evil[.]example", "who@evil.example"],
    ["<http://evil.example>", "http://evil.example"],
    ["http://evil.example/a(b)?c=[d]", "http://evil.example/a(b)?c=[d]"],
    ["fxp://evil[.]example", "ftp://evil.example"],
  ];
  for (const [written, meant] of cases) expect(refang(written)).toBe(meant);
});

test("the form of a value tells its kind", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["1.2.3.4", "address 1.2.3.4"],
    ["10.0.0.0/8", "address 10.0.0.0/8"],
    ["2001:DB8::0:1", "address 2001:db8::1"],
    ["::ffff:1.2.3.4", "address 1.2.3.4"],
    ["1.2.3.4:8080", "address 1.2.3.4 + port 8080"],
    ["[2001:db8::1]:443", "address 2001:db8::1 + port 443"],
    ["evil.example:8443", "domain evil.example + port 8443"],
    ["*.Evil.example.", "domain evil.example"],
    ["\u00fcber.example", "domain xn--ber-goa.example"],
    ["evil.example/a.php", "url evil.example/a.php"],
    ["HTTP://evil.example", "url HTTP://evil.example"],
    ["Who@Evil.example", "email who@evil.example"],
    ["/tmp/x", "path /tmp/x"],
    ["C:\\Windows\\Evil.exe", "path c:\\windows\\evil.exe"],
    ["HKEY_LOCAL_MACHINE\\Software\\x", "registry-key hklm\\software\\x"],
    ["invoice.pdf.exe", "name invoice.pdf.exe"],
    ["AB".repeat(16), `md5 ${"ab".repeat(16)}`],
    ["AB".repeat(20), `sha1 ${"ab".repeat(20)}`],
    [SHA256, `sha256 ${SHA256}`],
    ["ab".repeat(64), `sha512 ${"ab".repeat(64)}`],
  ];
  for (const [text, wanted] of cases) {
    const guess = guessValue(text);
    if (typeof guess === "string") throw new Error(`${text}: ${guess}`);
    const said = briefly([{ ...guess, id: "", title: "", severity: "low", source: "" }]);
    expect(said, text).toEqual([wanted]);
  }
  for (const text of [
    "evil",
    "1.2.3",
    "1.2.3.4.5.",
    "a b",
    "[]:1",
    "http://",
    "mailto:x",
    "-.com",
  ]) {
    expect(typeof guessValue(text), text).toBe("string");
  }
});

test("a list loads what is good and names the lines that are not", () => {
  const text = [
    "\uFEFF# a feed",
    "evil[.]example | Dropper | critical",
    "nonsense",
    "ip:10.0.0.0/8",
    "127.0.0.1 ads.example # blocked",
    "sha1:xyz",
    `${"x".repeat(70_000)}`,
    "cmdline:nc -e | sh",
    "evil.example | T | urgent",
    "2.2.2.2",
  ].join("\r\n");
  for (const chunkBytes of [1, 7, 100_000]) {
    const { indicators, problems, problemCount } = importText("list", text, chunkBytes);
    expect(briefly(indicators)).toEqual([
      "domain evil.example",
      "address 10.0.0.0/8",
      "domain ads.example",
      "command-line nc -e | sh",
      "address 2.2.2.2",
    ]);
    expect(indicators[0]).toMatchObject({ title: "Dropper", severity: "critical", source: "src" });
    expect(problems.map(({ place }) => place)).toEqual(["line 3", "line 6", "line 7", "line 9"]);
    expect(problemCount).toBe(4);
  }
});

test("CSV columns are found by name, quotes and line ends are honoured", () => {
  const text = [
    'Indicator,data_type,"tags",confidence_level,first_seen_utc',
    'evil.example,domain,"a, b",75,2026-01-02 03:04:05',
    `${SHA256},sha256_hash,"one ""quoted""\nand two lines",50,`,
    "1.2.3.4:80,ip:port,,,",
    "hello,domain,,,",
    'broken,domain,"no end',
  ].join("\n");
  for (const chunkBytes of [3, 4096]) {
    const { indicators, problems } = importText("csv", text, chunkBytes);
    expect(briefly(indicators)).toEqual([
      "domain evil.example",
      `sha256 ${SHA256}`,
      "address 1.2.3.4 + port 80",
      "domain hello",
    ]);
    expect(indicators[0]).toMatchObject({
      labels: ["a", "b"],
      confidence: 75,
      validFromMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    });
    expect(indicators[1]?.labels).toEqual(['one "quoted"\nand two lines']);
    expect(problems.map(({ place }) => place)).toEqual(["line 7"]);
  }
});

test("a header may be the last line of a comment", () => {
  const text = '# Feed\n#\n# "first_seen","dst_ip","dst_port"\n"2026-01-01","9.9.9.1","443"\n';
  expect(briefly(importText("csv", text).indicators)).toEqual(["address 9.9.9.1"]);
});

test("a mapping says which column is what", () => {
  const mapping = parseCsvMapping("value=2,kind==domain,title=what,until=end");
  const text = "x,y,what,end\n1,evil.example,Bad,2026-06-01\n2,1.2.3.4,Bad,soon\n";
  const { indicators, problems } = importText("csv", text, 4096, mapping);
  expect(indicators).toMatchObject([
    { kind: "domain", value: "evil.example", title: "Bad", validUntilMs: Date.UTC(2026, 5, 1) },
  ]);
  expect(problems).toMatchObject([{ place: "line 3" }]);
  const byNumber = importText("csv", "evil.example\nb.example\n", 4096, parseCsvMapping("value=1"));
  expect(byNumber.indicators).toHaveLength(2);
  for (const bad of ["kind=1", "value", "colour=1", "value="]) {
    expect(() => parseCsvMapping(bad)).toThrow(/mapping/);
  }
});

test("CSV without a column that could be the value is refused once", () => {
  const { indicators, problemCount, problems } = importText("csv", "a,b\nc,d\ne,f\n");
  expect(indicators).toEqual([]);
  expect(problemCount).toBe(1);
  expect(problems[0]?.reason).toContain("mapping");
});

test("our own lines keep everything that an indicator has", () => {
  const indicator = {
    ...({ id: "indicator--1#2", kind: "domain", value: "evil.example", title: "T" } as const),
    ...({ severity: "critical", source: "feed", confidence: 80, tlp: "amber+strict" } as const),
    ...{ validFromMs: 1000, validUntilMs: 2000, labels: ["a"] },
    with: [{ kind: "port", value: "80" } as const],
  };
  const text = `${LINES_HEADER}\n${indicatorLine(indicator)}\nno json\n{"kind":"domain"}\n{"id":"x",
"kind":"colour","value":"red"}\n`;
  const { indicators, problems } = importText("lines", text);
  expect(indicators).toEqual([indicator]);
  expect(problems.map(({ place }) => place)).toEqual(["line 3", "line 4", "line 5", "line 6"]);
});

test("the format is told by how a file begins", () => {
  const guess = (text: string, name = "x"): string =>
    guessFormat(new TextEncoder().encode(text), name);
  expect(guess('{"type": "bundle", "objects": []}')).toBe("stix");
  expect(guess('{"Event": {"Attribute": []}}')).toBe("misp");
  expect(guess(' <?xml version="1.0"?><ioc/>')).toBe("openioc");
  expect(guess(`${LINES_HEADER}\n`)).toBe("lines");
  expect(guess("a,b", "feed.CSV")).toBe("csv");
  expect(guess("evil.example")).toBe("list");
});
