// SPDX-License-Identifier: Apache-2.0
// The manual and the program must say the same about the command line.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HELP } from "../../../lib/cli/help.ts";

const manual = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");

describe("docs/cli.md", () => {
  test.each(Object.entries(HELP))('repeats the help of "%s" word for word', (name, help) => {
    expect(manual).toContain(`\`\`\`\n${help}\`\`\``);
    if (name !== "") expect(manual).toContain(`## undercroft ${name}\n`);
  });

  test("documents no other command", () => {
    const headings = [...manual.matchAll(/^## undercroft (.+)$/gm)].map(([, name]) => name);
    expect(headings.sort()).toEqual(Object.keys(HELP).filter(Boolean).sort());
  });

  test("fits a terminal", () => {
    for (const line of Object.values(HELP).join("\n").split("\n")) {
      expect(line.length).toBeLessThanOrEqual(92);
    }
  });
});
