// SPDX-License-Identifier: Apache-2.0
// Reads JSON objects from a file, one after the other: one a line, or each over many lines as tools
// print them. A part that is no JSON is told with its line, and does not end the reading.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UndercroftError } from "../errors/errors.ts";

/** Characters of one object; more is taken for damage. */
const RECORD_LENGTH_MAX = 16 << 20;

/** An object with the line that it begins in, or what is wrong there. */
export type JsonRecord =
  | { readonly line: number; readonly record: Readonly<Record<string, unknown>> }
  | { readonly line: number; readonly fault: string };

/**
 * The objects of a file.
 * @throws {UndercroftError} ERR_UC_CONFIG where the file cannot be read
 */
export async function* readJsonRecords(path: string): AsyncGenerator<JsonRecord> {
  const collected = new Collected();
  let number = 0;
  try {
    const input = createReadStream(path, "utf8");
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      const found = collected.add(number === 1 ? line.replace(/^\uFEFF/, "") : line, number);
      if (found !== undefined) yield found;
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot read ${path}: ${reason}`;
    throw new UndercroftError("ERR_UC_CONFIG", message, { path }, { cause });
  }
  const rest = collected.end();
  if (rest !== undefined) yield rest;
}

/** Lines until their braces balance. */
class Collected {
  #lines: string[] = [];
  #firstLine = 0;
  #length = 0;
  #depth = 0;
  #isInText = false;

  add(line: string, number: number): JsonRecord | undefined {
    // Brackets and commas around objects, as in one great list, mean nothing here.
    if (this.#lines.length === 0) {
      const text = line.trim().replace(/^[[,\]\s]+|[,\]\s]+$/g, "");
      if (text === "") return undefined;
      if (text.startsWith("{") && text.endsWith("}")) {
        const record = parsed(text);
        if (record !== undefined) return { line: number, record };
      }
      if (!text.startsWith("{")) return { line: number, fault: "is no JSON object" };
      this.#firstLine = number;
    }
    this.#lines.push(line);
    this.#length += line.length;
    this.#follow(line);
    const isOver = this.#depth <= 0 || this.#length > RECORD_LENGTH_MAX;
    return isOver ? this.end() : undefined;
  }

  /** What has been collected, complete or not. */
  end(): JsonRecord | undefined {
    if (this.#lines.length === 0) return undefined;
    const text = this.#lines
      .join("\n")
      .trim()
      .replace(/^[[,\]\s]+|[,\]\s]+$/g, "");
    const line = this.#firstLine;
    this.#lines = [];
    this.#length = 0;
    this.#depth = 0;
    this.#isInText = false;
    const record = parsed(text);
    return record === undefined ? { line, fault: "is no JSON object" } : { line, record };
  }

  /** Counts the braces of a line that are not in a text. */
  #follow(line: string): void {
    for (let at = 0; at < line.length; at++) {
      const character = line[at];
      if (this.#isInText) {
        if (character === "\\") at += 1;
        else if (character === '"') this.#isInText = false;
      } else if (character === '"') this.#isInText = true;
      else if (character === "{") this.#depth += 1;
      else if (character === "}") this.#depth -= 1;
    }
    // No text goes on in the next line.
    this.#isInText = false;
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
    return isRecord ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
