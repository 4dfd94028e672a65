// SPDX-License-Identifier: Apache-2.0
// Goal N2: the filters of suricata-verify's tests, counted over our events in EVE's words. Called
// by the corpora run. A filter counts when every key it names is claimed and its test needs no
// mode of Suricata that we do not have; the rules for that are here and their counts are printed.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { CaptureReader, NetworkAnalyzer } from "../../lib/network/network.ts";
import { networkDigests } from "../../lib/server/network-digests.ts";
import { readCapture } from "./analyze.ts";
import { Comparison, Comparisons } from "./comparison.ts";
import {
  claimedKeys,
  type EveEvent,
  type EveValue,
  eveEvents,
  eveProtocols,
  isClaimed,
} from "./eve.ts";

type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };
type Requires = Readonly<Record<string, string | number | readonly string[]>>;
type Match = Readonly<Record<string, Yaml>>;

interface Filter {
  readonly requires?: Requires;
  readonly count: number;
  readonly match: Match;
}

interface SuricataTest {
  readonly requires?: Requires;
  readonly args?: readonly string[];
  readonly checks?: ReadonlyArray<{ readonly filter?: Filter }>;
}

// The version whose filters we take where several are given.
const suricataVersion = [9, 0, 0];
// Arguments that ask for what we do anyway, or that change no event.
const plainSettings = [
  "stream.midstream=true",
  "stream.async-oneside=true",
  "stream.reassembly.depth=0",
  "decoder.vxlan.enabled=true",
  "stats.decoder-events=true",
  "mpm-algo=ac",
  "spm-algo=bm",
  "app-layer.protocols.tls.ja4-fingerprints=yes",
  "app-layer.protocols.ssh.hassh=yes",
];
const plainArguments: ReadonlySet<string> = new Set([
  "-k none",
  "--runmode=single",
  ...plainSettings.map((setting) => `--set ${setting}`),
]);
const ownSettings: ReadonlyArray<readonly [RegExp, string]> = [
  [/^exception-policy:|midstream-policy/m, "test of Suricata's exception policies"],
  [/^decoder:/m, "test of decoder settings"],
  [/ja4: *(no|off|false)/, "fingerprints switched off"],
  [/- smb:\s+types:/, "own choice of SMB commands"],
];

// Why some filters are not met, as far as we know; the rest are open. All count as misses.
const known: Readonly<Record<string, string>> = {
  "bug-5162": "out-of-scope: calls of DCE/RPC count as SMB",
  "dcerpc-smb-fail": "out-of-scope: calls of DCE/RPC count as SMB",
  "decode-nsh-type2": "out-of-scope: network service headers",
};

/** Filters of each event type: claimed, met, why not. */
export function compareWithSuricata(folder: string): Comparison[] {
  const comparisons = new Comparisons("N2", "suricata-verify");
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "test.yaml")));
  for (const name of names.sort()) compareTest(join(folder, name), name, comparisons);
  const rows = comparisons.all();
  const total = new Comparison("N2", "all claimed filters", "suricata-verify");
  for (const row of rows) total.add(row);
  return [total, ...rows];
}

function compareTest(folder: string, name: string, comparisons: Comparisons): void {
  const test = parse(readFileSync(join(folder, "test.yaml"), "utf8")) as SuricataTest;
  const filters = (test.checks ?? []).flatMap(({ filter }) => filter ?? []);
  const rule = testRule(test, folder);
  let events: EveEvent[] | undefined;
  for (const filter of filters) {
    const type = String(filter.match.event_type ?? "of no type");
    const isKnown = claimedKeys[type] !== undefined;
    const comparison = comparisons.of(isKnown ? `${type} filters` : "filters of other types");
    const reason = isKnown ? (rule ?? filterRule(type, filter, folder)) : `event type ${type}`;
    if (reason !== undefined) {
      comparison.exclude(reason);
      continue;
    }
    events ??= eveOf(folder);
    const made = events.filter((event) => isMatch(event, filter.match)).length;
    const place = `${name} ${JSON.stringify(filter.match)} ${made}/${filter.count}`;
    if (made === filter.count) comparison.hit();
    else comparison.miss(known[name] ?? "open", place);
  }
}

