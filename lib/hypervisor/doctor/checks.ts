// SPDX-License-Identifier: Apache-2.0
// Judges what facts.ts found: each problem that administrators of protected domains usually have,
// and what to do about it. Pure; called by `undercroft doctor`.
import type { DoctorFacts, DomainFact, FileFact, ServedGuest } from "./facts.ts";

/** Something that is wrong. */
export interface Complaint {
  /** What it is about: a part, or the name of a domain. */
  readonly about: string;
  readonly problem: string;
  /** What to do, as a command where there is one. */
  readonly fix: string;
  /** Works, but could be better. */
  readonly isAdvice?: true;
}

const regionBytesMin = 1 << 20;
const regionModeMax = 0o660;
const octal = (mode: number): string => `0${mode.toString(8)}`;

/** All that is wrong, the parts first, then the domains. */
export function diagnose(facts: DoctorFacts): Complaint[] {
  return [
    ...hookComplaints(facts),
    ...serviceComplaints(facts),
    ...libvirtComplaints(facts),
    ...leftovers(facts),
    ...spaceComplaints(facts),
    ...facts.domains.flatMap((domain) => domainComplaints(facts, domain)),
  ];
}

function hookComplaints({ hook, hookPath, ...facts }: DoctorFacts): Complaint[] {
  const about = "hook";
  if (hook === undefined) {
    const install = `install -D -m 755 hypervisor/libvirt/undercroft-hook ${hookPath}`;
    const fix = `${install}; then restart libvirtd`;
    return [{ about, problem: `${hookPath} is not there`, fix }];
  }
  const complaints: Complaint[] = [];
  if ((hook.mode & 0o100) === 0) {
    const problem = `${hookPath} is not executable, so libvirt passes it over`;
    complaints.push({ about, problem, fix: `chmod 755 ${hookPath}` });
  }
  if (hook.uid !== 0 || (hook.mode & 0o022) !== 0) {
    const problem = `${hookPath} may be changed by others than root, and root runs it`;
    complaints.push({ about, problem, fix: `chown root ${hookPath}; chmod 755 ${hookPath}` });
  }
  if (!facts.hookCommandIsThere) {
    complaints.push({
      about,
      problem: `it calls "${facts.hookCommand}", which is not there`,
      fix: "set UNDERCROFT= in /etc/default/undercroft to the program's path",
    });
  }
  return complaints;
}

function serviceComplaints({ service, socket, socketPath, ...facts }: DoctorFacts): Complaint[] {
  const complaints: Complaint[] = [];
  if (service === undefined) {
    const problem = `nothing answers at ${socketPath}`;
    complaints.push({ about: "service", problem, fix: "undercroft serve --libvirt, as root" });
  } else if (service.redirector !== "registered") {
    complaints.push({
      about: "redirector",
      problem: "it is not there: no traffic is watched and nothing can be dropped",
      fix: "undercroft redirector --region /dev/shm/undercroft-redirector",
    });
  }
  if (socket !== undefined && (socket.mode & 0o077) !== 0) {
    const problem = `${socketPath} has mode ${octal(socket.mode)}: others may command the service`;
    complaints.push({ about: "service", problem, fix: `chmod 600 ${socketPath}` });
  }
  for (const program of facts.missingPrograms) {
    const fix = `apt install ${program === "nft" ? "nftables" : "iproute2"}`;
    complaints.push({ about: "redirector", problem: `${program} is not installed`, fix });
  }
  return complaints;
}

function libvirtComplaints({ libvirtProblem }: DoctorFacts): Complaint[] {
  if (libvirtProblem === undefined) return [];
  return [{ about: "libvirt", problem: libvirtProblem, fix: "systemctl start libvirtd" }];
}

function leftovers({ regions, domains, libvirtProblem }: DoctorFacts): Complaint[] {
  if (libvirtProblem !== undefined) return [];
  const running = new Set(domains.filter(({ state }) => state !== "off").map(({ uuid }) => uuid));
  return [...regions.keys()]
    .filter((uuid) => !running.has(uuid))
    .map((uuid) => ({
      about: domains.find((domain) => domain.uuid === uuid)?.name ?? uuid,
      problem: `/dev/shm/undercroft-${uuid} was left behind: no domain of that UUID runs`,
      fix: `rm /dev/shm/undercroft-${uuid}`,
    }));
}

