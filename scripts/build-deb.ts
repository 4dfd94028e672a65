// SPDX-License-Identifier: Apache-2.0
// Makes the Debian packages, in build/deb: `npm run build:deb`. One for hypervisor hosts, with its
// own Node.js because Debian's is older, and one of the guest driver's source for DKMS. Needs the
// built addon, which the bootstrap sees to, and dpkg-deb; builds lib/ itself. --fast packs loosely.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "build/deb");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
};
const maintainer = "Undercroft <undercroft@localhost>";
const home = "usr/lib/undercroft";
const prebuild = "prebuilds/linux-x64-glibc";

interface DebianPackage {
  readonly name: string;
  readonly architecture: "amd64" | "all";
  readonly depends: string;
  readonly description: string;
  /** Files that an administrator may change. */
  readonly conffiles: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: true; readonly optional?: true }>>;
}

rmSync(out, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, "scripts/build.ts")], { cwd: root, stdio: "inherit" });
buildServerPackage();
buildDriverPackage();

function buildServerPackage(): void {
  const tree = join(out, "hypervisor");
  copy("dist", tree, `${home}/dist`);
  copy("build/undercroft.node", tree, `${home}/${prebuild}/undercroft.node`);
  const sum = createHash("sha256").update(readFileSync(join(root, "build/undercroft.node")));
  put(tree, `${home}/${prebuild}/SHA256SUMS`, `${sum.digest("hex")}  undercroft.node\n`, 0o644);
  copy("build/undercroft-holder", tree, `${home}/undercroft-holder`);
  copy("package.json", tree, `${home}/package.json`);
  copy("guest-drivers", tree, `${home}/guest-drivers`);
  copy("rules", tree, "usr/share/undercroft/rules");
  copy("LICENSES", tree, "usr/share/doc/undercroft/LICENSES");
  copy("docs", tree, "usr/share/doc/undercroft/docs");
  for (const path of installedPackages()) copy(path, tree, `${home}/${path}`);
  copy("node_modules/node/bin/node", tree, `${home}/node`);
  put(tree, "usr/bin/undercroft", `#!/bin/sh\nexec /${home}/node /${home}/dist/cli/cli.js "$@"\n`);
  const units = "hypervisor/systemd";
  for (const unit of ["undercroft", "undercroft-redirector", "undercroft-holder"]) {
    copy(`${units}/${unit}.service`, tree, `lib/systemd/system/${unit}.service`);
  }
  copy(`${units}/undercroft.sysusers`, tree, "usr/lib/sysusers.d/undercroft.conf");
  copy(`${units}/undercroft.tmpfiles`, tree, "usr/lib/tmpfiles.d/undercroft.conf");
  copy(`${units}/undercroft.default`, tree, "etc/default/undercroft");
  copy("hypervisor/libvirt/undercroft-hook", tree, "etc/libvirt/hooks/qemu.d/undercroft");
  pack(tree, {
    name: "undercroft",
    architecture: "amd64",
    depends: "libvirt0 (>= 6.6), libvirt-daemon-system, nftables, iproute2, systemd",
    description: "agentless endpoint detection and response for libvirt's domains",
    conffiles: ["/etc/default/undercroft", "/etc/libvirt/hooks/qemu.d/undercroft"],
    scripts: { postinst: "postinst", prerm: "prerm" },
  });
}

function buildDriverPackage(): void {
  const tree = join(out, "guest");
  copy("guest-drivers", tree, `usr/src/undercroft-${version}`);
  copy("guest-drivers/linux/dkms.conf", tree, `usr/src/undercroft-${version}/dkms.conf`);
  put(tree, "usr/lib/modules-load.d/undercroft.conf", "undercroft\n", 0o644);
  pack(tree, {
    name: "undercroft-dkms",
    architecture: "all",
    depends: "dkms (>= 3), gcc, make",
    description: "Undercroft's Linux guest driver, built by DKMS",
    conffiles: [],
    scripts: { postinst: "dkms.postinst", prerm: "dkms.prerm" },
  });
}

/** Packages that the program needs at run time, by their folders, with the one that is optional. */
function installedPackages(): string[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && existsSync(join(root, path)))
    .map(([path]) => path);
}

function copy(from: string, tree: string, to: string): void {
  mkdirSync(dirname(join(tree, to)), { recursive: true });
  cpSync(join(root, from), join(tree, to), { recursive: true, dereference: true });
}

function put(tree: string, path: string, text: string, mode = 0o755): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
  chmodSync(join(tree, path), mode);
}

function pack(tree: string, one: DebianPackage): void {
  const control = join(tree, "DEBIAN");
  mkdirSync(control, { recursive: true });
  const fields = [
    `Package: ${one.name}`,
    `Version: ${version}`,
    `Architecture: ${one.architecture}`,
    `Maintainer: ${maintainer}`,
    `Depends: ${one.depends}`,
    "Section: admin",
    "Priority: optional",
    `Description: ${one.description}`,
  ];
  writeFileSync(join(control, "control"), `${fields.join("\n")}\n`);
  if (one.conffiles.length > 0) {
    writeFileSync(join(control, "conffiles"), `${one.conffiles.join("\n")}\n`);
  }
  for (const [script, source] of Object.entries(one.scripts)) {
    const text = readFileSync(join(root, "hypervisor/debian", source), "utf8");
    writeFileSync(join(control, script), text.replaceAll("@VERSION@", version));
    chmodSync(join(control, script), 0o755);
  }
  const file = join(out, `${one.name}_${version}_${one.architecture}.deb`);
  const pressed = process.argv.includes("--fast") ? "-Zgzip" : "-Zxz";
  const args = ["--root-owner-group", pressed, "--build", tree, file];
  execFileSync("dpkg-deb", args, { stdio: ["ignore", "ignore", "inherit"] });
  rmSync(tree, { recursive: true });
  console.log(file.slice(root.length + 1));
}
