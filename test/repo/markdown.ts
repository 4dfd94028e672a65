// SPDX-License-Identifier: Apache-2.0
// Rules for the documents: one title, links that lead somewhere, a changelog in the known shape.
// Pure functions; documents.test.ts runs them over the repository and over planted violations.

/** The text without fenced code, in which `#` and brackets mean something else. */
function withoutCode(text: string): string {
  return text.replaceAll(/^ *(```|~~~)[\s\S]*?^ *\1 *$/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** Says what is wrong with a document's title, or nothing. */
export function titleFault(text: string): string | undefined {
  const titles = withoutCode(text).match(/^# .+$/gm) ?? [];
  if (titles.length !== 1) return `${titles.length} titles, expected one`;
  return text.startsWith("# ") ? undefined : "the title is not the first line";
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(text: string): string[] {
  const headings = text.replaceAll(/^ *(```|~~~)[\s\S]*?^ *\1 *$/gm, "").match(/^#+ .+$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, "")
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** The relative links of a document: path (empty for the document itself) and anchor. */
export function linksOf(text: string): { path: string; anchor: string }[] {
  const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(
    (match) => match[1] ?? "",
  );
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#");
      return { path, anchor };
    });
}

/** Says where a changelog leaves the shape of Keep a Changelog 1.1, or nothing. */
export function changelogFaults(text: string, version: string): string[] {
  const faults: string[] = [];
  const sections = text.match(/^## .+$/gm) ?? [];
  if (sections[0] !== "## [Unreleased]") faults.push("the first section is not [Unreleased]");
  for (const section of sections.slice(1)) {
    if (!/^## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$/.test(section)) faults.push(section);
  }
  const kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
  for (const heading of text.match(/^### .+$/gm) ?? []) {
    if (!kinds.includes(heading.slice(4))) faults.push(heading);
  }
  const released = sections.slice(1).map((section) => /\[(.+)\]/.exec(section)?.[1]);
  if (released.length > 0 && released[0] !== version) {
    faults.push(`the newest release is not the package's version ${version}`);
  }
  return faults;
}

/** The rows of a table whose first cell is a code in backquotes: code to second cell. */
export function codeTable(text: string, prefix: string): Map<string, string> {
  const rows = text.matchAll(/^\| `([A-Z_0-9]+)` \| (.+?) \|/gm);
  const table = new Map<string, string>();
  for (const [, code = "", meaning = ""] of rows) {
    if (code.startsWith(prefix)) table.set(code, meaning);
  }
  return table;
}
