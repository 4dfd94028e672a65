// SPDX-License-Identifier: Apache-2.0
// Where the start command shows what happens: a view that redraws itself on a terminal, a log of
// lines anywhere else. It decides nothing and keeps no state of guests.
import { colourPaint, duration, plainPaint, renderView, type ViewState } from "./view.ts";

/** The part of a stream that a screen needs; `process.stdout` and `process.stderr` have it. */
export interface ScreenStream {
  readonly isTTY?: boolean;
  readonly rows?: number;
  readonly columns?: number;
  write(text: string): unknown;
}

const enterScreen = "\x1b[?1049h\x1b[?25l";
const leaveScreen = "\x1b[?25h\x1b[?1049l";
const summaryEveryMs = 10_000;

/** One command's display. */
export class Screen {
  readonly #stream: ScreenStream;
  readonly #live: boolean;
  readonly #paint = process.env.NO_COLOR ? plainPaint : colourPaint;
  readonly #startMs: number = performance.now();
  #entered = false;
  #last: ViewState | undefined;
  #summaryMs = 0;

  constructor(stream: ScreenStream) {
    this.#stream = stream;
    this.#live = stream.isTTY === true;
  }

  /** Milliseconds since this display began. */
  get elapsedMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Tells about one step or event. Hidden while the view is up: there the view shows it. */
  log(text: string): void {
    if (!this.#entered) this.#stream.write(`[${duration(this.elapsedMs)}] ${text}\n`);
  }

  /** Shows the state: redraws a terminal, or logs a summary now and then. */
  show(state: ViewState): void {
    this.#last = state;
    if (this.#live) {
      this.#draw(state);
    } else if (this.elapsedMs - this.#summaryMs >= summaryEveryMs) {
      this.#summaryMs = this.elapsedMs;
      this.log(summary(state));
    }
  }

  /** Gives the terminal back, with the last state left on it. */
  close(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#stream.write(leaveScreen);
    if (this.#last === undefined) return;
    const lines = renderView({ ...this.#last, hint: "" }, this.#size(), this.#paint);
    this.#stream.write(`${lines.join("\n").trimEnd()}\n`);
  }

  #draw(state: ViewState): void {
    if (!this.#entered) this.#stream.write(enterScreen);
    this.#entered = true;
    const lines = renderView(state, this.#size(), this.#paint);
    this.#stream.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }

  #size(): { rows: number; columns: number } {
    return { rows: this.#stream.rows ?? 24, columns: this.#stream.columns ?? 80 };
  }
}

function summary(state: ViewState): string {
  const { events, loss, findings, commands } = state;
  return (
    `${state.guest} ${state.state}: ${events} events, loss ${loss.named} named ` +
    `${loss.unaccounted} unaccounted, ${findings.length} findings, ${commands.length} commands`
  );
}
