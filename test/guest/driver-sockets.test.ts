// SPDX-License-Identifier: Apache-2.0
// The driver's socket sensor in real guests: a program says what it did with sockets, the kernel
// says under which number, and the server must have been told exactly that.
import { describe, expect, test } from "vitest";
import { kernelSeries } from "../../lib/hypervisor/hypervisor.ts";
import type { DnsQueryEvent, GuestEvent, SocketEvent } from "../../lib/model/model.ts";
import { runDriver } from "./driver-run.ts";

/** A client of network disks that has threads of its own, and what it needs. */
const modules = ["crypto/crc32c_generic", "lib/libcrc32c", "net/ceph/libceph", "drivers/block/rbd"];

/** Connects in progress that the driver can follow at once. */
const followedMax = 1024;

function isOfSockets(event: GuestEvent): event is SocketEvent | DnsQueryEvent {
  return event.kind.startsWith("socket.") || event.kind === "dns.query";
}

/** In the words of programs/sockets.c. */
function line(event: SocketEvent | DnsQueryEvent): string {
  const { kind, socketCookie, family, protocol } = event;
  const local = `${event.localAddress} ${event.localPort}`;
  const remote = `${event.remoteAddress} ${event.remotePort}`;
  const common = `${socketCookie} ${family} ${protocol} ${local} ${remote}`;
  if (event.kind !== "dns.query") {
    return `${kind.slice("socket.".length)} ${common} ${event.result}`;
  }
  const { query, queryType, transactionId, truncated } = event;
  const name = query === "" ? "-" : query;
  return `dns ${common} ${name} ${queryType} ${transactionId} ${truncated ? "cut" : "whole"}`;
}

/** Instructions of one kind of operation, by label. */
function costsOf(lines: readonly string[], wanted: string): Record<string, number> {
  const costs: Record<string, number> = {};
  for (const line of lines) {
    const [label = "", kind, cost] = line.split(" ");
    if (kind === wanted) costs[label] = Number(cost);
  }
  return costs;
}

/** What the sensor may add to an operation: half as much again as was measured. */
const costsMax: ReadonlyArray<readonly [kind: string, added: number]> = [
  ["stream", 3600],
  ["datagram", 950],
  ["first", 2300],
  ["question", 3400],
];

describe.each(kernelSeries)("the socket sensor on kernel %s", (series) => {
  test("tells what a program did with sockets, no more and no less", async () => {
    const side = await runDriver(series, { cpus: 1, modules, cases: [["sockets"]] });
    const [pid = ""] = side.told.get("pid") ?? [];
    const told = (side.told.get("socket") ?? []).toSorted();
    const events = side.events.filter(isOfSockets);
    const own = events.filter((event) => event.pid === Number(pid));
    const seen = own.map(line).toSorted();
    expect(told.length).toBeGreaterThan(60);
    expect(seen).toEqual(told);
    // Canary: one missing record must not go unseen.
    expect(seen.slice(1)).not.toEqual(told);
    const [namespace] = side.told.get("namespace") ?? [];
    expect(new Set(own.map((event) => String(event.networkNamespace)))).toEqual(
      new Set([namespace]),
    );
    expect(new Set(own.map((event) => event.tid)).size).toBe(3);
    // A thread of the kernel, whose parent is process 2.
    const kernel = events.filter((event) => event.parentPid === 2);
    expect(kernel.length).toBeGreaterThan(0);
    for (const event of kernel) {
      expect(event).toMatchObject({ kind: "socket.connect", remotePort: 6789, result: 115 });
    }
    // The same program again with the sensor off, and then only those that wait.
    const others = new Set(
      events.filter((event) => event.parentPid !== 2 && !own.includes(event)).map(({ pid }) => pid),
    );
    expect(others).toEqual(new Set(side.told.get("other")?.map(Number)));
    const waiting = Number(side.told.get("waiting")?.at(-1));
    expect(waiting).toBeGreaterThan(followedMax);
    const kinds = side.losses.map(({ reason, recordClass }) => `${reason} ${recordClass}`);
    expect(new Set(kinds)).toEqual(new Set(["reentry socket"]));
    const lost = side.losses.reduce((sum, { count }) => sum + count, 0);
    expect(lost).toBe(waiting - followedMax);
    expect(side.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
  });

  test("costs nothing when off and little when on", async () => {
    const side = await runDriver(series, { cpus: 1, cases: [["socket-cost"]], icount: true });
    const lines = side.told.get("cost") ?? [];
    for (const [kind, addedMax] of costsMax) {
      const { bare = 0, off = 0, on = 0 } = costsOf(lines, kind);
      console.info(`${series} ${kind}: ${bare} bare, ${off} off, ${on} on`);
      expect(bare).toBeGreaterThan(1000);
      expect((off - bare) / bare).toBeLessThan(0.02);
      // The sensor was there, and did something.
      expect(on - off).toBeGreaterThan(300);
      expect(on - off).toBeLessThan(addedMax);
    }
    expect(side.events.filter((event) => event.kind === "dns.query").length).toBe(520);
  });
});
