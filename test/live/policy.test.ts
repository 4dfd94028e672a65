// SPDX-License-Identifier: Apache-2.0
// A response policy at work on a real guest: kill, kill tree, deny, drop and isolate happen, a dry
// run beside them does not, and a protected process is left with the reason.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { networkProblem } from "../../lib/cli/demo-network.ts";
import { demoPayload } from "../../lib/cli/demo-payload.ts";
import { parseIndicators } from "../../lib/detect/detect.ts";
import {
  buildDriver,
  buildInitramfs,
  type Guest,
  makeRegionFile,
  networkModules,
  obtainKernel,
  type RegionFile,
  startGuest,
} from "../../lib/hypervisor/hypervisor.ts";
import { parsePolicy } from "../../lib/response/response.ts";
import { createServer, type ResponseRecord, type Server } from "../../lib/server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../../lib/transport/transport.ts";
import { until } from "./redirector-bench.ts";

const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const [OUTSIDE, LISTED, ADDRESS] = ["10.97.0.1", "10.97.0.66", "10.97.0.2"];
const TAP = "tappol";
const guestMsMax = 240_000;
const problem = networkProblem();
const namespace = `uc-pol-${randomBytes(5).toString("hex")}`;

const INDICATORS = `cmdline:--kill-me
cmdline:--tree-me
cmdline:--dry-me
cmdline:--guarded
cmdline:--isolate-me
name:forbidden | Refused | high
ip:${LISTED} | Listed | high
`;

const POLICY = `
name: trial
protectedNames: [guarded]
isolationAllow: [${OUTSIDE}]
rules:
  - name: only told
    rules: ["cmdline:--dry-me"]
    actions: [kill, isolate]
    dryRun: true
  - name: whole tree
    rules: ["cmdline:--tree-me"]
    actions: [kill-tree]
  - name: cut off
    rules: ["cmdline:--isolate-me"]
    guests: ["g*"]
    actions: [isolate]
    blockSeconds: 600
  - name: elsewhere
    guests: [another]
    actions: [pause]
  - name: refused
    tags: [indicator.name]
    actions: [deny-exec]
  - name: listed peers
    tags: [indicator.network]
    actions: [drop]
  - name: rest
    actions: [kill]
`;

let server: Server;
let folder = "";
let guest: Guest;
let redirector: ChildProcess | undefined;
const files: RegionFile[] = [];
const regions: IvshmemRegion[] = [];
const responses: ResponseRecord[] = [];
const lines: string[] = [];

// "run" starts a program with an argument and says its pid; "count" says how many run of a name.
const script = (loadNetwork: string): string => `${loadNetwork}ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip address add ${ADDRESS}/24 dev eth0
ip link set eth0 up
for name in payload member guarded forbidden; do
  cp /bin/payload /tmp/$name
  chmod 755 /tmp/$name
done
cat >/tmp/tree <<'end'
/tmp/member one &
/tmp/member two &
exec /tmp/member --tree-me
end
while read -r word a b <&8; do
  case $word in
    run) /tmp/$a $b </dev/null >/dev/null 2>&1 & echo "started $!" >&9 ;;
    tree) sh /tmp/tree </dev/null >/dev/null 2>&1 & echo "started $!" >&9 ;;
    try) /tmp/$a; echo "status $?" >&9 ;;
    count) n=0
      for p in /proc/[0-9]*; do
        case $(readlink $p/exe) in /tmp/$a) n=$((n+1)) ;; esac
      done
      echo "$n" >&9 ;;
    reach) nc -w 2 "$a" 1 </dev/null >/tmp/said 2>&1
      if grep -q refused /tmp/said; then echo yes >&9; else echo no >&9; fi ;;
  esac
done
`;

async function ask(line: string): Promise<string> {
  lines.length = 0;
  guest.sendLine(line);
  await until(`an answer to "${line}"`, () => lines.length > 0);
  return lines[0] ?? "";
}

async function settled(program: string, count: number): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    // A busy guest's serial port may lose a line: the question is asked again.
    const said = await ask(`count ${program}`).catch(() => "");
    if (said === String(count)) return;
    await sleep(200);
  }
  throw new Error(`${program}: ${await ask(`count ${program}`)} run, not ${count}`);
}

const told = (rule: string): ResponseRecord[] =>
  responses.filter(({ finding }) =>
    server.findings.some((one) => one.id === finding && one.rule === rule),
  );

const response = async (rule: string): Promise<ResponseRecord> => {
  await until(`a response to ${rule}`, () => told(rule).length > 0);
  return told(rule)[0] as ResponseRecord;
};

function ip(...words: string[]): void {
  execFileSync("ip", ["-n", namespace, ...words]);
}

async function bootGuest(): Promise<void> {
  const kernel = await obtainKernel("6.1");
  const { files: modules, loadScript } = await networkModules(kernel);
  const payload = { path: "/bin/payload", source: demoPayload(), mode: 0o755 };
  const initramfs = await buildInitramfs({
    main: script(loadScript),
    driver: await buildDriver(kernel),
    loadDriver: true,
    files: [...modules, payload],
  });
  const [file] = files;
  if (file === undefined) throw new Error("no region");
  guest = await startGuest({
    ...{ kernel, initramfs, console: join(folder, "console"), memoryMiB: 256 },
    region: { path: file.path, bytes: file.bytes },
    network: {
      enter: ["ip", "netns", "exec", namespace],
      tap: TAP,
      mac: "52:54:00:97:00:02",
    },
    timeoutMs: guestMsMax,
  });
  void (async () => {
    for await (const line of guest.tapLines) lines.push(line);
  })();
}

