// SPDX-License-Identifier: Apache-2.0
// Holds the documents together: titles, links, the changelog's shape, and the error table in
// docs/errors.md against the one in code. Each rule is proved on a planted fault too.
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { ERROR_TABLE } from "../../lib/errors/errors.ts";
import { anchorsOf, changelogFaults, codeTable, linksOf, titleFault } from "./markdown.ts";
import { readRepoFile, repoFiles, root } from "./repo-files.ts";
import type { RepoFile } from "./tidy.ts";

const documents: readonly RepoFile[] = repoFiles().filter(({ path }) => path.endsWith(".md"));
const version = (JSON.parse(readRepoFile("package.json")) as { version: string }).version;

function brokenLinks({ path, text }: RepoFile): string[] {
  return linksOf(text).flatMap((link) => {
    const target = link.path === "" ? path : normalize(join(dirname(path), link.path));
    if (target !== path && !existsSync(join(root, target)))
      return [`${path}: ${link.path} does not exist`];
    if (link.anchor === "" || !target.endsWith(".md")) return [];
    const place = target === path ? text : readRepoFile(target);
    return anchorsOf(place).includes(link.anchor)
      ? []
      : [`${path}: no #${link.anchor} in ${target}`];
  });
}

test("each document has one title, on its first line", () => {
  const faults = documents.flatMap(({ path, text }) => {
    const fault = titleFault(text);
    return fault === undefined ? [] : [`${path}: ${fault}`];
  });
  expect(faults).toEqual([]);
});

test("each link leads somewhere", () => {
  expect(documents.flatMap(brokenLinks)).toEqual([]);
});

test("the documents that a reader looks for exist", () => {
  const names = [
    "README",
    "ARCHITECTURE",
    "SPECIFICATION",
    "SECURITY",
    "CHANGELOG",
    "CONTRIBUTING",
  ];
  const paths = documents.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(names.map((name) => `${name}.md`)));
});

test("the changelog keeps its shape", () => {
  expect(changelogFaults(readRepoFile("CHANGELOG.md"), version)).toEqual([]);
});

test("docs/errors.md and the error table say the same", () => {
  const documented = codeTable(readRepoFile("docs/errors.md"), "ERR_UC_");
  expect(Object.fromEntries(documented)).toEqual(ERROR_TABLE);
});

test("each error code used in code is in the table", () => {
  const used = repoFiles()
    .filter(({ path }) => path.startsWith("lib/"))
    .flatMap(({ text }) => text.match(/\bERR_UC_[A-Z_]+\b/g) ?? []);
  expect([...new Set(used)].filter((code) => !(code in ERROR_TABLE))).toEqual([]);
});

describe("a planted fault is found:", () => {
  test("titles", () => {
    expect(titleFault("# A\n\n```\n# not a title\n```\n")).toBeUndefined();
    expect(titleFault("# A\n\n# B\n")).toBe("2 titles, expected one");
    expect(titleFault("Text\n\n# A\n")).toBe("the title is not the first line");
    expect(titleFault("## A\n")).toBe("0 titles, expected one");
  });

  test("links", () => {
    const text =
      "# A b\n\n[x](gone.md) [y](README.md#no-such) [z](#a-b) [w](https://x.y/) `[v](u)`\n";
    expect(brokenLinks({ path: "planted.md", text })).toEqual([
      "planted.md: gone.md does not exist",
      "planted.md: no #no-such in README.md",
    ]);
  });

  test("changelogs", () => {
    const good = "# C\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2026-01-02\n";
    expect(changelogFaults(good, "0.1.0")).toEqual([]);
    expect(changelogFaults(good, "0.2.0")).toHaveLength(1);
    expect(changelogFaults("# C\n\n## 0.1.0\n", "0.1.0")).toHaveLength(1);
    expect(changelogFaults(good.replace("2026-01-02", "soon"), "0.1.0")).toHaveLength(1);
    expect(changelogFaults(good.replace("Added", "News"), "0.1.0")).toEqual(["### News"]);
  });

  test("error tables", () => {
    const table = codeTable("| `ERR_UC_A` | One. |\n| `OTHER` | Two. |\n", "ERR_UC_");
    expect([...table]).toEqual([["ERR_UC_A", "One."]]);
  });
});
