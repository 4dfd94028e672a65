// SPDX-License-Identifier: Apache-2.0
// The archive must be what the independent cpio program reads back.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packCpio } from "../../../lib/hypervisor/cpio.ts";

test("cpio unpacks names, modes and bytes of every length class", () => {
  const directory = mkdtempSync(join(tmpdir(), "undercroft-cpio-"));
  try {
    const files = [0, 1, 2, 3, 4, 5000].map((length) => ({
      path: `dir/file-${"x".repeat(length % 5)}-${length}`,
      mode: 0o100640,
      content: Buffer.alloc(length, length),
    }));
    const root = { path: "dir", mode: 0o040755, content: Buffer.alloc(0) };
    execFileSync("cpio", ["-id", "--quiet"], { cwd: directory, input: packCpio([root, ...files]) });
    for (const { path, content } of files) {
      expect(readFileSync(join(directory, path)).equals(content)).toBe(true);
      expect(statSync(join(directory, path)).mode).toBe(0o100640);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