function spaceComplaints({ domains, regions, sharedMemoryFree }: DoctorFacts): Complaint[] {
  let wanted = 0;
  for (const { uuid, state, description } of domains) {
    if (description.region?.held !== undefined) continue;
    if (state === "off" && !regions.has(uuid)) wanted += description.region?.bytes ?? 0;
  }
  if (wanted <= sharedMemoryFree) return [];
  const [needs, has] = [wanted, sharedMemoryFree].map((bytes) => Math.ceil(bytes / 2 ** 20));
  const problem = `the protected domains that are off need ${needs} MiB there, ${has} MiB are free`;
  const fix = "mount -o remount,size=SIZE /dev/shm, or smaller regions (protect --size)";
  return [{ about: "/dev/shm", problem, fix }];
}

function domainComplaints(facts: DoctorFacts, domain: DomainFact): Complaint[] {
  const { name, uuid, state, description } = domain;
  const { region } = description;
  if (region === undefined) return [];
  const complaints: Complaint[] = [];
  const complain = (problem: string, fix: string): void => {
    complaints.push({ about: name, problem, fix });
  };
  const again = `undercroft unprotect ${name}; undercroft protect ${name}`;
  const { bytes, held } = region;
  if (region.model !== "ivshmem-plain" && held === undefined) {
    complain(`its device is ${region.model || "of no model"}, not ivshmem-plain`, again);
  }
  if (!region.isKept && held === undefined) {
    complain("its device keeps it from being migrated, saved or snapshotted with memory", again);
  }
  if (!Number.isInteger(Math.log2(bytes)) || bytes < regionBytesMin) {
    complain(`its region of ${bytes} bytes is no power of two of 1 MiB and more`, again);
  }
  if (held !== undefined && facts.holder === undefined) {
    const problem = "it has doorbells and the holder does not answer: it cannot start";
    complain(problem, "systemctl enable --now undercroft-holder");
  }
  if (state === "off") return complaints;
  const file = facts.regions.get(uuid);
  const restart = `virsh shutdown ${name}; virsh start ${name}`;
  if (held !== undefined) {
    const isLost = facts.holder?.find((guest) => guest.name === held)?.pid === undefined;
    if (facts.holder !== undefined && isLost) complain("the holder has lost its QEMU", restart);
  } else if (file === undefined) complain("it runs without its region's file", restart);
  else for (const problem of fileComplaints(domain, file, bytes)) complain(problem, restart);
  if (facts.service === undefined) return complaints;
  const served = facts.service.guests.find((guest) => guest.uuid === uuid);
  return [...complaints, ...servedComplaints(name, served)];
}

function fileComplaints(domain: DomainFact, file: FileFact, bytes: number): string[] {
  const complaints: string[] = [];
  if (!file.isFile) complaints.push("its region is no regular file");
  if (file.uid !== domain.wantedUid) {
    complaints.push(`its region belongs to user ${file.uid}, not to QEMU's ${domain.wantedUid}`);
  }
  if ((file.mode & ~regionModeMax) !== 0) {
    complaints.push(`its region has mode ${octal(file.mode)}: others can read what it does`);
  }
  if (file.bytes !== bytes) {
    complaints.push(`its region has ${file.bytes} bytes, its definition says ${bytes}`);
  }
  return complaints;
}

function servedComplaints(about: string, guest: ServedGuest | undefined): Complaint[] {
  if (guest === undefined) {
    const fix = "read the service's log: its region may have been refused";
    return [{ about, problem: "the service does not serve it", fix }];
  }
  if (guest.state === "offline") {
    const fix =
      "load the driver in the guest (modprobe undercroft); under Secure Boot or kernel lockdown " +
      "it must be signed with an enrolled key (mokutil --import)";
    return [{ about, problem: "no driver has registered", fix }];
  }
  const mapKind = guest.driver?.mapKind ?? "unknown";
  if (mapKind === "write-back" || mapKind === "unknown") return [];
  const problem = `its driver maps the region ${mapKind}: the device's BAR lies below 4 GiB`;
  const fix = "UEFI firmware places it above: virt-xml --edit --boot uefi, on a q35 machine";
  const complaint = { about, problem, fix };
  return [mapKind === "uncached" ? complaint : { ...complaint, isAdvice: true }];
}
