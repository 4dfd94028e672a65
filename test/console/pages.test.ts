// SPDX-License-Identifier: Apache-2.0
// The console in Debian's Chromium before a real manager: a one-time link signs in, every page
// passes the rules of accessibility at both sizes and in both themes, texts of guests stay texts,
// and a finding is judged by keys alone.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClientHooks } from "../../lib/link/link.ts";
import type { LinkRequest } from "../../lib/model/model.ts";
import { findingOf, guestNamed, ManagerRig, PASSWORD } from "../unit/manager/rig.ts";
import { NARROW, openBrowser, overflow, type Size, seriousFaults, WIDE, watch } from "./browser.ts";

/** Markup, a control character, and a mark that turns the line. */
const HOSTILE = '/tmp/\u202e\u0007<img src=x onerror="globalThis.broken=1">';
const waitMs = 20_000;

type RequestContext = Parameters<ClientHooks["request"]>[1];

let rig: ManagerRig;
let browser: Browser;
let state: Awaited<ReturnType<BrowserContext["storageState"]>>;

beforeAll(async () => {
  rig = await ManagerRig.open();
  const guests = ["monitored", "paused", "silent", "offline"].map((name, at) =>
    guestNamed(`web-${at}`, { state: name as "monitored", sinceMs: Date.now() - at * 60_000 }),
  );
  const all = [...guests, guestNamed(HOSTILE)];
  const { client } = await rig.server("hv1", all, { request: answer });
  for (let at = 0; at < 12; at++) client.report(findingOf(`web-${at % 4}`, `f-${at}`, HOSTILE));
  client.report(findingOf(HOSTILE, "f-hostile", HOSTILE));
  browser = await openBrowser();
  state = await signIn();
});

afterAll(async () => {
  await browser.close();
  await rig.close();
});

async function answer(request: LinkRequest, { rows }: RequestContext): Promise<unknown> {
  if (request.kind === "search") {
    if (request.query.includes("guest:broken")) throw new Error("the store is not to be read");
    const base = { kind: "process.exec", guest: "web-1", image: "/bin/sh" };
    await rows([1, 2, 3].map((pid) => ({ ...base, time: pid * 1000, pid, command_line: HOSTILE })));
    return { rows: 3, isComplete: true };
  }
  if (request.kind === "trace") return madeUpTrace(request.direction);
  if (request.kind !== "processes") return undefined;
  await rows([{ pid: 1, ppid: 0, start_ns: "1", command_line: HOSTILE, user: HOSTILE }]);
  return { rows: 1 };
}

/** A shell that a server started, that fetched a file and ran it; forward it did one thing more. */
function madeUpTrace(direction: string): object {
  const process = (pid: number, commandLine: string): object => ({
    ...{ id: `p${pid}`, kind: "process", label: commandLine, depth: 1 },
    process: {
      ...{
        guest: "web-1",
        boot: "b",
        pid,
        startNs: `${pid}0`,
        firstMs: pid * 1000,
        isOrphan: false,
      },
      ...{ image: "/bin/sh", commandLine, user: "root", sha256: "", doubts: [] },
    },
  });
  const edge = (kind: string, source: string, target: string, firstMs: number): object => ({
    ...{ kind, source, target, firstMs, lastMs: firstMs, count: 1, isTwoWay: false, doubts: [] },
  });
  const more = direction === "forward";
  return {
    ...{ format: "undercroft-provenance/1", start: "p7", direction, timeMs: 9000, spanMs: 1 },
    nodes: [
      ...[process(3, "sshd"), process(7, HOSTILE)],
      ...[{ id: "f", kind: "file", label: HOSTILE, depth: 1 }],
      ...(more ? [{ id: "a", kind: "address", label: "192.0.2.1:443", depth: 2 }] : []),
    ],
    edges: [
      ...[edge("fork", "p3", "p7", 7000), edge("execute", "f", "p7", 7500)],
      ...(more ? [edge("connect", "p7", "a", 9000)] : []),
    ],
    ...{ cuts: [{ entity: "f", reason: "degree", edges: 3 }], gaps: [] },
  };
}

async function signIn(): ReturnType<BrowserContext["storageState"]> {
  const { page, complaints, close } = await open("/", WIDE, "light");
  expect(await page.title()).toBe("Undercroft");
  await page.getByRole("link", { name: "I have an invitation" }).click();
  await page.goto(`${rig.manager.url}/#/invitation/${rig.manager.invitation}`);
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password, again").fill("another password");
  await page.keyboard.press("Enter");
  await page.getByText("The two passwords differ.").waitFor();
  await page.getByLabel("New password, again").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Guests by state" }).waitFor();
  const kept = await page.context().storageState();
  // Nobody was signed in when the page came: the manager says so once.
  expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
  await close();
  return kept;
}

