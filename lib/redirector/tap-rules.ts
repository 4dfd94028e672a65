// SPDX-License-Identifier: Apache-2.0
// Rules at guests' taps in the kernel: one nftables table, replaced whole in one step, whose timed
// sets end rules without us and whose comments bring them back after a restart. Called by slots.ts.
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { UndercroftError } from "../errors/errors.ts";
import type { BlockRule } from "../model/model.ts";
import { boottimeNs } from "../native/native.ts";
import { BLOCK_RULE_LAYOUT, decodeBlockRule } from "../wire/wire.ts";

/** A rule as the server sent it: `struct uc_block_rule`. */
export interface TapRule {
  readonly id: bigint;
  readonly slot: number;
  readonly bytes: Uint8Array;
}

/** Rules and the interfaces of their slots, as the kernel's table tells them. */
interface TapRuleState {
  readonly rules: readonly TapRule[];
  readonly interfaces: ReadonlyMap<number, string>;
}

const NFT_MS_MAX = 5000;
const OUTPUT_BYTES_MAX = 64 << 20;
/** Router and neighbour solicitations and advertisements: RFC 4861, section 4. */
const NEIGHBOUR_TYPES = "{ 133, 134, 135, 136 }";
const SIDES = [
  { chain: "in", hook: "ingress", meta: "iifname", remote: "daddr", local: "saddr" },
  { chain: "out", hook: "egress", meta: "oifname", remote: "saddr", local: "daddr" },
] as const;
type Side = (typeof SIDES)[number];

/** Reads one rule of a command; undefined where it contradicts itself. */
export function tapRule(bytes: Uint8Array): TapRule | undefined {
  const rule = decodeBlockRule(bytes, 0, boottimeNs());
  return rule === undefined ? undefined : { id: rule.id, slot: rule.slot, bytes };
}

/** False once its time is over. */
export function holds(rule: TapRule, nowNs: bigint): boolean {
  const expiresNs = viewOf(rule.bytes).getBigUint64(BLOCK_RULE_LAYOUT.expiresNs, true);
  return expiresNs === 0n || expiresNs > nowNs;
}

/** Runs nft over commands: 0, or the positive errno of the failure, after which nothing changed. */
export function runNft(script: string, log: (line: string) => void): number {
  return run(["-f", "-"], script, log).errno;
}

/** The commands that replace a table by these rules, of slots whose interface is there, if any. */
export function tableScript(
  table: string,
  rules: readonly TapRule[],
  interfaces: ReadonlyMap<number, string>,
): string {
  const nowNs = boottimeNs();
  const lines: string[] = [];
  for (const [slot, interfaceName] of interfaces) {
    const own = rules.filter((rule) => rule.slot === slot && holds(rule, nowNs));
    if (own.length > 0) lines.push(...slotLines(table, slot, interfaceName, own, nowNs));
  }
  const fresh = lines.length === 0 ? [] : [`add table netdev ${table}`, ...lines];
  const old = [`add table netdev ${table}`, `delete table netdev ${table}`];
  return `${[...old, ...fresh].join("\n")}\n`;
}

/**
 * What a table holds that an earlier run made; nothing where there is no such table. What cannot be
 * read is not taken for nothing, or the next change would wipe it out.
 * @throws {UndercroftError} ERR_UC_TOOL_MISSING
 */
export function readTable(table: string): TapRuleState {
  const rules = new Map<bigint, TapRule>();
  const interfaces = new Map<number, string>();
  let why = "";
  const { errno, output } = run(["-j", "list", "table", "netdev", table], "", (line) => {
    why = line;
  });
  // Without the program there is nothing that could change the rules either.
  const isNone = errno === constants.errno.ENOENT || /No such file or directory/.test(why);
  if (isNone) return { rules: [], interfaces };
  if (errno !== 0) {
    const message = `cannot read the rules at the taps: ${why}; run as root, and start again`;
    throw new UndercroftError("ERR_UC_TOOL_MISSING", message, { table });
  }
  const nowNs = boottimeNs();
  for (const comment of commentsOf(output)) {
    const [code = "", interfaceName = ""] = comment.split(" ");
    const bytes = Uint8Array.from(Buffer.from(code, "base64"));
    const known = bytes.length === BLOCK_RULE_LAYOUT.size ? tapRule(bytes) : undefined;
    if (known === undefined || !holds(known, nowNs)) continue;
    rules.set(known.id, known);
    interfaces.set(known.slot, interfaceName);
  }
  return { rules: [...rules.values()], interfaces };
}

