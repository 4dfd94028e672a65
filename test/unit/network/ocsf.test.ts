// SPDX-License-Identifier: Apache-2.0
// Events in the outward shape: each field by hand here, and all events of real captures against
// the schema's own files where those are.
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import type { GuestNetworkEvent, NetworkEvent } from "../../../lib/model/model.ts";
import { toOcsf } from "../../../lib/network/network.ts";
import { analyze, readCapture } from "../../corpora/analyze.ts";
import { OcsfSchema } from "./ocsf-schema.ts";
import { ends, hex, pcap, udp } from "./packets.ts";

const corpora = resolve(import.meta.dirname, "../../../../shared/corpora");
const classFiles: Readonly<Record<number, string>> = {
  4001: "network_activity",
  4002: "http_activity",
  4003: "dns_activity",
  4004: "dhcp_activity",
  4006: "smb_activity",
  4007: "ssh_activity",
};

function placed(event: NetworkEvent): GuestNetworkEvent {
  return {
    ...event,
    ...{ guest: "web1", boot: "ab".repeat(16), pid: 42, processStartNs: 7n, execGeneration: 1 },
    ...{ slot: 1, interfaceName: "tapg0", outbound: true, program: "/usr/bin/curl" },
    ...{ commandLine: "curl http://x/", ancestors: ["/bin/sh", "?"] },
  };
}

const query = hex("1234 0100 0001 0000 0000 0000 03777777 07 6578616d706c65 00 0001 0001");
const answer = hex(
  "1234 8180 0001 0001 0000 0000 03777777 07 6578616d706c65 00 0001 0001" +
    "c00c 0001 0001 0000003c 0004 c0000201",
);

test("a DNS exchange with its process", () => {
  const packets = [udp(ends(53), query), udp(ends(53, true), answer)];
  const dns = analyze(pcap(packets)).find(({ kind }) => kind === "dns");
  if (dns === undefined) throw new Error("no DNS event");
  expect(toOcsf(placed(dns), "1.2.3")).toMatchObject({
    class_uid: 4003,
    activity_id: 6,
    type_uid: 400_306,
    time: Math.round(dns.timeMs),
    device: { name: "web1", type_id: 6 },
    actor: { process: { pid: 42, name: "curl", lineage: ["/bin/sh", "?"] } },
    query: { hostname: "www.example", type: "1" },
    answers: [{ rdata: "192.0.2.1", ttl: 60 }],
    src_endpoint: { ip: "10.0.0.1", port: 40_000 },
    connection_info: { direction_id: 2, protocol_name: "udp" },
    metadata: { version: "1.8.0", product: { name: "Undercroft", version: "1.2.3" } },
  });
});

test("all events of real captures fit the schema", (context) => {
  const schemaFolder = join(corpora, "ocsf-schema");
  const captures = join(corpora, "arkime-pcap");
  if (!existsSync(schemaFolder) || !existsSync(captures)) {
    context.skip("no schema or captures in ../shared/corpora");
  }
  const schema = new OcsfSchema(schemaFolder);
  const seen = new Map<string, number>();
  const problems = new Set<string>();
  for (const name of readdirSync(captures).filter((file) => file.endsWith(".pcap"))) {
    for (const event of analyze(readCapture(join(captures, name)))) {
      const made = toOcsf(placed(event), "1.2.3");
      const classFile = classFiles[Number(made.class_uid)] ?? "none";
      seen.set(event.kind, (seen.get(event.kind) ?? 0) + 1);
      for (const problem of schema.problems(classFile, JSON.parse(JSON.stringify(made)))) {
        problems.add(problem);
      }
    }
  }
  expect([...problems]).toEqual([]);
  expect([...seen.keys()]).toEqual(
    expect.arrayContaining(["dns", "http", "tls", "ssh", "smb", "dhcp", "flow.close"]),
  );
});

test("canary: the check notices what is missing, foreign or out of its enumeration", (context) => {
  const schemaFolder = join(corpora, "ocsf-schema");
  if (!existsSync(schemaFolder)) context.skip("no schema in ../shared/corpora");
  const schema = new OcsfSchema(schemaFolder);
  const problems = schema.problems("dns_activity", { query: {}, colour: 1, activity_id: 3 });
  expect(problems).toEqual(
    expect.arrayContaining([
      "dns_activity.class_uid: missing",
      "dns_activity.colour: not declared",
      "dns_activity.query.hostname: missing",
    ]),
  );
});