async function open(
  address: string,
  size: Size,
  theme: "light" | "dark",
  language = "en-GB",
): Promise<{ page: Page; complaints: string[]; close: () => Promise<void> }> {
  const context = await browser.newContext({
    ...{ viewport: size, colorScheme: theme, locale: language, ignoreHTTPSErrors: true },
    ...(state === undefined ? {} : { storageState: { ...state, origins: [] } }),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(waitMs);
  const complaints = watch(page);
  await page.goto(`${rig.manager.url}${address}`);
  return { page, complaints, close: () => context.close() };
}

/** Waits for a text; where it does not come, says what is there instead. */
async function seen(page: Page, text: string): Promise<void> {
  try {
    await page.getByText(text).first().waitFor();
  } catch (cause) {
    const there = (await page.locator("body").ariaSnapshot()).slice(0, 4000);
    throw new Error(`${page.url()} does not show "${text}" but:\n${there}`, { cause });
  }
}

/** Each page, and a text that is there once it is drawn whole. */
const PAGES: ReadonlyArray<readonly [name: string, address: string, text: string]> = [
  ["overview", "/#/overview", "hv1"],
  ["guests", "/#/guests", "web-3"],
  ["guest", `/#/guests/${encodeURIComponent("id-web-0")}`, "Traffic since its server started"],
  ["findings", "/#/findings", "A miner"],
  ["findings-folded", "/#/findings?fold=1", "findings on"],
  ["finding", "/#/findings/f-1", "Why the rule matched"],
  ["hunt", "/#/hunt?q=kind%3Aprocess.exec", "1 of 1 servers answered"],
  ["trace", "/#/trace?guest=id-web-1&pid=7&start=70&time=9000", "was run by"],
  ["content", "/#/content", "Which server has what"],
  ["administration", "/#/administration", "useInvitation"],
  ["settings", "/#/settings", "Change password"],
];

const LOOKS = [
  ["wide", "light"],
  ["wide", "dark"],
  ["narrow", "light"],
  ["narrow", "dark"],
] as const;

test.each(LOOKS)("every page stands, %s and %s", async (width, theme) => {
  const size = width === "wide" ? WIDE : NARROW;
  const { page, complaints, close } = await open("/", size, theme);
  for (const [name, address, text] of PAGES) {
    await page.goto(`${rig.manager.url}${address}`);
    await seen(page, text);
    expect([name, await seriousFaults(page)]).toEqual([name, []]);
    expect([name, await overflow(page)]).toEqual([name, 0]);
    await keep(page, `${name}-${width}-${theme}`);
  }
  expect(complaints).toEqual([]);
  expect(await page.evaluate("globalThis.broken")).toBeUndefined();
  await close();
});

/** With UC_SCREENSHOTS each page is kept there as a picture. */
async function keep(page: Page, name: string): Promise<void> {
  const folder = process.env.UC_SCREENSHOTS;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

test("texts of guests are texts in every view, and what hides in them is named", async () => {
  const { page, close } = await open("/", WIDE, "light");
  const views = [
    "/#/guests",
    "/#/findings",
    "/#/findings/f-hostile",
    "/#/guests/id-web-0",
    "/#/hunt?q=x",
    "/#/trace?guest=id-web-1&pid=7",
  ];
  for (const address of views) {
    await page.goto(`${rig.manager.url}${address}`);
    await seen(page, "\\u{202e}");
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.getByText("\u202e").count()).toBe(0);
  }
  expect(await page.evaluate("globalThis.broken")).toBeUndefined();
  await close();
});

test("a finding is opened, judged and given a note by keys alone", async () => {
  const { page, close } = await open("/#/findings", WIDE, "light");
  await page.getByText("A miner").first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.keyboard.press("3");
  await page.getByText("1 finding set to True positive").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("o");
  await page.getByText("What happened").waitFor();
  await page.keyboard.press("n");
  await page.keyboard.type("seen on another guest too");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator(".note-text").getByText("seen on another guest too").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("g");
  await page.getByRole("heading", { name: "Guests" }).waitFor();
  await close();
});

test("a search is completed, run, narrowed and kept; who failed is said", async () => {
  const { page, close } = await open("/#/hunt", WIDE, "light");
  const box = page.getByRole("combobox");
  await box.fill("kind:process.ex");
  await page.getByRole("option", { name: "process.exec" }).waitFor();
  await page.keyboard.press("Tab");
  expect(await box.inputValue()).toBe("kind:process.exec");
  await page.keyboard.press("Enter");
  await page.getByText("3 rows").first().waitFor();
  await page.getByRole("button", { name: "image", exact: true }).click();
  await page.getByRole("button", { name: "Without this image" }).click();
  await expect.poll(() => box.inputValue()).toBe('kind:process.exec NOT image:"/bin/sh"');
  await page.getByText("3 rows").first().waitFor();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save as CSV" }).click(),
  ]);
  const text = readFileSync(await file.path(), "utf8");
  expect(text.split("\r\n")).toHaveLength(5);
  await box.fill("guest:broken");
  await page.keyboard.press("Enter");
  await page.getByText("0 of 1 servers answered").waitFor();
  await page.getByText("not complete").waitFor();
  await box.fill("nofield:1");
  await page.keyboard.press("Enter");
  await page.getByText("ERR_UC_SEARCH").waitFor();
  await close();
});