/** Why no filter of a test is claimed. */
function testRule(test: SuricataTest, folder: string): string | undefined {
  if (!isVersionMet(test.requires)) return "for another version";
  if (test.requires?.features !== undefined && `${test.requires.features}`.includes("QA_")) {
    return "simulated faults";
  }
  for (const argument of (test.args ?? []).flatMap((text) => text.split(/ (?=-)/))) {
    if (plainArguments.has(argument)) continue;
    if (argument.startsWith("--simulate")) return "simulated faults or IPS mode";
    return "settings by argument";
  }
  const text = settingsOf(folder);
  if (isConditional(folder)) return "logging decided by Suricata's rules";
  return ownSettings.find(([pattern]) => pattern.test(text))?.[1];
}

/** Why one filter is not claimed. */
function filterRule(type: string, filter: Filter, folder: string): string | undefined {
  if (!isVersionMet(filter.requires)) return "for another version";
  for (const [key, value] of Object.entries(filter.match)) {
    const names = /^(not-)?has-key$/.test(key) ? [value].flat() : [key];
    for (const name of names) if (!isClaimed(type, `${name}`)) return `field ${groupOf(`${name}`)}`;
    if (key === "app_proto" && ![...eveProtocols.values()].includes(`${value}`)) {
      return "protocol that we do not read";
    }
    if (key === "flow.state" && value === "bypassed") return "bypass of flows";
    if (key === "community_id" && hasSeed(folder)) return "seeded community ID";
  }
  return undefined;
}

// The rules of these tests, which are not here, say what is logged.
function isConditional(folder: string): boolean {
  const readme = join(folder, "README.md");
  const text = existsSync(readme) ? readFileSync(readme, "utf8") : "";
  return basename(folder).startsWith("cond-log") || /conditional logging/i.test(text);
}

function settingsOf(folder: string): string {
  const path = join(folder, "suricata.yaml");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function hasSeed(folder: string): boolean {
  return /community-id-seed: *[1-9]/.test(settingsOf(folder));
}

function groupOf(key: string): string {
  const [first = "", second] = key.replaceAll(/\[\d+\]/g, "").split(".");
  return second === undefined ? first : `${first}.${second}`;
}

function isVersionMet(requires: Requires | undefined): boolean {
  const least = requires?.["min-version"];
  const below = requires?.["lt-version"];
  if (least !== undefined && compareVersion(`${least}`) < 0) return false;
  return below === undefined || compareVersion(`${below}`) < 0;
}

/** Our version of Suricata less the given one. */
function compareVersion(text: string): number {
  const parts = text.split(".").map(Number);
  for (let index = 0; index < 3; index += 1) {
    const difference = (suricataVersion[index] ?? 0) - (parts[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function eveOf(folder: string): EveEvent[] {
  const [name] = readdirSync(folder).filter((file) => /\.pcap(ng)?$/.test(file));
  if (name === undefined) throw new Error(`no capture in ${folder}`);
  const bytes = readCapture(join(folder, name));
  const reader = new CaptureReader(bytes);
  const events: EveEvent[] = [];
  const transactions = new Map<string, number>();
  const dnsVersion = /dns:\s+(enabled: (?:yes|true)\s+)?version: 2/.test(settingsOf(folder))
    ? 2
    : 3;
  let packetCount = 0;
  const analyzer = new NetworkAnalyzer({
    digests: networkDigests,
    onEvent: (event) => {
      const key = `${event.flowId} ${event.kind}`;
      const count = transactions.get(key) ?? 0;
      transactions.set(key, count + 1);
      events.push(...eveEvents(event, { packetCount, txId: count, dnsVersion }));
    },
  });
  const { packet } = reader;
  while (reader.next()) {
    packetCount += 1;
    analyzer.packet(packet.timeMs, packet.linkType, bytes, packet.start, packet.end);
  }
  analyzer.flush();
  return events;
}

function isMatch(event: EveEvent, match: Match): boolean {
  for (const [key, value] of Object.entries(match)) {
    if (key === "has-key" || key === "not-has-key") {
      const isThere = [value].flat().every((name) => hasKey(event, `${name}`));
      if (isThere !== (key === "has-key")) return false;
    } else if (!isValue(event.get(key), key, value)) {
      return false;
    }
  }
  return true;
}

function hasKey(event: EveEvent, name: string): boolean {
  return [...event.keys()].some((key) => key === name || key.startsWith(`${name}.`));
}

// Suricata renamed what a DNS event is about.
const aliases: Readonly<Record<string, string>> = { query: "request", answer: "response" };

function isValue(made: EveValue | undefined, key: string, wanted: Yaml): boolean {
  if (key === "dns.type") return made === (aliases[`${wanted}`] ?? wanted);
  return made === wanted;
}
