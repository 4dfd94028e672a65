// SPDX-License-Identifier: Apache-2.0
// Gets a machine ready and runs a script of this repository on its own Node.js:
//   node scripts/bootstrap.mjs [need...] -- script [args...]
// Every npm script starts here, so this file is plain JavaScript that Node 18 runs without
// node_modules. It writes to stderr only: stdout belongs to the script.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const startMs = Date.now();
const ownNode = path.join(root, "node_modules/node/bin/node");
const logDirectory = path.join(root, "build/log");
const lockFile = path.join(root, "build/bootstrap.lock");
const lockWaitMsMax = 20 * 60_000;

/** A need is met when each command is on PATH and each file exists; else apt installs packages. */
const needs = {
  native: { commands: ["g++", "make", "cmake"], packages: ["g++", "make", "cmake"] },
  addon: { includes: ["native"], commands: [], packages: [] },
  console: { commands: [], packages: [] },
  chromium: { commands: ["chromium"], packages: ["chromium", "fonts-noto-cjk"] },
  guest: {
    commands: ["qemu-system-x86_64", "gcc", "make", "cpio", "zstd", "xz", "modprobe", "busybox"],
    packages: [
      "qemu-system-x86",
      "gcc",
      "make",
      "cpio",
      "zstd",
      "xz-utils",
      "kmod",
      "busybox-static",
      "libelf-dev",
    ],
    aptLists: true,
  },
  network: {
    commands: ["ip", "nft", "unshare"],
    packages: ["iproute2", "nftables", "util-linux"],
  },
  debian: { commands: ["debootstrap", "mke2fs"], packages: ["debootstrap", "e2fsprogs"] },
  bpftrace: { commands: ["bpftrace"], packages: ["bpftrace"] },
  libvirt: {
    commands: ["libvirtd", "virtlogd", "virsh", "qemu-img"],
    packages: [
      ...["libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients"],
      ...["qemu-utils"],
    ],
  },
  bench: {
    commands: ["g++", "pkg-config", "time", "taskset", "ndpiReader", "tshark"],
    files: ["/usr/include/boost/lockfree/spsc_queue.hpp", "/usr/include/dpdk/rte_ring.h"],
    packages: [
      ...["g++", "pkg-config", "libboost-dev", "libdpdk-dev"],
      ...["time", "util-linux", "libndpi-bin", "tshark"],
    ],
  },
  fuzz: {
    commands: ["clang"],
    files: ["/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a"],
    packages: ["clang", "libclang-rt-dev"],
  },
  mingw: {
    commands: ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++"],
    packages: ["gcc-mingw-w64-x86-64", "g++-mingw-w64-x86-64"],
  },
  wine: { commands: [], files: ["/usr/lib/wine/wine64"], packages: ["wine64"] },
  windows: { includes: ["native", "addon", "mingw", "fuzz", "wine"], commands: [], packages: [] },
  test: {
    includes: [
      ...["native", "addon", "guest", "network", "bpftrace", "libvirt", "mingw", "fuzz"],
      ...["wine", "console", "chromium"],
    ],
    commands: [],
    packages: [],
  },
};

await main(process.argv.slice(2));

async function main(args) {
  const split = args.indexOf("--");
  const wanted = split < 0 ? [] : args.slice(0, split);
  const command = split < 0 ? [] : args.slice(split + 1);
  if (command.length === 0 || wanted.some((name) => !(name in needs))) {
    fail(`usage: bootstrap.mjs [${Object.keys(needs).join("|")}]... -- script [args...]`);
  }
  const all = new Set(wanted.flatMap((name) => [...(needs[name].includes ?? []), name]));
  const todo = () => ({
    modules: modulesStale(),
    packages: missingPackages(all),
    aptLists: aptListsMissing(all),
    addon: all.has("addon") && addonStale(),
    console: all.has("console") && consoleStale(),
  });
  const isReady = (state) =>
    !state.modules && !state.packages.length && !state.aptLists && !state.addon && !state.console;
  if (!isReady(todo())) {
    await withLock(() => {
      // Another process may have done the work while this one waited for the lock.
      const state = todo();
      if (state.modules) installModules();
      if (state.packages.length > 0 || state.aptLists) installPackages(state);
      if (all.has("addon") && addonStale()) buildAddon();
      if (all.has("console") && consoleStale()) buildConsole();
    });
  }
  run(command);
}