/** Comments of rules and of elements of sets. */
function commentsOf(output: string): string[] {
  const parsed = JSON.parse(output) as { nftables?: readonly ListedObject[] };
  return (parsed.nftables ?? []).flatMap(({ rule, set }) => [
    ...(rule?.comment === undefined ? [] : [rule.comment]),
    ...(set?.elem ?? []).flatMap((one) =>
      typeof one === "object" && one.elem?.comment !== undefined ? [one.elem.comment] : [],
    ),
  ]);
}

/** What `nft -j` lists, as far as it is read. */
interface ListedObject {
  readonly rule?: { readonly comment?: string };
  readonly set?: {
    readonly elem?: ReadonlyArray<string | { readonly elem?: { readonly comment?: string } }>;
  };
}

/** A name that can stand in a table without being read as something else. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z0-9_.@+-]{1,15}$/.test(name) && name !== "." && name !== "..";
}

function slotLines(
  table: string,
  slot: number,
  interfaceName: string,
  rules: readonly TapRule[],
  nowNs: bigint,
): string[] {
  const lines: string[] = [];
  const all = rules.flatMap((rule): CodedRule[] => {
    const decoded = decodeBlockRule(rule.bytes, 0, nowNs);
    return decoded === undefined ? [] : [{ rule: decoded, bytes: rule.bytes }];
  });
  const { sets, coded } = splitRules(all);
  for (const [family, members] of sets) {
    lines.push(setLine(table, setName(family, slot), family, members, interfaceName));
  }
  for (const { rule } of coded) {
    if (rule.expiresInMs === undefined) continue;
    // The kernel has no rules that end, only elements of sets: each such rule asks its own set.
    const timeout = `timeout ${Math.max(1, Math.ceil(rule.expiresInMs))}ms`;
    lines.push(
      `add set netdev ${table} ${aliveSet(rule)} { type ifname; flags timeout; ` +
        `elements = { "${interfaceName}" ${timeout} }; }`,
    );
  }
  for (const side of SIDES) {
    const chain = `${side.chain}_${slot}`;
    lines.push(
      `add chain netdev ${table} ${chain} { type filter hook ${side.hook} ` +
        `device "${interfaceName}" priority 10; policy accept; }`,
    );
    const add = (text: string): number => lines.push(`add rule netdev ${table} ${chain} ${text}`);
    const addAll = (action: BlockRule["action"], verdict: string): void => {
      for (const { rule, bytes } of coded) {
        if (rule.action !== action) continue;
        const comment = `"${Buffer.from(bytes).toString("base64")} ${interfaceName}"`;
        add(`${matchText(rule, side)} ${verdict} comment ${comment}`);
      }
    };
    addAll("allow", "accept");
    for (const family of sets.keys()) {
      const protocol = family === 6 ? "ip6" : "ip";
      add(`${protocol} ${side.remote} @${setName(family, slot)} drop`);
    }
    addAll("drop", "drop");
    for (const { rule } of coded) {
      if (rule.action !== "allow") continue;
      const family = familyOf(rule);
      const alive = aliveText(rule, side);
      if (family !== 6) add(`${alive} ether type arp accept`);
      if (family !== 4) add(`${alive} icmpv6 type ${NEIGHBOUR_TYPES} accept`);
    }
    addAll("isolate", "drop");
  }
  return lines;
}

interface CodedRule {
  readonly rule: BlockRule;
  readonly bytes: Uint8Array;
}

/** Drops of one address each, by family: looked up at once, however many there are. */
function splitRules(all: readonly CodedRule[]): {
  readonly sets: ReadonlyMap<4 | 6, readonly CodedRule[]>;
  readonly coded: readonly CodedRule[];
} {
  const sets = new Map<4 | 6, CodedRule[]>();
  const coded: CodedRule[] = [];
  const taken = new Set<string>();
  for (const one of all) {
    const { action, remote, local, protocol } = one.rule;
    const family = familyOf(one.rule);
    const isPlain =
      action === "drop" && local === undefined && protocol === undefined && remote !== undefined;
    // A set holds an address once; the same under another id stands for itself.
    if (!isPlain || family === undefined || remote.includes("/") || taken.has(remote)) {
      coded.push(one);
      continue;
    }
    taken.add(remote);
    const members = sets.get(family) ?? [];
    members.push(one);
    sets.set(family, members);
  }
  return { sets, coded };
}

