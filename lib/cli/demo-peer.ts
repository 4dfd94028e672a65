// SPDX-License-Identifier: Apache-2.0
// The demo's network peer: a name server and a web server beside the guest's tap. Run by
// demo-network.ts as a process of its own inside the demo's network namespace; says on its output
// when it is ready, and how many packets have come to the listed address when it is asked.
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { DEMO_NET } from "./demo-network.ts";

const headerBytes = 12;
const answerSeconds = 60;
const table = "undercroft_demo_peer";

/** The answer to a query for an address, or undefined where it is none. */
function answer(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at] ?? 0; length > 0 && length < 64; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  if (end > query.length) return undefined;
  const address = DEMO_NET.names[labels.join(".").toLowerCase()];
  const isAddressWanted = query.readUInt16BE(end - 4) === 1;
  const head = Buffer.alloc(headerBytes);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(address === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(1, 4);
  const question = query.subarray(headerBytes, end);
  if (address === undefined || !isAddressWanted) return Buffer.concat([head, question]);
  head.writeUInt16BE(1, 6);
  const record = Buffer.from([0xc0, headerBytes, 0, 1, 0, 1, 0, 0, 0, answerSeconds, 0, 4]);
  return Buffer.concat([head, question, record, Buffer.from(address.split(".").map(Number))]);
}

/** Packets that reached this side of the tap for the listed address. */
function listedPackets(): number {
  const text = execFileSync("nft", ["-j", "list", "table", "inet", table], { encoding: "utf8" });
  return Number(/"packets":\s*(\d+)/.exec(text)?.[1] ?? Number.NaN);
}

function main(): void {
  const rule = `ip saddr ${DEMO_NET.guest} ip daddr ${DEMO_NET.listed} counter`;
  const chain = "type filter hook input priority 0; policy accept;";
  execFileSync("nft", ["-f", "-"], {
    input: `table inet ${table} { chain in { ${chain} ${rule}; }; }\n`,
  });
  const names = createSocket("udp4");
  names.on("message", (query, { address, port }) => {
    const reply = answer(query);
    if (reply !== undefined) names.send(reply, port, address);
  });
  names.bind(53, DEMO_NET.peer);
  const web = createServer((_request, response) => response.end(`${DEMO_NET.greeting}\n`));
  web.listen(80, "0.0.0.0", () => process.stdout.write("ready\n"));
  process.stdin.on("data", () => process.stdout.write(`listed ${listedPackets()}\n`));
  process.stdin.on("end", () => process.exit(0));
}

main();
