// SPDX-License-Identifier: Apache-2.0
// Which kernel is picked, and what is said when there is none.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { obtainKernel } from "../../../lib/hypervisor/hypervisor.ts";
import { compareVersions, newestAvailable } from "../../../lib/hypervisor/kernels.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

function searchText(...names: string[]): string {
  return names.map((name) => `${name} - some words\n`).join("");
}

test("versions are ordered by number, not by letter", () => {
  const sorted = ["6.1.0-56-amd64", "6.1.0-9-amd64", "6.1.0-100-amd64"].sort(compareVersions);
  expect(sorted).toEqual(["6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-100-amd64"]);
});

test("the newest version with an image and headers wins; variants and other series do not", () => {
  const text = searchText(
    "linux-headers-6.12.117+deb12-amd64",
    "linux-image-6.12.117+deb12-amd64-unsigned",
    "linux-image-6.12.117+deb12-amd64",
    "linux-headers-6.12.99+deb12-amd64",
    "linux-image-6.12.99+deb12-amd64-unsigned",
    "linux-headers-6.12.118+deb12-amd64",
    "linux-headers-6.12.119+deb12-cloud-amd64",
    "linux-image-6.12.119+deb12-cloud-amd64-unsigned",
    "linux-headers-6.1.0-56-amd64",
    "linux-image-6.1.0-56-amd64",
  );
  expect(newestAvailable(text, "6.12")).toEqual({
    version: "6.12.117+deb12-amd64",
    image: "linux-image-6.12.117+deb12-amd64-unsigned",
  });
  expect(newestAvailable(text, "6.1")).toEqual({
    version: "6.1.0-56-amd64",
    image: "linux-image-6.1.0-56-amd64",
  });
  expect(newestAvailable(text, "6.6")).toBeUndefined();
});

test("a series that nobody has is an error that says what to do", async () => {
  const cache = mkdtempSync(join(tmpdir(), "undercroft-cache-"));
  vi.stubEnv("UC_CACHE", cache);
  try {
    await expect(obtainKernel("2.99")).rejects.toMatchObject({
      code: "ERR_UC_KERNEL_MISSING",
      message: expect.stringMatching(/no kernel 2\.99 .*apt-get update.*\/boot\/vmlinuz-2\.99/s),
    });
  } finally {
    rmSync(cache, { recursive: true });
  }
});
