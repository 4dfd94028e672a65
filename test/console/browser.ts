// SPDX-License-Identifier: Apache-2.0
// Debian's Chromium for the tests beside this file: what a person would find wrong with a page:
// errors in its log, rules of accessibility, things out of sight.
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

export const WIDE: Size = { width: 1440, height: 900 };
export const NARROW: Size = { width: 390, height: 844 };

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Chromium as Debian has it; whoever opens it closes it. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    // As root, in a container: what the sandbox needs is not there.
    args: ["--no-sandbox", "--disable-gpu"],
  });
}

/** Collects what a page complains of. */
export function watch(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return complaints;
}

/** Serious and critical faults by axe-core, each with where it is. */
export async function seriousFaults(page: Page): Promise<readonly string[]> {
  // The page's policy refuses inline scripts; the debugger's way in is not one.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: ReadonlyArray<{
            readonly id: string;
            readonly impact: string;
            readonly nodes: ReadonlyArray<{ readonly html: string }>;
          }>;
        }>;
      };
    };
    const { violations } = await run.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  });
}

/** How far the page is wider than its window, in pixels: more than 0 is a fault. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
}
