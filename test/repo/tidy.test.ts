// SPDX-License-Identifier: Apache-2.0
// Runs the house rules over the repository, and proves each rule on a planted violation.
import { describe, expect, test } from "vitest";
import { wordsOf } from "./glossary.ts";
import { repoFiles } from "./repo-files.ts";
import { tidyFile } from "./tidy.ts";

const tsHead = "// SPDX-License-Identifier: Apache-2.0\n// A planted file.\n";
const cHead = "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */\n/* A planted file. */\n";

function rulesOf(path: string, text: string): string[] {
  return tidyFile({ path, text }).map((finding) => finding.rule);
}

test("the repository keeps its house rules", () => {
  const findings = repoFiles().flatMap((file) =>
    tidyFile(file).map(({ rule, line, what }) => `${file.path}:${line} ${rule}: ${what}`),
  );
  expect(findings).toEqual([]);
});

describe("accepts", () => {
  const clean: readonly [string, string, string][] = [
    ["a TypeScript file", "lib/a/a.ts", `${tsHead}export const a = 1;\n`],
    ["a program", "lib/a/b.ts", `#!/usr/bin/env node\n${tsHead}export const a = 1;\n`],
    ["a driver file", "guest-drivers/core/a.c", `${cHead}int a(void)\n{\n\treturn 1;\n}\n`],
    ["a wide table in a document", "docs/a.md", `# A\n\n| ${"wide ".repeat(30)}|\n`],
    [
      "the names others gave",
      "lib/a/c.ts",
      `${tsHead}const x = new AbortController(); // /dev/shm\n`,
    ],
    ["the full name of a hypervisor host", "docs/b.md", "# B\n\nThe hypervisor host runs it.\n"],
    ["agentless, said plainly", "docs/c.md", "# C\n\nAgentless: no agent in the guest.\n"],
    ["generated width", "lib/wire/a.gen.ts", `${"x".repeat(300)}\n`],
  ];
  test.each(clean)("%s", (_title, path, text) => {
    expect(tidyFile({ path, text })).toEqual([]);
  });
});

describe("finds", () => {
  const long = (count: number, line: string): string => `${line}\n`.repeat(count);
  const mark = ["TO", "DO"].join("");
  const planted: readonly [string, string, string, string][] = [
    ["a wide line", "columns", "lib/a.ts", `${tsHead}// ${"x".repeat(98)}\n`],
    ["wide prose", "columns", "docs/a.md", `# A\n\n${"word ".repeat(30)}end\n`],
    ["a blank at a line's end", "blanks", "lib/a.ts", `${tsHead}const a = 1; \n`],
    ["a missing last newline", "blanks", "lib/a.ts", `${tsHead}const a = 1;`],
    ["a long file", "file-length", "lib/a.ts", `${tsHead}${long(600, "// x")}`],
    ["a long C file", "file-length", "addon/a.c", long(601, "// x")],
    ["a missing licence line", "licence", "lib/a.ts", "// Says something else.\n"],
    ["a missing licence in a script", "licence", "hypervisor/a.sh", "#!/bin/sh\necho\n"],
    ["the wrong licence for a driver", "licence", "guest-drivers/a.c", `${tsHead}int a;\n`],
    ["the wrong licence elsewhere", "licence", "addon/a.c", `${cHead}int a;\n`],
    [
      "a file that does not say what it is",
      "opening",
      "lib/a.ts",
      `${tsHead.split("\n")[0]}\nx();\n`,
    ],
    ["a refused word", "glossary", "docs/a.md", "# A\n\nThe agent starts.\n"],
    ["its plural", "glossary", "docs/a.md", "# A\n\nAll endpoints.\n"],
    ["a refused word in an identifier", "glossary", "lib/a.ts", `${tsHead}const guestAgent = 1;\n`],
    ["one in snake case", "glossary", "addon/a.c", `${tsHead}int shm_bytes;\n`],
    ["a bare host", "glossary", "docs/a.md", "# A\n\nThe host maps it.\n"],
    ["a refused phrase", "glossary", "docs/a.md", "# A\n\nThe terminal VM.\n"],
    ["unfinished work", "unfinished", "lib/a.ts", `${tsHead}// ${mark}: later\n`],
    ["a path of one machine", "place", "lib/a.ts", `${tsHead}const p = "${"/wo"}rk/x";\n`],
    ["a suppression", "suppression", "lib/a.ts", `${tsHead}// biome-${"ignore"} lint: no\n`],
    ["a skipped test", "suppression", "test/a.test.ts", `${tsHead}test.${"skip"}("a", f);\n`],
    ["a name that is not kebab-case", "file-name", "lib/aB.ts", tsHead],
    [
      "a long function",
      "function-length",
      "lib/a.ts",
      `${tsHead}function a() {\n${long(70, "  b();")}}\n`,
    ],
    [
      "a long method",
      "function-length",
      "lib/a.ts",
      `${tsHead}class A {\n  a() {\n${long(70, "    b();")}  }\n}\n`,
    ],
    [
      "a long C function",
      "function-length",
      "guest-drivers/a.c",
      `${cHead}int a(void)\n{\n${long(70, "\tb();")}}\n`,
    ],
    [
      "a long C++ function",
      "function-length",
      "addon/a.cc",
      `${tsHead}static int A(int b,\n             int c) {\n${long(70, "  b();")}}\n`,
    ],
  ];
  test.each(planted)("%s", (_title, rule, path, text) => {
    expect(rulesOf(path, text)).toContain(rule);
  });

  test("nothing in a function of just the allowed length", () => {
    const text = `${tsHead}function a() {\n${long(68, "  b();")}}\n`;
    expect(rulesOf("lib/a.ts", text)).toEqual([]);
    const core = `${cHead}int a(void)\n{\n${long(67, "\tb();")}}\n`;
    expect(rulesOf("guest-drivers/a.c", core)).toEqual([]);
  });
});

test("identifiers are split into their words", () => {
  expect(wordsOf("regionHost uc_host_id UCHostName")).toEqual([
    ...["region", "host", "uc", "host", "id", "uc", "host", "name"],
  ]);
});