/** True when node_modules lacks something the lock file names, or holds another version of it. */
function modulesStale() {
  if (!fs.existsSync(ownNode)) return true;
  const locked = readJson("package-lock.json").packages;
  const present = readJson("node_modules/.package-lock.json")?.packages;
  if (present === undefined) return true;
  return Object.entries(locked).some(([name, entry]) => {
    if (name === "" || (entry.optional && !(name in present))) return false;
    return present[name]?.version !== entry.version;
  });
}

function readJson(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, name), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function missingPackages(wanted) {
  const packages = [...wanted]
    .filter((name) => {
      const { commands, files = [] } = needs[name];
      return !commands.every(onPath) || !files.every(matchesFile);
    })
    .flatMap((name) => needs[name].packages);
  return [...new Set(packages)];
}

function onPath(command) {
  const folders = [...(process.env.PATH ?? "").split(path.delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => fs.existsSync(path.join(folder, command)));
}

/** Matches an absolute path in which a whole part may hold `*`. */
function matchesFile(pattern) {
  let found = ["/"];
  for (const part of pattern.split("/").filter(Boolean)) {
    const shape = new RegExp(`^${part.replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
    found = found.flatMap((folder) => {
      const names = fs.existsSync(folder) ? safeList(folder) : [];
      return names.filter((name) => shape.test(name)).map((name) => path.join(folder, name));
    });
  }
  return found.length > 0;
}

function safeList(folder) {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

/** Guest kernels are downloaded by apt from lists that a fresh machine may not have yet. */
function aptListsMissing(wanted) {
  if (!isRoot() || !onPath("apt-get")) return false;
  if (![...wanted].some((name) => needs[name].aptLists)) return false;
  return !safeList("/var/lib/apt/lists").some((name) => name.includes("_Packages"));
}

/** True when a source of the addon or the holder is newer than the older of the two. */
function addonStale() {
  const built = ["build/undercroft.node", "build/undercroft-holder"].map((name) =>
    path.join(root, name),
  );
  const sources = ["addon", "guest-drivers/core", "guest-drivers/wire", "CMakeLists.txt"];
  if (!fs.existsSync(path.join(root, "addon"))) return false;
  if (!built.every((file) => fs.existsSync(file))) return true;
  const builtMs = Math.min(...built.map((file) => fs.statSync(file).mtimeMs));
  return [...sources, "hypervisor/holder"].some(
    (name) => newestMs(path.join(root, name)) > builtMs,
  );
}

/** True when a source of the console is newer than the page that was made of it. */
function consoleStale() {
  if (!fs.existsSync(path.join(root, "console"))) return false;
  const page = path.join(root, "dist/console/index.html");
  if (!fs.existsSync(page)) return true;
  const builtMs = fs.statSync(page).mtimeMs;
  return ["console", "lib/model"].some((name) => newestMs(path.join(root, name)) > builtMs);
}

function newestMs(place) {
  if (!fs.existsSync(place)) return 0;
  const stat = fs.statSync(place);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...fs.readdirSync(place).map((name) => newestMs(path.join(place, name))));
}

function installModules() {
  if (!onPath("npm")) fail("npm is missing: install Node.js with npm (24 is best, 18 will do)");
  // npm ci empties node_modules, so it must not itself run on the Node.js inside it.
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const outside = folders.filter((folder) => !folder.includes("node_modules"));
  const own = Number(process.versions.node.split(".")[0]) < 24 ? [installNode(outside)] : [];
  const env = { ...process.env, PATH: [...own, ...outside].join(path.delimiter) };
  step("npm ci", "npm", ["ci", "--no-audit", "--no-fund"], env);
  fs.rmSync(path.join(root, "build/node"), { recursive: true, force: true });
}

/**
 * Fetches the locked Node.js alone, and returns its folder. On an older one npm would silently
 * leave out optional packages whose engines it does not meet, and those hold our tools' binaries.
 */
function installNode(folders) {
  const home = path.join(root, "build/node");
  const name = "node_modules/node";
  const dependencies = { node: readJson("package.json").devDependencies.node };
  const { dev: _dev, ...node } = readJson("package-lock.json").packages[name];
  const lock = { lockfileVersion: 3, packages: { "": { dependencies }, [name]: node } };
  fs.mkdirSync(home, { recursive: true });
  fs.writeFileSync(path.join(home, "package.json"), JSON.stringify({ dependencies }));
  fs.writeFileSync(path.join(home, "package-lock.json"), JSON.stringify(lock));
  const env = { ...process.env, PATH: folders.join(path.delimiter) };
  step(`npm ci of Node.js ${node.version}`, "npm", ["ci", "--no-audit", "--no-fund"], env, home);
  return path.join(home, name, "bin");
}

function installPackages({ packages }) {
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  if (!onPath("apt-get")) {
    fail(`install what these Debian packages hold, then try again: ${packages.join(" ")}`);
  }
  if (!isRoot()) fail(`run this as root, then try again:\n  apt-get ${install.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  step("apt-get update", "apt-get", ["update"], env);
  if (packages.length > 0) step(`apt-get install ${packages.join(" ")}`, "apt-get", install, env);
}

function buildAddon() {
  step("building the addon", nodePath(), [path.join(root, "scripts/build-native.ts")]);
}

function buildConsole() {
  step("building the console", nodePath(), [path.join(root, "scripts/build.ts"), "--console"]);
}

/** Runs one quiet tool; its output goes to a log that is shown when it fails. */
function step(title, command, args, env = process.env, cwd = root) {
  fs.mkdirSync(logDirectory, { recursive: true });
  const log = path.join(logDirectory, `${title.replaceAll(/[^a-z]+/gi, "-").slice(0, 40)}.log`);
  say(`${title} ...`);
  const output = fs.openSync(log, "w");
  const result = spawnSync(command, args, { cwd, env, stdio: ["ignore", output, output] });
  fs.closeSync(output);
  if (result.status === 0) {
    say(`${title}: done`);
    return;
  }
  const tail = fs.readFileSync(log, "utf8").trimEnd().split("\n").slice(-25).join("\n");
  fail(
    `${title} failed (${result.error?.message ?? `exit ${result.status}`})\n${tail}\nlog: ${log}`,
  );
}

/** Lets one bootstrap at a time change the machine; a dead owner's lock is taken over. */
async function withLock(work) {
  fs.mkdirSync(path.dirname(lockFile), { recursive: true });
  let isTold = false;
  while (!takeLock()) {
    if (!isTold) say("waiting for another bootstrap to finish");
    isTold = true;
    if (Date.now() - startMs > lockWaitMsMax) fail(`gave up waiting; remove ${lockFile}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const release = () => fs.rmSync(lockFile, { force: true });
  process.once("exit", release);
  await work();
  process.removeListener("exit", release);
  release();
}

function takeLock() {
  try {
    fs.writeFileSync(lockFile, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const owner = fs.existsSync(lockFile) ? fs.readFileSync(lockFile, "utf8") : "";
  if (owner !== "" && !fs.existsSync(`/proc/${owner}`)) fs.rmSync(lockFile, { force: true });
  return false;
}

function nodePath() {
  return fs.existsSync(ownNode) ? ownNode : process.execPath;
}

/** Becomes the script as nearly as a parent can: same streams, its signals, its exit code. */
function run([script, ...args]) {
  const bin = path.join(root, "node_modules/.bin");
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ""}` };
  const child = spawn(nodePath(), [path.join(root, script), ...args], { env, stdio: "inherit" });
  // The terminal sends Ctrl-C to the child as well; a plain kill reaches only this process.
  process.on("SIGINT", () => {});
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
  child.on("error", (error) => fail(error.message));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function isRoot() {
  return process.getuid?.() === 0;
}

function say(text) {
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`[${seconds} s] ${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
