// SPDX-License-Identifier: Apache-2.0
// From a line of a Windows log (Sysmon's) to operations of the simulator that make the driver see
// the same thing. Called by recordings.test.ts for each recording with a stage of its own.
import type { SigmaEvent } from "../../lib/detect/detect.ts";
import type { GuestEventKind } from "../../lib/model/model.ts";

type Word = string | number;

/** What to do, and the record that must come of it. */
export interface Plan {
  readonly logged: SigmaEvent;
  readonly lines: ReadonlyArray<readonly Word[]>;
  readonly kind: GuestEventKind;
}

const INTEGRITY: ReadonlyMap<string, number> = new Map([
  ["Low", 0x1000],
  ["Medium", 0x2000],
  ["High", 0x3000],
  ["System", 0x4000],
]);
const EXISTING_MAX = 400;

/** Processes of one recording: machines and numbers of the log become numbers of one simulator. */
export class Stage {
  readonly #pids = new Map<string, number>();
  readonly #before: Array<readonly Word[]> = [];
  #next = 1000;

  get existing(): number {
    return this.#before.length;
  }

  /** Processes that ran before the log began. */
  before(): ReadonlyArray<readonly Word[]> {
    return this.#before;
  }

  /** The process of a log line; one that nobody saw starting was there before. */
  pid(guid: string, image: string, commandLine = ""): number | undefined {
    const known = this.#pids.get(guid);
    if (known !== undefined) return known;
    if (this.#before.length >= EXISTING_MAX) return undefined;
    const pid = this.started(guid);
    const path = kernelPath(image);
    this.#before.push(["exists", pid, 4, "S-1-5-18", 0x2000, path, commandLine]);
    return pid;
  }

  started(guid: string): number {
    this.#next += 4;
    this.#pids.set(guid, this.#next);
    return this.#next;
  }
}

/** The operations for one line; none for what the driver has no sensor for. */
export function planOf(logged: SigmaEvent, stage: Stage): Plan[] {
  if (logged.source.service !== "sysmon") return [];
  const text = (name: string): string => String(logged.get(name) ?? "");
  const make = (kind: GuestEventKind, ...lines: ReadonlyArray<readonly Word[]>): Plan[] => [
    { logged, lines, kind },
  ];
  const id = Number(logged.get("EventID"));
  if (id === 1) return startOf(logged, stage, text);
  const image = text("Image") || text("SourceImage");
  const guid = text("ProcessGuid") || text("SourceProcessGuid");
  const pid = stage.pid(guid, image);
  if (pid === undefined || guid === "") return [];
  const file = (operation: string): readonly Word[] => [
    ...["file", pid, operation, kernelPath(text("TargetFilename")), ""],
  ];
  switch (id) {
    case 7:
      return make("image.load", ["image", pid, kernelPath(text("ImageLoaded")), 4096, 4096]);
    case 8: {
      const target = stage.pid(text("TargetProcessGuid"), text("TargetImage"));
      if (target === undefined || target === pid) return [];
      // The driver knows more here than the log did.
      if (text("TargetImage").includes("unknown process")) return [];
      return make("thread.remote", ["thread", pid, target, 77, text("StartAddress")]);
    }
    case 11:
      return make("file.create", file("create"));
    case 12:
    case 13:
    case 14:
      return registryPlan(logged, id, pid, text);
    case 23:
    case 26:
      return make("file.delete", file("delete"));
    default:
      return [];
  }
}

function startOf(logged: SigmaEvent, stage: Stage, text: (name: string) => string): Plan[] {
  const parentGuid = text("ParentProcessGuid");
  const parent = stage.pid(parentGuid, text("ParentImage"), text("ParentCommandLine"));
  if (parent === undefined || text("ProcessGuid") === "") return [];
  const pid = stage.started(text("ProcessGuid"));
  const integrity = INTEGRITY.get(text("IntegrityLevel")) ?? 0x2000;
  const path = kernelPath(text("Image"));
  const start = ["start", pid, parent, "S-1-5-18", integrity, path, text("CommandLine")];
  return [{ logged, lines: [start], kind: "process.exec" }];
}

const KEY_KINDS: Readonly<Record<string, readonly [GuestEventKind, operation: string]>> = {
  CreateKey: ["key.create", "create"],
  DeleteKey: ["key.delete", "delete"],
  DeleteValue: ["value.delete", "unset"],
};

function registryPlan(
  logged: SigmaEvent,
  id: number,
  pid: number,
  text: (name: string) => string,
): Plan[] {
  const object = text("TargetObject");
  const key = kernelKey(object);
  const cut = key.lastIndexOf("\\");
  const name = key.slice(cut + 1);
  const value: readonly Word[] = [key.slice(0, cut), name === "(Default)" ? "" : name];
  if (id === 13) {
    const [type, data] = dataOf(text("Details"));
    const lines = [["key", pid, "set", ...value, type, data]];
    return [{ logged, lines, kind: "value.set" }];
  }
  if (id === 14) {
    return [{ logged, lines: [["key", pid, "rename", key, text("NewName")]], kind: "key.rename" }];
  }
  const known = KEY_KINDS[text("EventType")];
  if (known === undefined) return [];
  const [kind, operation] = known;
  const words = kind === "value.delete" ? value : [key];
  return [{ logged, lines: [["key", pid, operation, ...words]], kind }];
}

/** Type and data that Sysmon shows so. */
function dataOf(details: string): readonly [type: number, hex: string] {
  const dword = /^DWORD \(0x([0-9a-f]{8})\)$/i.exec(details)?.[1];
  if (dword !== undefined) return [4, littleEndian(dword)];
  const qword = /^QWORD \(0x([0-9a-f]{8})-0x([0-9a-f]{8})\)$/i.exec(details);
  if (qword !== null) return [11, littleEndian(qword[2] ?? "") + littleEndian(qword[1] ?? "")];
  if (details === "Binary Data") return [3, "00"];
  if (details === "(Empty)") return [1, ""];
  return [1, Buffer.from(`${details}\0`, "utf16le").toString("hex")];
}

const littleEndian = (hex: string): string => Buffer.from(hex, "hex").reverse().toString("hex");

/** A path as the kernel names it. */
function kernelPath(path: string): string {
  if (/^c:\\/i.test(path)) return `\\Device\\HarddiskVolume3${path.slice(2)}`;
  return path.startsWith("\\\\") ? `\\Device\\Mup${path.slice(1)}` : path;
}

function kernelKey(object: string): string {
  return object
    .replace(/^HKLM(?=\\|$)/, "\\REGISTRY\\MACHINE")
    .replace(/^HKU(?=\\|$)/, "\\REGISTRY\\USER");
}
