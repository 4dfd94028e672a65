// SPDX-License-Identifier: Apache-2.0
// The demo as a person meets it: `undercroft start` prints a link, Chromium opens it, and all that
// the guest did is there: monitored, found, told, traced, searched; then monitoring is stopped and
// begun again from the console.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, WIDE, watch } from "./browser.ts";

const PASSWORD = "a password for the demo";
const cli = join(import.meta.dirname, "../../lib/cli/cli.ts");
const kinds = ["simulated", "qemu"];
/** A translated guest takes its time. */
const waitMs = 300_000;

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

test.each(kinds)(
  "the demo's guest lives in the console (%s)",
  async (kind) => {
    const child = spawn(process.execPath, [cli, "start", "--guest", kind], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const link = await linkOf(child);
      const context = await browser.newContext({
        ...{ viewport: WIDE, ignoreHTTPSErrors: true, locale: "en-GB" },
      });
      const page = await context.newPage();
      page.setDefaultTimeout(waitMs);
      const complaints = watch(page);
      await signIn(page, link);
      await seeGuest(page);
      await readFinding(page);
      await searchIt(page);
      await stopAndStart(page);
      expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
      await context.close();
    } finally {
      child.kill("SIGINT");
      await once(child, "exit");
    }
  },
  600_000,
);

async function linkOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error("the demo has no output");
  for await (const line of createInterface({ input: stdout })) {
    const [link] = /https:\/\/\S+\/#\/invitation\/\S+/.exec(line) ?? [];
    if (link === undefined) continue;
    // Nobody reads on, and a full pipe would hold the demo up.
    stdout.resume();
    return link;
  }
  throw new Error("the demo ended without a link");
}

async function signIn(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password, again").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Guests by state" }).waitFor();
}

async function seeGuest(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Guests", exact: true }).click();
  await page.getByText("Monitored", { exact: true }).first().waitFor();
  await page.getByRole("gridcell", { name: "demo", exact: true }).click();
  await page.getByRole("heading", { name: "demo" }).waitFor();
}

async function readFinding(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Findings", exact: true }).click();
  await page.getByRole("row").nth(1).click();
  await page.getByText("Why the rule matched").waitFor();
  await page.getByText("On guest demo").waitFor();
  await page.getByRole("link", { name: "Trace back" }).click();
  await page.getByRole("img", { name: /Graph of \d+ nodes/ }).waitFor();
}

async function searchIt(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Hunt", exact: true }).click();
  await page.getByRole("combobox").fill("kind:process.exec guest:demo last:1h");
  await page.keyboard.press("Enter");
  await page.getByText("1 of 1 servers answered").waitFor();
  await page.getByRole("gridcell", { name: "process.exec" }).first().waitFor();
}

async function stopAndStart(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Guests", exact: true }).click();
  await page.getByRole("gridcell", { name: "demo", exact: true }).click();
  for (const [action, state] of [
    ["Stop monitoring", "Paused"],
    ["Start monitoring", "Monitored"],
  ] as const) {
    await page.getByRole("button", { name: action }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason").fill("looking what happens");
    await dialog.getByRole("button", { name: action }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.locator(".page-head").getByText(state, { exact: true }).waitFor();
  }
  await page.getByText("looking what happens").first().waitFor();
}
