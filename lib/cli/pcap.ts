// SPDX-License-Identifier: Apache-2.0
// `undercroft pcap`: prints the network events of capture files. Texts from packets are escaped, so
// that they cannot write to the terminal.
import process from "node:process";
import type { NetworkEvent } from "../model/model.ts";
import { CaptureReader, NetworkAnalyzer } from "../network/network.ts";
import { readCaptureFile } from "../redirector/redirector.ts";
import { networkDigests } from "../server/server.ts";
import { printable } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { readArguments, usageError } from "./usage.ts";

/** Runs the command. */
export async function printCaptures(args: readonly string[]): Promise<number> {
  const files = args.filter((word) => !word.startsWith("--"));
  const options = args.filter((word) => word.startsWith("--"));
  const { values } = readArguments("pcap", options, {
    json: { type: "boolean" },
    stats: { type: "boolean" },
  });
  if (files.length === 0) throw usageError("pcap", "FILE is missing");
  let status = 0;
  for (const file of files) {
    const isWhole = printCapture(file, values.json === true, values.stats === true);
    if (!isWhole) status = 1;
  }
  return status;
}

function printCapture(path: string, isJson: boolean, hasStats: boolean): boolean {
  const reader = new CaptureReader(readCaptureFile(path));
  let lines: string[] = [];
  const flush = (): void => {
    if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
    lines = [];
  };
  const analyzer = new NetworkAnalyzer({
    digests: networkDigests,
    onEvent: (event) => {
      if (hasStats && !isJson) return;
      lines.push(isJson ? toJson(event) : printable(eventLine(event)));
      if (lines.length >= 512) flush();
    },
  });
  const startMs = performance.now();
  const { packet, bytes } = reader;
  while (reader.next()) {
    analyzer.packet(packet.timeMs, packet.linkType, bytes, packet.start, packet.end);
  }
  analyzer.flush();
  flush();
  if (hasStats) {
    const milliseconds = performance.now() - startMs;
    const stats = {
      file: path,
      ...analyzer.counts,
      dropped: analyzer.dropped,
      milliseconds: Math.round(milliseconds),
      megabytesPerSecond: Math.round(analyzer.counts.bytes / milliseconds / 1000),
    };
    process.stderr.write(`${toJson(stats)}\n`);
  }
  if (reader.fault === undefined) return true;
  const { fault, offset } = reader.fault;
  process.stderr.write(`undercroft: ${printable(path)}: ${fault} at byte ${offset}\n`);
  return false;
}

function eventLine(event: NetworkEvent): string {
  const time = new Date(event.timeMs).toISOString();
  const source = `${event.sourceAddress}:${event.sourcePort}`;
  const ends = `${source} > ${event.destinationAddress}:${event.destinationPort}`;
  return `${time} ${event.kind.padEnd(11)} ${ends} ${eventDetail(event)}`;
}

function eventDetail(event: NetworkEvent): string {
  switch (event.kind) {
    case "dns":
      return `${event.query} ${event.answers.join(",")}`;
    case "http":
      return `${event.method} ${event.authority}${event.uri} ${event.statusCode}`;
    case "tls":
      return `${event.serverName} ja4=${event.ja4} ja3=${event.ja3}`;
    case "ssh":
      return `${event.clientVersion} ${event.serverVersion} hassh=${event.hassh}`;
    case "dhcp":
      return `type ${event.messageType} ${event.clientMac} ${event.assignedAddress}`;
    case "arp":
      return `operation ${event.operation} ${event.senderMac}`;
    case "smb":
      return `${event.command} ${event.share} ${event.fileName} ${event.statusCode.toString(16)}`;
    case "anomaly":
      return event.name;
    default:
      return `${event.transport} ${event.state} ${event.history} ${event.services.join(",")}`;
  }
}
