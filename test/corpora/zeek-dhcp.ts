// SPDX-License-Identifier: Apache-2.0
// DHCP events beside Zeek's dhcp.log (goal N1): Zeek tells the messages of one transaction in one
// row, so ours are joined by transaction here. Called by the Zeek comparison.
import type { DhcpEvent, NetworkEvent } from "../../lib/model/model.ts";
import type { Comparison } from "./comparison.ts";
import type { Row } from "./zeek-rows.ts";

const types = ["", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"];

/** Compares the log; a test that sets limits of its own on rows is no oracle. */
export function compareDhcpLog(
  wanted: readonly Row[],
  events: readonly NetworkEvent[],
  command: string,
  place: string,
  comparison: Comparison,
): void {
  if (command.includes("redef DHCP::")) {
    comparison.exclude("the test limits its rows");
    return;
  }
  const left = transactionsOf(events).map(dhcpRow);
  for (const row of wanted) {
    const index = left.findIndex((made) =>
      Object.entries(made).every(([name, value]) => (row.get(name) ?? "-") === (value || "-")),
    );
    if (index < 0) comparison.miss("open: no such row", place);
    else {
      comparison.hit();
      left.splice(index, 1);
    }
  }
}

function transactionsOf(events: readonly NetworkEvent[]): DhcpEvent[][] {
  const transactions = new Map<number, DhcpEvent[]>();
  for (const event of events) {
    if (event.kind !== "dhcp") continue;
    const list = transactions.get(event.transactionId) ?? [];
    transactions.set(event.transactionId, list);
    list.push(event);
  }
  return [...transactions.values()];
}

function dhcpRow(messages: readonly DhcpEvent[]): Readonly<Record<string, string>> {
  const last = (pick: (event: DhcpEvent) => string): string =>
    messages.map(pick).findLast((value) => value !== "") ?? "";
  const lease = messages.findLast((event) => event.leaseSeconds > 0)?.leaseSeconds;
  return {
    mac: last((event) => event.clientMac),
    client_addr: last((event) => event.clientAddress),
    server_addr: last((event) => event.serverAddress),
    host_name: last((event) => event.clientName),
    client_fqdn: last((event) => event.clientDomainName),
    domain: last((event) => event.domain),
    requested_addr: last((event) => event.requestedAddress),
    assigned_addr: last((event) => event.assignedAddress),
    lease_time: lease === undefined ? "" : lease.toFixed(6),
    msg_types: messages.map((event) => types[event.messageType] ?? "").join(","),
  };
}