describe.skipIf(problem !== undefined)(
  `a policy on a guest${problem ? `: ${problem}` : ""}`,
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "undercroft-policy-"));
      execFileSync("ip", ["netns", "add", namespace]);
      ip("tuntap", "add", "dev", TAP, "mode", "tap");
      ip("link", "set", TAP, "addrgenmode", "none", "up");
      for (const address of [OUTSIDE, LISTED]) ip("address", "add", `${address}/24`, "dev", TAP);
      for (const bytes of [16 << 20, 16 << 20]) {
        const file = makeRegionFile(bytes);
        files.push(file);
        regions.push(openIvshmemRegion({ path: file.path, bytes: file.bytes }));
      }
      server = createServer({
        silenceMs: 20_000,
        indicators: parseIndicators(INDICATORS, "test"),
        policy: parsePolicy(POLICY, "trial.yml"),
      });
      server.on("response", (record) => responses.push(record));
      const [region, taps] = regions;
      if (region === undefined || taps === undefined) throw new Error("no regions");
      server.attachRedirector({ name: "taps", region: taps, packetRings: 2 });
      server.attachGuest({ name: "g0", region, interfaces: [{ name: TAP }] });
      server.start();
      const words = ["netns", "exec", namespace, process.execPath, CLI, "redirector"];
      redirector = spawn("ip", [...words, "--region", files[1]?.path ?? ""], { stdio: "ignore" });
      await bootGuest();
      const isReady = (): boolean => {
        const [stats] = server.stats.guests;
        return stats?.guest.state === "monitored" && stats.interfaces[0]?.state === "running";
      };
      for (let tries = 0; tries < 6 && !isReady(); tries++) {
        await until("the guest monitored and watched", isReady).catch(() => {});
      }
      expect(isReady()).toBe(true);
    }, guestMsMax);

    afterAll(async () => {
      await guest?.stop();
      redirector?.kill("SIGKILL");
      if (redirector?.exitCode === null) await once(redirector, "exit");
      server?.close();
      for (const region of regions) region.close();
      for (const file of files) await file.remove();
      spawnSync("ip", ["netns", "delete", namespace]);
      rmSync(folder, { recursive: true, force: true });
    }, 30_000);

    test("canary: what no rule is about goes on", async () => {
      await ask("run payload --harmless");
      await settled("payload", 1);
      expect(await ask(`reach ${LISTED}`)).toBe("yes");
      expect(responses.filter(({ action }) => action === "kill")).toEqual([]);
    });

    test("kill ends the process, and a dry run beside it ends nothing", async () => {
      await ask("run payload --dry-me");
      await ask("run payload --kill-me");
      expect(await response("cmdline:--kill-me")).toMatchObject({ reason: "trial: rest" });
      expect(await response("cmdline:--dry-me")).toMatchObject({
        action: "dry-run",
        wanted: "kill",
        reason: "trial: only told",
      });
      // The harmless one and the one of the dry run.
      await settled("payload", 2);
    });

    test("kill-tree ends what a process has started, too", async () => {
      await ask("tree");
      await response("cmdline:--tree-me");
      await settled("member", 0);
      const killed = told("cmdline:--tree-me").filter(({ action }) => action === "kill-tree");
      expect(killed.length).toBe(3);
    });

    test("a protected process is left, with the reason", async () => {
      await ask("run guarded --guarded");
      expect(await response("cmdline:--guarded")).toMatchObject({
        action: "refused",
        wanted: "kill",
        reason: "trial: rest: guarded is protected",
      });
      await settled("guarded", 1);
    });

    test("deny keeps a program from starting", async () => {
      expect(await ask("try forbidden")).toBe("status 126");
      const isTold = (): boolean =>
        told("name:forbidden").some(({ action }) => action === "blocked");
      await until("the refusal told", isTold);
      await settled("forbidden", 0);
    });

    test("drop cuts a listed peer off, and no other", async () => {
      await response(`ip:${LISTED}`);
      await until("the drop", () => server.tapRules.some(({ state }) => state === "in-force"));
      expect(await ask(`reach ${LISTED}`)).toBe("no");
      expect(await ask(`reach ${OUTSIDE}`)).toBe("yes");
    });

    test("isolate leaves what the policy allows", async () => {
      await ask("run payload --isolate-me");
      expect(await response("cmdline:--isolate-me")).toMatchObject({ action: "isolate" });
      const isOn = (): boolean =>
        server.tapRules.some(
          ({ rule, state }) => rule.action === "isolate" && state === "in-force",
        );
      await until("isolation", isOn);
      expect(await ask(`reach ${OUTSIDE}`)).toBe("yes");
      const [, , all] = [OUTSIDE, LISTED, server.tapRules];
      expect(all.map(({ rule }) => rule.action).sort()).toEqual(["allow", "drop", "isolate"]);
    });
  },
);
