// SPDX-License-Identifier: Apache-2.0
// Looks at everything that `undercroft doctor` judges, and judges nothing: what cannot be looked at
// is a fact, too. The judgement is in checks.ts.
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  type Stats,
  statfsSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { isUndercroftError } from "../../errors/errors.ts";
import { type HeldGuest, Holder } from "../../native/native.ts";
import { type DomainDescription, readDomainXml } from "../libvirt/domain-xml.ts";
import { type DomainState, openLibvirt } from "../libvirt/libvirt.ts";
import { regionOwner } from "../libvirt/region-provision.ts";
import { askService } from "../service-socket.ts";

/** A file as it lies there. */
export interface FileFact {
  readonly isFile: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly bytes: number;
}

/** A guest as the service tells of it. */
export interface ServedGuest {
  readonly name: string;
  readonly uuid?: string;
  readonly state: string;
  readonly driver?: { readonly mapKind: string };
}

export interface DomainFact extends DomainState {
  /** Live XML of a domain that runs, else the stored one. */
  readonly description: DomainDescription;
  /** User that its region must belong to. */
  readonly wantedUid: number;
}

export interface DoctorFacts {
  readonly hookPath: string;
  /** undefined: there is none. */
  readonly hook: FileFact | undefined;
  /** What the hook calls, and whether it is there. */
  readonly hookCommand: string;
  readonly hookCommandIsThere: boolean;
  readonly socketPath: string;
  readonly socket: FileFact | undefined;
  /** undefined: it does not answer. */
  readonly service:
    | { readonly guests: readonly ServedGuest[]; readonly redirector: string | undefined }
    | undefined;
  /** Why libvirt cannot be asked; undefined: it can. */
  readonly libvirtProblem: string | undefined;
  readonly domains: readonly DomainFact[];
  /** Regions by the UUID in their name. */
  readonly regions: ReadonlyMap<string, FileFact>;
  /** Guests at the holder; undefined: it does not answer. */
  readonly holder: readonly HeldGuest[] | undefined;
  readonly sharedMemoryFree: number;
  readonly missingPrograms: readonly string[];
}

export interface DoctorPlaces {
  readonly uri: string | undefined;
  readonly socketPath: string;
}

const hookPath = "/etc/libvirt/hooks/qemu.d/undercroft";
const defaultsPath = "/etc/default/undercroft";
const regionFolder = "/dev/shm";
const regionShape = /^undercroft-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const programs = ["ip", "nft"];

/** Gathers the facts; it changes nothing. */
export async function gatherFacts({ uri, socketPath }: DoctorPlaces): Promise<DoctorFacts> {
  const hookCommand = commandOfHook();
  const [program = ""] = hookCommand.split(" ");
  const { domains, problem } = await domainsOf(uri);
  return {
    ...{ hookPath, hook: fileFact(hookPath), hookCommand, socketPath },
    hookCommandIsThere: isProgram(program),
    socket: fileFact(socketPath),
    service: await serviceOf(socketPath),
    libvirtProblem: problem,
    domains,
    regions: regionsThere(),
    holder: heldGuests(),
    sharedMemoryFree: freeBytes(),
    missingPrograms: programs.filter((name) => !isProgram(name)),
  };
}

async function serviceOf(socketPath: string): Promise<DoctorFacts["service"]> {
  try {
    const answer = await askService(socketPath, { ask: "status" });
    const redirector = answer.redirector as string | undefined;
    return { guests: answer.guests as ServedGuest[], redirector };
  } catch {
    return undefined;
  }
}

async function domainsOf(
  uri: string | undefined,
): Promise<{ readonly domains: DomainFact[]; readonly problem: string | undefined }> {
  const domains: DomainFact[] = [];
  try {
    const libvirt = await openLibvirt(uri === undefined ? {} : { uri });
    try {
      for (const domain of await libvirt.domains()) {
        const which = domain.state === "off" ? "stored" : "live";
        const description = readDomainXml(await libvirt.xml(domain.uuid, which));
        domains.push({ ...domain, description, wantedUid: regionOwner(description).uid });
      }
    } finally {
      libvirt.close();
    }
    return { domains, problem: undefined };
  } catch (cause) {
    return { domains, problem: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** What UNDERCROFT= in the hook's defaults says, as the hook's shell would read it. */
function commandOfHook(): string {
  let text = "";
  try {
    text = readFileSync(defaultsPath, "utf8");
  } catch {
    // Without the file the hook has its own default.
  }
  const [, value = "undercroft"] = /^UNDERCROFT=["']?([^"'\n]*)/m.exec(text) ?? [];
  return value;
}

function regionsThere(): Map<string, FileFact> {
  const regions = new Map<string, FileFact>();
  for (const name of readdirSync(regionFolder)) {
    const [, uuid] = regionShape.exec(name) ?? [];
    const fact = uuid === undefined ? undefined : fileFact(join(regionFolder, name));
    if (uuid !== undefined && fact !== undefined) regions.set(uuid, fact);
  }
  return regions;
}

function fileFact(path: string): FileFact | undefined {
  let stat: Stats;
  try {
    stat = lstatSync(path);
  } catch {
    return undefined;
  }
  return { isFile: stat.isFile(), mode: stat.mode & 0o7777, uid: stat.uid, bytes: stat.size };
}

function heldGuests(): readonly HeldGuest[] | undefined {
  try {
    return new Holder().list();
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    return undefined;
  }
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(regionFolder);
  return bavail * bsize;
}

function isProgram(name: string): boolean {
  const folders = name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(folder === "" ? name : join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
