// SPDX-License-Identifier: Apache-2.0
// The house rules that no linter knows, as pure functions over one file's text. tidy.test.ts runs
// them over the repository, and over planted violations to prove that each one bites.
import ts from "typescript";
import { refusedPhrases, refusedWords, wordsOf } from "./glossary.ts";

/** A file as the rules see it: its path inside the repository and its text. */
export type RepoFile = { readonly path: string; readonly text: string };
/** One broken rule, at a line counted from 1. */
export type Finding = { readonly rule: string; readonly line: number; readonly what: string };

const columnsMax = 100;
const fileLinesMax = 600;
const functionLinesMax = 70;

const tsSource = /\.(ts|mts|mjs)$/;
const cSource = /\.(c|cc|h)$/;
const commented =
  /\.(ts|mts|mjs|c|cc|h|sh|cmake|gyp|py|ya?ml|bt)$|(^|\/)(CMakeLists\.txt|Kbuild|Makefile)$/;
const generated = /\.gen\.[a-z]+$|^package-lock\.json$|\/vectors\/|^LICENSE|\.jsonl$/;

// One file by design: every structure that crosses the trust boundary is read in one place.
const wireFormat = "guest-drivers/wire/uc_wire.h";
// The list of refused words itself, its test, and texts that are not ours.
const wordFree = /^test\/repo\/(glossary|tidy\.test)\.ts$|^package-lock\.json$|^LICENSE/;

/** Every rule for one file. */
export function tidyFile(file: RepoFile): Finding[] {
  const findings = [...wordRules(file), ...placeRules(file)];
  if (!generated.test(file.path)) findings.push(...shapeRules(file));
  if (!generated.test(file.path) && commented.test(file.path)) findings.push(...headRules(file));
  if (tsSource.test(file.path)) findings.push(...typescriptRules(file));
  else if (cSource.test(file.path)) findings.push(...longCFunctions(file));
  return findings;
}

function shapeRules({ path, text }: RepoFile): Finding[] {
  const lines = text.split("\n");
  const findings: Finding[] = [];
  for (const [index, line] of lines.entries()) {
    const isFree = path.endsWith(".md") && (line.startsWith("|") || line.includes("]("));
    if ([...line].length > columnsMax && !isFree) {
      findings.push({ rule: "columns", line: index + 1, what: `more than ${columnsMax} columns` });
    }
    if (/[ \t]$/.test(line)) {
      findings.push({ rule: "blanks", line: index + 1, what: "blanks at the line's end" });
    }
  }
  if (text !== "" && !text.endsWith("\n")) {
    findings.push({ rule: "blanks", line: lines.length, what: "no newline at the file's end" });
  }
  if (commented.test(path) && path !== wireFormat && lines.length - 1 > fileLinesMax) {
    findings.push({ rule: "file-length", line: 1, what: `more than ${fileLinesMax} lines` });
  }
  return findings;
}

function headRules({ path, text }: RepoFile): Finding[] {
  const lines = text.split("\n");
  const start = lines[0]?.startsWith("#!") ? 1 : 0;
  const licence = path.startsWith("guest-drivers/") ? "GPL-2.0-only OR MIT" : "Apache-2.0";
  const findings: Finding[] = [];
  const head = lines[start]?.replace(/\s*\*\/$/, "");
  if (!head?.endsWith(`SPDX-License-Identifier: ${licence}`)) {
    const what = `the first line must say SPDX-License-Identifier: ${licence}`;
    findings.push({ rule: "licence", line: start + 1, what });
  }
  const next = lines.slice(start + 1).find((line) => line.trim() !== "");
  if ((tsSource.test(path) || cSource.test(path)) && !/^(\/\/|\/\*| \*)/.test(next ?? "")) {
    findings.push({
      rule: "opening",
      line: start + 2,
      what: "say what this file is, and for whom",
    });
  }
  return findings;
}

function wordRules({ path, text }: RepoFile): Finding[] {
  if (wordFree.test(path)) return [];
  const glossary = path === "CONTRIBUTING.md" ? text.replaceAll(/^\|.*\|$/gm, "") : text;
  const findings: Finding[] = [];
  for (const [index, line] of glossary.split("\n").entries()) {
    for (const { word, use, allowed } of refusedWords) {
      // The cheap look first: most lines hold none of the words.
      if (!line.toLowerCase().includes(word)) continue;
      const words = wordsOf(allowed === undefined ? line : line.replaceAll(allowed, " "));
      if (!words.includes(word) && !words.includes(`${word}s`)) continue;
      findings.push({ rule: "glossary", line: index + 1, what: `${word}: say ${use}` });
    }
    for (const { phrase, use } of refusedPhrases) {
      if (phrase.test(line)) {
        findings.push({ rule: "glossary", line: index + 1, what: `${phrase.source}: say ${use}` });
      }
    }
    const mark = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);
    if (mark.test(line)) {
      findings.push({ rule: "unfinished", line: index + 1, what: "finish it or file an issue" });
    }
  }
  return findings;
}

/** Nothing may depend on the machine or the registry where the project happens to be built. */
function placeRules({ path, text }: RepoFile): Finding[] {
  const places = [/(?<![\w.])\/work\//, /\.library\b/, /\bregistry\.[a-z]+js\.org/];
  return text.split("\n").flatMap((line, index) => {
    if (path === "test/repo/tidy.ts" || path === "test/repo/tidy.test.ts") return [];
    const found = places.find((place) => place.test(line));
    return found === undefined
      ? []
      : [{ rule: "place", line: index + 1, what: "names a machine of its makers" }];
  });
}

function typescriptRules(file: RepoFile): Finding[] {
  const findings = suppressions(file);
  const name = file.path.split("/").at(-1) ?? "";
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*$/.test(name)) {
    findings.push({ rule: "file-name", line: 1, what: "file names are kebab-case" });
  }
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const isTest = file.path.startsWith("test/");
  const visit = (node: ts.Node): void => {
    // In a test file an arrow function may be a whole suite; named functions count everywhere.
    if (ts.isFunctionLike(node) && !(isTest && ts.isArrowFunction(node))) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(node.end).line;
      if (last - first + 1 > functionLinesMax) {
        const what = `a function of ${last - first + 1} lines`;
        findings.push({ rule: "function-length", line: first + 1, what });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

function suppressions({ path, text }: RepoFile): Finding[] {
  if (path === "test/repo/tidy.ts" || path === "test/repo/tidy.test.ts") return [];
  const refused = [
    /biome-ignore/,
    /@ts-(ignore|expect-error|nocheck)/,
    /\b(test|it|describe)\.(skip|only|todo)\(/,
    /v8 ignore|istanbul ignore/,
  ];
  return text.split("\n").flatMap((line, index) => {
    const found = refused.find((pattern) => pattern.test(line));
    return found === undefined
      ? []
      : [{ rule: "suppression", line: index + 1, what: "silences a check" }];
  });
}

/** Our C starts a function at the margin and ends it with a brace there. */
function longCFunctions({ text }: RepoFile): Finding[] {
  const findings: Finding[] = [];
  let first = 0;
  let isOpen = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (!isOpen) {
      if (/^[A-Za-z_].*\(/.test(line)) first = index + 1;
      isOpen = first > 0 && line.endsWith("{");
      if (!isOpen && line.endsWith(";")) first = 0;
    }
    if (!isOpen || !line.startsWith("}")) continue;
    const count = index + 2 - first;
    if (count > functionLinesMax) {
      const what = `a function of ${count} lines`;
      findings.push({ rule: "function-length", line: first, what });
    }
    first = 0;
    isOpen = false;
  }
  return findings;
}
