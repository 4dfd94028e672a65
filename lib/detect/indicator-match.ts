// SPDX-License-Identifier: Apache-2.0
// Matches events against indicators: hashes, paths and names by look-up, command lines by one pass
// for all texts, network events by their own part. Made by the server from a parsed list, or from
// a store that somebody else fills.
import type {
  Detection,
  GuestEvent,
  GuestNetworkEvent,
  Indicator,
  ProcessExecEvent,
} from "../model/model.ts";
import type { Detector } from "./detector.ts";
import { IndicatorLook, NONE } from "./indicator-look.ts";
import { IndicatorStore } from "./intel/indicator-store.ts";
import { matchNetwork, matchSocket } from "./network-match.ts";

/** Command line of an exec as people write it. */
export function commandLine(event: ProcessExecEvent): string {
  return event.arguments.join(" ");
}

/** A detector over indicators. */
export class IndicatorMatch implements Detector {
  readonly #look: IndicatorLook;

  /** A store that is given is used as it is, and may change between events. */
  constructor(indicators: readonly Indicator[] | IndicatorStore) {
    if (indicators instanceof IndicatorStore) {
      this.#look = new IndicatorLook(indicators);
      return;
    }
    const store = new IndicatorStore();
    for (const indicator of indicators) store.add(indicator);
    this.#look = new IndicatorLook(store);
  }

  detectNetwork(event: GuestNetworkEvent): readonly Detection[] {
    return matchNetwork(this.#look, event);
  }

  detect(event: GuestEvent): readonly Detection[] {
    switch (event.kind) {
      case "process.hash":
        return this.#look.look(NONE, event, "sha256", "sha256", event.sha256);
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
        return this.#look.look(NONE, event, "name", "name", event.name);
      case "socket.connect":
      case "socket.send":
      case "dns.query":
        return matchSocket(this.#look, event);
      default:
        return NONE;
    }
  }

  #exec(event: ProcessExecEvent): readonly Detection[] {
    let found = this.#path(NONE, event, "path", event.path);
    if (event.requestedPath !== event.path) {
      found = this.#path(found, event, "requestedPath", event.requestedPath);
    }
    if (this.#look.store.count("command-line") === 0) return found;
    return this.#look.lookLine(found, event, "arguments", commandLine(event));
  }

  #path(
    found: readonly Detection[],
    event: GuestEvent,
    field: string,
    path: string,
  ): readonly Detection[] {
    if (path === "") return found;
    const { store } = this.#look;
    const both =
      store.count("path") === 0 ? found : this.#look.look(found, event, field, "path", path);
    if (store.count("name") === 0) return both;
    const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
    return this.#look.look(both, event, field, "name", name);
  }
}