function setLine(
  table: string,
  name: string,
  family: 4 | 6,
  members: readonly CodedRule[],
  interfaceName: string,
): string {
  const elements = members.map(({ rule, bytes }) => {
    const { remote, expiresInMs } = rule;
    const timeout =
      expiresInMs === undefined ? "" : ` timeout ${Math.max(1, Math.ceil(expiresInMs))}ms`;
    const code = Buffer.from(bytes).toString("base64");
    return `${remote}${timeout} comment "${code} ${interfaceName}"`;
  });
  const type = family === 6 ? "ipv6_addr" : "ipv4_addr";
  return (
    `add set netdev ${table} ${name} { type ${type}; flags timeout; ` +
    `elements = { ${elements.join(", ")} }; }`
  );
}

const setName = (family: 4 | 6, slot: number): string => `drop${family}_${slot}`;

function matchText(rule: BlockRule, side: Side): string {
  const protocol = familyOf(rule) === 6 ? "ip6" : "ip";
  const parts = [aliveText(rule, side)];
  if (rule.remote !== undefined) parts.push(`${protocol} ${side.remote} ${rule.remote}`);
  if (rule.local !== undefined) parts.push(`${protocol} ${side.local} ${rule.local}`);
  if (rule.protocol !== undefined) {
    if (familyOf(rule) === undefined) parts.push("meta protocol { ip, ip6 }");
    parts.push(`meta l4proto ${rule.protocol}`);
  }
  // The remote port is where the guest's packets go, and where those to the guest come from.
  const [remotePort, localPort] = side.chain === "in" ? ["dport", "sport"] : ["sport", "dport"];
  if (rule.remotePort !== undefined) parts.push(`th ${remotePort} ${rule.remotePort}`);
  if (rule.localPort !== undefined) parts.push(`th ${localPort} ${rule.localPort}`);
  return parts.join(" ");
}

function familyOf(rule: BlockRule): 4 | 6 | undefined {
  const address = rule.remote ?? rule.local;
  if (address === undefined) return undefined;
  return address.includes(":") ? 6 : 4;
}

function aliveText(rule: BlockRule, side: Side): string {
  return rule.expiresInMs === undefined ? "" : `${side.meta} @${aliveSet(rule)}`;
}

const aliveSet = (rule: BlockRule): string => `alive_${rule.id}`;

function run(
  args: readonly string[],
  input: string,
  log: (line: string) => void,
): { readonly errno: number; readonly output: string } {
  const options = {
    input,
    encoding: "utf8" as const,
    timeout: NFT_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  };
  const { error, status, stdout, stderr } = spawnSync("nft", args, options);
  if (error !== undefined) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    log(`nft cannot be run: ${code}; install nftables and run as root`);
    return { errno: errnoOf(code), output: "" };
  }
  if (status === 0) return { errno: 0, output: stdout };
  log(`nft failed: ${stderr.split("\n", 1)[0]}`);
  const reason = /Operation not permitted/.test(stderr) ? "EPERM" : "EINVAL";
  return { errno: errnoOf(reason), output: "" };
}

function errnoOf(code: string): number {
  return (constants.errno as Readonly<Record<string, number>>)[code] ?? constants.errno.EIO;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);
