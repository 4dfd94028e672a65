// SPDX-License-Identifier: Apache-2.0
// A simulated Windows guest end to end: operations of an intrusion, the driver's records, a region,
// the server, Sigma rules as their authors write them, findings, and commands that are obeyed.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { loadRules, parseIndicators } from "../../lib/detect/detect.ts";
import { DEFAULT_POLICY, policyRule, type ResponsePolicy } from "../../lib/response/response.ts";
import { buildSimulator, removeBuilt } from "./programs.ts";
import { until, WindowsGuest } from "./rig.ts";

const C = "\\Device\\HarddiskVolume3";
const USER = "S-1-5-21-1-2-3-1001";
const RUN = "\\REGISTRY\\MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run";
const SERVICES = "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\evil";

const rule = (title: string, category: string, level: string, detection: string): string =>
  `title: ${title}\nlogsource: {category: ${category}, product: windows}\nlevel: ${level}
detection:\n${detection}\n    condition: selection\n`;

const rules = loadRules(
  [
    rule(
      "Office starts a shell",
      "process_creation",
      "high",
      `    selection: {ParentImage|endswith: '\\winword.exe', Image|endswith: '\\powershell.exe',
        CommandLine|contains|all: ['-enc', 'hidden'], IntegrityLevel: Medium}`,
    ),
    rule(
      "Run key",
      "registry_set",
      "medium",
      `    selection: {TargetObject|contains: '\\Microsoft\\Windows\\CurrentVersion\\Run\\',
        Details|endswith: '\\updater.exe', Image|endswith: '\\powershell.exe'}`,
    ),
    rule(
      "Service by hand",
      "registry_set",
      "medium",
      `    selection: {TargetObject: 'HKLM\\System\\CurrentControlSet\\Services\\evil\\Start',
        Details: 'DWORD (0x00000002)'}`,
    ),
    rule(
      "Library from a temporary folder",
      "image_load",
      "low",
      `    selection: {ImageLoaded|startswith: 'C:\\Users\\', ImageLoaded|contains: '\\Temp\\'}`,
    ),
    rule(
      "Thread in another process",
      "create_remote_thread",
      "medium",
      `    selection: {SourceImage|endswith: '\\powershell.exe',
        TargetImage|endswith: '\\lsass.exe'}`,
    ),
    rule(
      "Dropped program",
      "file_event",
      "low",
      `    selection: {TargetFilename|endswith: '\\updater.exe'}`,
    ),
    rule("Driver", "driver_load", "high", `    selection: {ImageLoaded|contains: '\\Temp\\'}`),
    rule(
      "As the system",
      "process_creation",
      "low",
      `    selection: {User: 'NT AUTHORITY\\SYSTEM', Image|endswith: '\\lsass.exe'}`,
    ),
  ].map((text, index) => ({ name: `${index}.yml`, text })),
);

const policy: ResponsePolicy = {
  ...DEFAULT_POLICY,
  rules: [
    ...DEFAULT_POLICY.rules,
    policyRule({ name: "kill", tags: ["sigma"], severityMin: "high", actions: ["alert", "kill"] }),
  ],
};

let program = "";
let guest: WindowsGuest;
beforeAll(() => {
  program = buildSimulator();
});
afterEach(async () => {
  await guest.close();
});
afterAll(removeBuilt);

const utf16 = (text: string): string => Buffer.from(`${text}\0`, "utf16le").toString("hex");

test("an intrusion is found by Sigma rules, its shell is killed, its program refused", async () => {
  expect(rules.problems).toEqual([]);
  const indicators = parseIndicators("name:updater.exe | dropped | high\n", "test");
  guest = new WindowsGuest({ sigma: rules, policy, indicators });
  guest.start(program);
  await guest.boot();
  const temp = `${C}\\Users\\eve\\AppData\\Local\\Temp`;
  const shell = "powershell.exe -w hidden -enc SQBFAFgA";
  const image = `${C}\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe`;
  const answers = await guest.doAll([
    ["start", 700, 4, "S-1-5-18", 0x4000, `${C}\\Windows\\System32\\lsass.exe`, "lsass.exe"],
    ["start", 1000, 4, USER, 0x2000, `${C}\\Program Files\\Office\\WINWORD.EXE`, "WINWORD a.docm"],
    ["start", 1004, 1000, USER, 0x2000, image, shell],
    ["image", 1004, `${temp}\\a.dll`, 4096, 4096],
    ["key", 1004, "set", RUN, "Updater", 1, utf16("C:\\ProgramData\\updater.exe")],
    ["key", 1004, "set", SERVICES, "Start", 4, "02000000"],
    ["xkey", 1004, "set", SERVICES, "Start", 4, "02000000"],
    ["thread", 1004, 700, 77, 0x7ff812340000],
    ["image", 0, `\\??\\C:\\Users\\eve\\AppData\\Local\\Temp\\rootkit.sys`, 0, 4096],
  ]);
  expect(answers.every((answer) => answer === "ok")).toBe(true);
  const titles = () => [...guest.findings.values()].map(({ title }) => title).sort();
  await until("all findings", () => new Set(titles()).size >= 7);
  expect(titles()).toEqual([
    ...["As the system", "Driver", "Library from a temporary folder", "Office starts a shell"],
    ...["Run key", "Service by hand", "Thread in another process"],
  ]);
  const found = (title: string) =>
    [...guest.findings.values()].find((finding) => finding.title === title);
  expect(found("Office starts a shell")).toMatchObject({ field: "CommandLine", value: shell });
  expect(found("Run key")?.value).toMatch(/^HKLM\\SOFTWARE.*\\Run\\Updater$/);
  await until("the kill", () => found("Office starts a shell")?.disposition === "killed");
  expect(await guest.do("alive", 1004)).toBe("dead");
  // System is killed by nobody, whatever a rule says of it.
  expect(found("Driver")?.disposition).not.toBe("killed");
  expect(await guest.do("alive", 4)).toBe("alive");
  const refused = `${C}\\ProgramData\\Updater.exe`;
  expect(await guest.do("start", 1100, 1000, USER, 0x2000, refused, "updater")).toBe("denied");
  await until("the block", () =>
    [...guest.findings.values()].some(({ disposition }) => disposition === "blocked"),
  );
  expect(await guest.end()).toMatchObject({ violations: 0, status: 0 });
});