test("a trace is opened from its finding, seen at a time, and grows", async () => {
  const { page, close } = await open("/#/findings/f-1", WIDE, "light");
  await page.getByRole("link", { name: "Trace back" }).click();
  await seen(page, "At 1 place more would follow.");
  await page.getByRole("img", { name: "Graph of 3 nodes" }).waitFor();
  await page.getByRole("slider").focus();
  await page.keyboard.press("Home");
  await page.getByRole("img", { name: "Graph of 2 nodes" }).waitFor();
  await page.keyboard.press("End");
  await page.getByRole("button", { name: "\\u{202e}" }).first().click();
  await page.getByRole("button", { name: "More after" }).click();
  await seen(page, "1 node more");
  await page.getByRole("img", { name: "Graph of 4 nodes" }).waitFor();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save picture" }).click(),
  ]);
  expect(
    readFileSync(await file.path())
      .subarray(1, 4)
      .toString(),
  ).toBe("PNG");
  await close();
});

test("a wrong indicator, rule or policy is answered where it was written", async () => {
  const { page, close } = await open("/#/content", WIDE, "light");
  await page.getByLabel("Source").fill("ours");
  await page.getByLabel("Text").fill(`sha256:${"a".repeat(64)} | A miner | high\nnothing usable`);
  await page.getByRole("button", { name: "Send to all servers" }).click();
  await seen(page, "1 added, 0 removed, 1 entries not usable");
  await page.getByLabel("Value").fill("a".repeat(64));
  await page.getByRole("button", { name: "Look up" }).click();
  await seen(page, "ours · ");
  await page.getByRole("button", { name: "New rule" }).click();
  await page.getByLabel("Rule", { exact: true }).fill("title: x\ndetection: 5");
  await page.getByRole("button", { name: "Check and roll out" }).first().click();
  await seen(page, "rule-1.yml");
  await page.getByRole("alert").first().waitFor();
  await page.getByLabel("Policy", { exact: true }).fill("no policy at all");
  await page.getByRole("button", { name: "Check and roll out" }).last().click();
  await seen(page, "ERR_UC_POLICY");
  await close();
});

test("an admin adds a user, who signs in by the link and sees what the role allows", async () => {
  const { page, close } = await open("/#/administration", WIDE, "light");
  await page.getByText("Add user").first().click();
  const form = page.locator("details", { hasText: "Add user" });
  await form.getByLabel("Name").fill("reader");
  await form.getByLabel("Role").selectOption("read-only");
  await form.getByRole("button", { name: "Add user" }).click();
  const link = (await form.locator("pre").textContent()) ?? "";
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB" });
  const other = await context.newPage();
  await other.goto(link);
  await other.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await other.getByLabel("New password, again").fill(PASSWORD);
  await other.keyboard.press("Enter");
  await other.getByRole("heading", { name: "Guests by state" }).waitFor();
  expect(await other.getByRole("link", { name: "Admin" }).count()).toBe(0);
  await other.goto(`${rig.manager.url}/#/guests/id-web-0`);
  expect(await other.getByRole("button", { name: "Isolate" }).isDisabled()).toBe(true);
  await context.close();
  await close();
});

test("what a server tells appears without a reload", async () => {
  const { page, close } = await open("/#/guests", WIDE, "light");
  await page.getByText("web-3").waitFor();
  await rig.server("hv2", [guestNamed("late-guest")]);
  await page.getByText("late-guest").waitFor();
  await close();
});

test("the console speaks Chinese to who asks for it", async () => {
  const { page, close } = await open("/#/overview", NARROW, "light", "zh-CN");
  await page.getByRole("heading", { name: "总览" }).waitFor();
  expect(await page.getAttribute("html", "lang")).toBe("zh-CN");
  expect(await overflow(page)).toBe(0);
  await close();
});

test("canary: a page too wide, with faults and a script of its own is found out", async () => {
  const { page, complaints, close } = await open("/#/settings", WIDE, "light");
  await page.getByText("Change password").first().waitFor();
  await page.evaluate(() => {
    const fault = document.createElement("div");
    fault.innerHTML = "<input><button></button>";
    fault.style.width = "4000px";
    document.body.append(fault);
    const script = document.createElement("script");
    script.textContent = "globalThis.broken = 1";
    document.body.append(script);
  });
  const faults = await seriousFaults(page);
  expect(faults.some((text) => text.startsWith("button-name"))).toBe(true);
  expect(faults.some((text) => text.startsWith("label"))).toBe(true);
  expect(await overflow(page)).toBeGreaterThan(0);
  expect(complaints.some((text) => text.includes("Content Security Policy"))).toBe(true);
  expect(await page.evaluate("globalThis.broken")).toBeUndefined();
  await close();
});
