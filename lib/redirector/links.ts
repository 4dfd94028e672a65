// SPDX-License-Identifier: Apache-2.0
// Network interfaces of this namespace, and the way past a guest's tap closed for inline mode.
// Called by slots.ts. Asks `ip` and not sysfs, which may show another namespace.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import { PACKET_MARK } from "../native/native.ts";
import { runNft } from "./tap-rules.ts";

const COMMAND_MS_MAX = 5000;
const LOOK_MS = 20;
const LOOKS_MAX = 100;

/** A path that is closed to all but the packets of the engine. */
export interface CutPath {
  /** Opens it again. */
  open(): void;
}

/** All interfaces with the bridge that each belongs to ("" for none); undefined without `ip`. */
export function links(): Map<string, string> | undefined {
  const result = spawnSync("ip", ["-j", "link", "show"], {
    encoding: "utf8",
    timeout: COMMAND_MS_MAX,
  });
  if (result.status !== 0) return undefined;
  const parsed = JSON.parse(result.stdout) as ReadonlyArray<{ ifname: string; master?: string }>;
  return new Map(parsed.map((link) => [link.ifname, link.master ?? ""]));
}

/** Joins the engine's uplink to the guest's bridge: 0 or a positive errno. */
export function joinBridge(uplinkName: string, bridge: string): number {
  // Without an address of its own, or this machine would talk to the guest's network through it.
  const link = ["link", "set", "dev", uplinkName];
  for (const words of [["addrgenmode", "none"], ["master", bridge], ["up"]]) {
    const { status } = spawnSync("ip", [...link, ...words], { timeout: COMMAND_MS_MAX });
    if (status !== 0) return constants.errno.EIO;
  }
  return 0;
}

/** Opens a path that an earlier run left closed, if any: 0 or a positive errno. */
export function openPath(table: string, log: (line: string) => void): number {
  return runNft(removal(table), log);
}

/**
 * Closes the kernel's own path at a tap. Fail-open: for as long as this process lives, whatever
 * ends it. Returns a positive errno when it stays open. ended: it was opened from outside.
 */
export function cutPath(
  table: string,
  interfaceName: string,
  failOpen: boolean,
  hooks: { readonly log: (line: string) => void; readonly ended: () => void },
): CutPath | number {
  const chains = ["in ingress", "out egress"].map((words) => {
    const [name, hook] = words.split(" ");
    const base = `type filter hook ${hook} device "${interfaceName}" priority 0; policy accept;`;
    return `add chain netdev ${table} ${name} { ${base} }\n`;
  });
  const rules =
    `add rule netdev ${table} in drop\n` +
    `add rule netdev ${table} out meta mark != ${PACKET_MARK} drop\n`;
  if (!failOpen) {
    const script = `${removal(table)}add table netdev ${table}\n${chains.join("")}${rules}`;
    const errno = runNft(script, hooks.log);
    return errno === 0 ? { open: () => void openPath(table, hooks.log) } : errno;
  }
  const errno = openPath(table, hooks.log);
  if (errno !== 0) return errno;
  const nft = spawn("nft", ["-i"], { stdio: ["pipe", "ignore", "ignore"] });
  let isWanted = true;
  nft.on("error", () => {});
  nft.stdin.on("error", () => {});
  nft.on("exit", () => isWanted && hooks.ended());
  const open = (): void => {
    isWanted = false;
    nft.stdin.end();
  };
  nft.stdin.write(`add table netdev ${table} { flags owner; }\n${chains.join("")}${rules}`);
  if (isCut(table, nft)) return { open };
  open();
  hooks.log(`nft did not close the path at ${interfaceName}`);
  return constants.errno.EIO;
}

function isCut(table: string, nft: ChildProcess): boolean {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  for (let looks = 0; looks < LOOKS_MAX && nft.pid !== undefined; looks++) {
    const words = ["list", "chain", "netdev", table, "out"];
    const listed = spawnSync("nft", words, { encoding: "utf8", timeout: COMMAND_MS_MAX });
    if (listed.status === 0 && listed.stdout.includes("mark")) return true;
    Atomics.wait(sleep, 0, 0, LOOK_MS);
  }
  return false;
}

// Adding first, because only a table that is there can be deleted.
const removal = (table: string): string =>
  `add table netdev ${table}\ndelete table netdev ${table}\n`;
