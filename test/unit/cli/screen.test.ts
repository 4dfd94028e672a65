// SPDX-License-Identifier: Apache-2.0
// The display must give a terminal back as it found it and stay plain elsewhere.
import { describe, expect, test } from "vitest";
import { Screen } from "../../../lib/cli/screen.ts";
import type { ViewState } from "../../../lib/cli/view.ts";

class Sink {
  text = "";
  readonly rows = 24;
  readonly columns = 80;
  readonly isTTY: boolean;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

const state: ViewState = {
  ...{ heading: "Undercroft", elapsedMs: 0, guest: "demo", state: "monitored", events: 5 },
  ...{ rates: new Map(), rings: [], loss: { named: 0, unaccounted: 0 } },
  ...{ findings: [], commands: [], recent: [], hint: "Ctrl-C ends" },
};

describe("Screen", () => {
  test("writes plain lines where there is no terminal", () => {
    const sink = new Sink(false);
    const screen = new Screen(sink);
    screen.log("guest: booting");
    screen.show(state);
    screen.close();
    expect(sink.text).toBe("[00:00] guest: booting\n");
  });

  test("gives a terminal back as it was, with the last state on it", () => {
    const sink = new Sink(true);
    const screen = new Screen(sink);
    screen.log("guest: booting");
    screen.show(state);
    screen.log("hidden while the view is up");
    screen.close();
    screen.close();
    expect(sink.text.split("\x1b[?1049h")).toHaveLength(2);
    const [, after = ""] = sink.text.split("\x1b[?25h\x1b[?1049l");
    expect(after).toContain("demo: monitored");
    expect(after).not.toContain("Ctrl-C");
    expect(sink.text).not.toContain("hidden");
  });
});
