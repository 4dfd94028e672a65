// SPDX-License-Identifier: Apache-2.0
// Matches events against exact indicators: hashes, paths and names by look-up, command lines by
// one pass for all texts. Made by the server from a parsed list.
import type {
  Detection,
  GuestEvent,
  GuestNetworkEvent,
  Indicator,
  IndicatorKind,
  ProcessExecEvent,
} from "../model/model.ts";
import type { Detector } from "./detector.ts";
import { indicatorDetection } from "./indicator-detection.ts";
import { NetworkMatch } from "./network-match.ts";
import { SubstringIndex } from "./substring-index.ts";

const NONE: readonly Detection[] = [];

/** Command line of an exec as people write it. */
export function commandLine(event: ProcessExecEvent): string {
  return event.arguments.join(" ");
}

/** A detector over a fixed list of indicators. */
export class IndicatorMatch implements Detector {
  readonly #hashes: Map<string, Indicator>;
  readonly #paths: Map<string, Indicator>;
  readonly #names: Map<string, Indicator>;
  readonly #lines: readonly Indicator[];
  readonly #lineIndex: SubstringIndex;
  readonly #network: NetworkMatch;

  constructor(indicators: readonly Indicator[]) {
    const store = (kind: IndicatorKind): Map<string, Indicator> =>
      new Map(indicators.filter((one) => one.kind === kind).map((one) => [one.value, one]));
    this.#hashes = store("sha256");
    this.#paths = store("path");
    this.#names = store("name");
    this.#lines = indicators.filter(({ kind }) => kind === "command-line");
    this.#lineIndex = new SubstringIndex(this.#lines.map(({ value }) => value));
    this.#network = new NetworkMatch(indicators);
  }

  detectNetwork(event: GuestNetworkEvent): readonly Detection[] {
    return this.#network.detect(event);
  }

  detect(event: GuestEvent): readonly Detection[] {
    switch (event.kind) {
      case "process.hash":
        return this.#look(this.#hashes, NONE, event, "sha256", event.sha256);
      case "process.exec":
      case "process.existing":
        return this.#exec(event);
      case "image.load":
        return this.#path(NONE, event, "path", event.path);
      case "file.rename":
        return this.#path(
          this.#path(NONE, event, "oldPath", event.oldPath),
          event,
          "path",
          event.path,
        );
      case "file.create":
      case "file.open":
      case "file.close":
      case "file.write":
      case "file.attributes":
      case "file.delete":
        return this.#path(NONE, event, "path", event.path);
      case "module.load":
        return this.#look(this.#names, NONE, event, "name", event.name);
      case "socket.connect":
      case "socket.send":
      case "dns.query":
        return this.#network.detectSocket(event);
      default:
        return NONE;
    }
  }

  #exec(event: ProcessExecEvent): readonly Detection[] {
    let found = this.#path(NONE, event, "path", event.path);
    if (event.requestedPath !== event.path) {
      found = this.#path(found, event, "requestedPath", event.requestedPath);
    }
    if (this.#lines.length === 0) return found;
    const line = commandLine(event);
    for (const index of this.#lineIndex.find(line)) {
      const indicator = this.#lines[index];
      if (indicator === undefined) continue;
      found = [...found, indicatorDetection(indicator, event, "arguments", line)];
    }
    return found;
  }

  #path(
    found: readonly Detection[],
    event: GuestEvent,
    field: string,
    path: string,
  ): readonly Detection[] {
    if (path === "") return found;
    const both = this.#look(this.#paths, found, event, field, path);
    if (this.#names.size === 0) return both;
    return this.#look(this.#names, both, event, field, path.slice(path.lastIndexOf("/") + 1));
  }

  #look(
    store: Map<string, Indicator>,
    found: readonly Detection[],
    event: GuestEvent,
    field: string,
    value: string,
  ): readonly Detection[] {
    const indicator = store.get(value);
    if (indicator === undefined) return found;
    if (found.some(({ rule }) => rule === indicator.id)) return found;
    return [...found, indicatorDetection(indicator, event, field, value)];
  }
}
