// SPDX-License-Identifier: Apache-2.0
// The live view must fit any terminal and let no text of a guest act on it.
import { describe, expect, test } from "vitest";
import { EventLines } from "../../../lib/cli/event-line.ts";
import { commandText, renderView, type ViewState } from "../../../lib/cli/view.ts";
import { exec, exit, finding, kill, verdict } from "./fixtures.ts";

const state: ViewState = {
  heading: "Undercroft 0.1.0",
  elapsedMs: 65_000,
  guest: "demo",
  state: "monitored",
  events: 1234,
  rates: new Map([["process", 12.4]]),
  rings: [{ name: "priority", used: 0.015 }],
  loss: { named: 3, unaccounted: 0 },
  findings: [finding("1", 100, "/etc/secret", "blocked")],
  commands: [kill(7n, 100, "1")],
  recent: ["exec  sh[1]"],
  hint: "Ctrl-C ends",
};

describe("renderView", () => {
  test("shows the state, rates, rings, loss, findings, commands and events", () => {
    const text = renderView(state, { rows: 24, columns: 100 }).join("\n");
    for (const part of [
      "01:05",
      "demo: monitored",
      "process 12",
      "total 1234",
      "priority 1.5 %",
      "3 named, 0 unaccounted",
      "blocked",
      "/etc/secret",
      "#7 kill-process pid 100 by policy:default in 40 ms",
      "exec  sh[1]",
      "Ctrl-C ends",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("fits any terminal", () => {
    const many = {
      ...state,
      findings: Array.from({ length: 50 }, (_, at) =>
        finding(`${at}`, at, "x".repeat(99), "killed"),
      ),
      recent: Array.from({ length: 50 }, (_, at) => `exec ${at} ${"y".repeat(200)}`),
    };
    for (const rows of [5, 10, 24, 60]) {
      const lines = renderView(many, { rows, columns: 40 });
      expect(lines.length).toBeLessThanOrEqual(rows);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
    }
  });

  test("lets no control character of a guest reach the terminal", () => {
    const hostile = "\x1b]0;owned\x07\x1b[2J\u202e\r\n";
    const lines = new EventLines();
    const line = lines.line(exec(9, 1, `/tmp/${hostile}`, ["a", hostile])) ?? "";
    const shown = renderView(
      {
        ...state,
        driver: {
          ...{ version: hostile, os: "linux", osVersion: hostile, cpuCount: 1 },
          ...{ mapKind: "write-back", capabilities: 0n, wireHash: 0 },
        },
        findings: [finding("1", 9, hostile, "killed")],
        recent: [line, lines.line(verdict(9, "open", hostile)) ?? ""],
      },
      { rows: 24, columns: 300 },
    );
    for (const text of shown) expect(text).not.toMatch(/\p{Cc}|\p{Cf}/u);
    expect(shown.join("")).toContain("\\x1b");
  });

  test("says the errno of a command that failed", () => {
    const failed = { ...kill(8n, 5, "1"), outcome: "failed", detail: 1 } as const;
    expect(commandText(failed)).toContain("failed    #8 kill-process pid 5");
    expect(commandText(failed)).toContain("(errno 1)");
  });
});

describe("EventLines", () => {
  test("indents a child under its parent", () => {
    const lines = new EventLines();
    expect(lines.line(exec(10, 1, "/bin/sh", ["sh", "x"]))).toBe("exec  sh[10] sh x");
    expect(lines.line(exec(11, 10, "/bin/ls", ["ls", "-l"]))).toBe("exec    ls[11] ls -l");
  });

  test("tells an end by signal and keeps quiet about an ordinary one", () => {
    const lines = new EventLines();
    lines.line(exec(10, 1, "/bin/sh", ["sh"]));
    expect(lines.line(exit(10, 9))).toBe("exit  sh[10] ended by signal 9");
    expect(lines.line(exit(11, 0))).toBeUndefined();
  });

  test("ends on processes that claim to be each other's parents", () => {
    const lines = new EventLines();
    lines.line(exec(10, 11, "/a", ["a"]));
    expect(lines.line(exec(11, 10, "/b", ["b"]))).toContain("b[11]");
  });
});
