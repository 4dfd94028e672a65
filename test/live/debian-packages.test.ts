// SPDX-License-Identifier: Apache-2.0
// The Debian packages as they are built: unpacked where no repository is near, the program runs and
// serves libvirt's hook, the units hold what they promise, and the driver's source is whole.
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
};
/** systemd's own scale: 0 is closed, 10 open. */
const exposureMax = {
  ...{ "undercroft.service": 2.5, "undercroft-redirector.service": 3.5 },
  "undercroft-holder.service": 2.5,
} as const;
const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

let folder = "";
let server = "";
let guest = "";

function unpack(name: string): string {
  const deb = readdirSync(join(root, "build/deb")).find((file) => file.startsWith(name)) ?? "";
  const to = join(folder, name);
  mkdirSync(to);
  execFileSync("dpkg-deb", ["-R", join(root, "build/deb", deb), to]);
  return to;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-deb-"));
  execFileSync(process.execPath, [join(root, "scripts/build-deb.ts"), "--fast"], { cwd: root });
  server = unpack("undercroft_");
  guest = unpack("undercroft-dkms_");
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true }));

test("the program runs on the Node.js it brings, with libvirt's binding beside it", () => {
  const home = join(server, "usr/lib/undercroft");
  const run = (...words: string[]): string =>
    execFileSync(join(home, "node"), words, { encoding: "utf8", env: {} });
  expect(run(join(home, "dist/cli/cli.js"), "--version")).toBe(`${version}\n`);
  expect(existsSync(join(home, "dist/hypervisor/libvirt/libvirt-child.js"))).toBe(true);
  expect(existsSync(join(home, "node_modules/koffi/package.json"))).toBe(true);
  expect(readFileSync(join(server, "usr/bin/undercroft"), "utf8")).toContain("/usr/lib/undercroft");
});

test("the holder runs, and its unit lets systemd keep its descriptors", () => {
  const program = join(server, "usr/lib/undercroft/undercroft-holder");
  const said = execFileSync(program, ["--help"], { encoding: "utf8" });
  expect(said).toContain("Usage: undercroft-holder");
  const unit = readFileSync(join(server, "lib/systemd/system/undercroft-holder.service"), "utf8");
  expect(unit).toMatch(/^FileDescriptorStoreMax=\d+$/m);
});

test("the hook of the package never keeps a guest from starting", () => {
  const hook = join(server, "etc/libvirt/hooks/qemu.d/undercroft");
  expect(statSync(hook).mode & 0o777).toBe(0o755);
  // Nothing of it is installed here, so that everything in it fails.
  const input = "<domain><name>x</name></domain>";
  const words = ["x", "prepare", "begin", "-"];
  expect(spawnSync(hook, words, { input, env: { PATH: "/usr/bin:/bin" } }).status).toBe(0);
});

test("maintainer scripts are shell that parses; what may be edited is kept", () => {
  for (const script of ["postinst", "prerm"]) {
    for (const tree of [server, guest]) {
      expect(spawnSync("sh", ["-n", join(tree, "DEBIAN", script)]).status).toBe(0);
      expect(readFileSync(join(tree, "DEBIAN", script), "utf8")).not.toContain("@VERSION@");
    }
  }
  const kept = readFileSync(join(server, "DEBIAN/conffiles"), "utf8");
  expect(kept).toContain("/etc/default/undercroft");
});

test("the driver's source is the repository's, under the name that DKMS looks for", () => {
  const source = join(guest, `usr/src/undercroft-${version}`);
  expect(readFileSync(join(source, "dkms.conf"), "utf8")).toContain(`"${version}"`);
  const args = ["-r", "-q", "--exclude=dkms.conf", join(root, "guest-drivers"), source];
  expect(spawnSync("diff", args).status).toBe(0);
});

describe.skipIf(!hasSystemd)("the units", () => {
  test("are understood, and name programs and users that the package brings", () => {
    const unitFolder = join(server, "lib/systemd/system");
    for (const name of readdirSync(unitFolder)) {
      const path = join(folder, name);
      const text = readFileSync(join(unitFolder, name), "utf8");
      const program = /^ExecStart=(\/usr\/(bin|lib)\/undercroft\S*) /m.exec(text)?.[1] ?? "none";
      expect(existsSync(join(server, program)), `${name}: ${program}`).toBe(true);
      writeFileSync(path, text.replaceAll(program, "/bin/true"));
    }
    const names = readdirSync(unitFolder).map((name) => join(folder, name));
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` };
    const said = spawnSync("systemd-analyze", ["verify", ...names], { encoding: "utf8", env });
    expect(said.stderr).not.toMatch(/undercroft[^ ]*\.service:\d+/);
  });

  test.each(Object.entries(exposureMax))("%s is sandboxed", (name, max) => {
    const path = join(server, "lib/systemd/system", name);
    const exposure = (file: string): number => {
      const words = ["security", "--offline=true", "--no-pager", file];
      const said = spawnSync("systemd-analyze", words, { encoding: "utf8" });
      return Number(/exposure level.*?: ([\d.]+)/.exec(said.stdout)?.[1] ?? Number.NaN);
    };
    expect(exposure(path)).toBeLessThanOrEqual(max);
    // Canary: without its sandbox the same unit is open.
    const bare = join(folder, `bare-${name}`);
    writeFileSync(bare, "[Service]\nExecStart=/bin/true\n");
    expect(exposure(bare)).toBeGreaterThan(9);
  });
});
