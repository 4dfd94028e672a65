// SPDX-License-Identifier: Apache-2.0
// Names as people and rules write them, for those of the Windows kernel: devices become drives,
// security identifiers become users. One for each guest; guest-service.ts passes every event of a
// Windows guest through it. What is not known stays as it came.
import type { ControlRecord, GuestEvent, ProcessExecEvent } from "../model/model.ts";

type VolumeRecord = Extract<ControlRecord, { kind: "volume" }>;

/** A guest cannot grow the tables: what comes beyond is not learnt. */
const VOLUMES_MAX = 256;
const USERS_MAX = 4096;

// Well-known identifiers ([MS-DTYP] 2.4.2.4), as Windows writes their names in English.
const WELL_KNOWN: ReadonlyMap<string, string> = new Map([
  ["S-1-5-7", "NT AUTHORITY\\ANONYMOUS LOGON"],
  ["S-1-5-17", "NT AUTHORITY\\IUSR"],
  ["S-1-5-18", "NT AUTHORITY\\SYSTEM"],
  ["S-1-5-19", "NT AUTHORITY\\LOCAL SERVICE"],
  ["S-1-5-20", "NT AUTHORITY\\NETWORK SERVICE"],
]);
const NUMBERED: ReadonlyArray<readonly [prefix: string, name: string]> = [
  ["S-1-5-90-0-", "Window Manager\\DWM-"],
  ["S-1-5-96-0-", "Font Driver Host\\UMFD-"],
];
const PROFILE = /\\ProfileList\\(S-1-5-21(?:-\d+){4})$/i;

/** Names of one guest. */
export class WindowsNames {
  /** Mount point by device in lower case. */
  readonly #mounts = new Map<string, string>();
  readonly #users = new Map<string, string>();

  /** The driver told of a volume. */
  volume({ device, mountPoint, isGone }: VolumeRecord): void {
    const key = device.toLowerCase();
    if (isGone || mountPoint === "") this.#mounts.delete(key);
    else if (this.#mounts.size < VOLUMES_MAX || this.#mounts.has(key)) {
      this.#mounts.set(key, mountPoint);
    }
  }

  /** The event with the names that people use; the same object where there is nothing to change. */
  translate(event: GuestEvent): GuestEvent {
    switch (event.kind) {
      case "process.exec":
      case "process.existing":
        return this.#exec(event);
      case "file.rename":
        return { ...event, path: this.path(event.path), oldPath: this.path(event.oldPath) };
      case "module.load":
      case "module.unload":
        return { ...event, name: this.path(event.name) };
      case "value.set":
        this.#learnUser(event.key, event.name, event.valueType, event.data);
        return event;
      default: {
        if (!("path" in event)) return event;
        const path = this.path(event.path);
        return path === event.path ? event : { ...event, path };
      }
    }
  }

  /** A path of the kernel as a path of a drive or a share. */
  path(path: string): string {
    if (!path.startsWith("\\")) return path;
    if (path.startsWith("\\??\\UNC\\")) return `\\${path.slice(7)}`;
    if (path.startsWith("\\??\\")) return this.path(path.slice(4));
    if (/^\\systemroot\\/i.test(path)) return `C:\\Windows${path.slice(11)}`;
    const end = path.indexOf("\\", path.indexOf("\\", 1) + 1);
    const device = (end < 0 ? path : path.slice(0, end)).toLowerCase();
    if (device === "\\device\\mup") return `\\${path.slice(end)}`;
    const mount = this.#mounts.get(device);
    return mount === undefined || end < 0 ? path : mount + path.slice(end);
  }

  /** The user behind an identifier, or the identifier. */
  user(sid: string): string {
    const known = WELL_KNOWN.get(sid) ?? this.#users.get(sid);
    if (known !== undefined) return known;
    const numbered = NUMBERED.find(([prefix]) => sid.startsWith(prefix));
    return numbered === undefined ? sid : numbered[1] + sid.slice(numbered[0].length);
  }

  #exec(event: ProcessExecEvent): ProcessExecEvent {
    const { path, requestedPath, user } = event;
    return {
      ...event,
      path: this.path(path),
      requestedPath: this.path(requestedPath),
      user: this.user(user),
    };
  }

  // A profile's folder has the user's name, as a rule; a guess that fits beats a number.
  #learnUser(key: string, name: string, valueType: number, data: string): void {
    const sid = PROFILE.exec(key)?.[1];
    const isText = valueType === 1 || valueType === 2;
    if (sid === undefined || !isText || name.toLowerCase() !== "profileimagepath") return;
    const folder = Buffer.from(data, "hex").toString("utf16le").replace(/\0.*$/s, "");
    const user = folder.slice(folder.lastIndexOf("\\") + 1);
    if (user !== "" && this.#users.size < USERS_MAX) this.#users.set(sid.toUpperCase(), user);
  }
}
