// SPDX-License-Identifier: Apache-2.0
// Goal N3: JA4 against the values that its authors publish with their captures, JA3 and JA3S
// against Arkime's sessions. Called by the corpora run.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { analyze, readCapture } from "./analyze.ts";
import { Comparison } from "./comparison.ts";

type Expected = Readonly<Record<string, string | number>>;

/** Every published client and JA4 pair must be among ours for that capture. */
export function compareJa4(folder: string): Comparison[] {
  const comparison = new Comparison("N3", "JA4 values", "ja4");
  for (const name of readdirSync(folder).filter((file) => /\.pcap(ng)?$/.test(file))) {
    const text = readFileSync(join(folder, `${name}.expected.json`), "utf8");
    const lists = JSON.parse(text) as Readonly<Record<string, readonly Expected[]>>;
    const made = new Set<string>();
    for (const event of analyze(readCapture(join(folder, name)))) {
      if (event.kind === "tls") made.add(`${event.sourceAddress}:${event.sourcePort} ${event.ja4}`);
    }
    const wanted = new Set<string>();
    for (const entry of Object.values(lists).flat()) {
      const ja4 = entry.ja4 ?? entry["JA4.1"];
      const port = entry.src_port ?? entry.srcport;
      if (typeof ja4 === "string") wanted.add(`${entry.src}:${port} ${ja4}`);
    }
    for (const one of wanted) {
      if (made.has(one)) comparison.hit();
      else comparison.miss(one.includes(" q") ? "QUIC" : "no such value", `${name} ${one}`);
    }
  }
  return [comparison];
}

/** Arkime's sessions list the JA3 values they hold; each must be among ours for that capture. */
export function compareJa3(folder: string): Comparison[] {
  const comparison = new Comparison("N3", "JA3 and JA3S values", "arkime");
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".test"))) {
    const text = readFileSync(join(folder, name), "utf8");
    const lists = [...text.matchAll(/"ja3s?"\s*:\s*\[([^\]]*)\]/g)];
    const wanted = new Set(lists.flatMap(([, list]) => list?.match(/[0-9a-f]{32}/g) ?? []));
    const capture = join(folder, name.replace(/\.test$/, ".pcap"));
    if (wanted.size === 0 || !existsSync(capture)) continue;
    const made = new Set<string>();
    for (const event of analyze(readCapture(capture))) {
      if (event.kind === "tls") made.add(event.ja3).add(event.ja3s);
    }
    for (const one of wanted) {
      if (made.has(one)) comparison.hit();
      else comparison.miss("no such value", `${name} ${one}`);
    }
  }
  return [comparison];
}
