// SPDX-License-Identifier: Apache-2.0
// SMB events beside Zeek's smb_files.log and smb_mapping.log (goal N1). Zeek tells a file once for
// each kind of action, and some twice; sets of rows are compared, not their number.
import type { NetworkEvent, SmbEvent } from "../../lib/model/model.ts";
import type { Comparison } from "./comparison.ts";
import type { Row } from "./zeek-rows.ts";

const actions: Readonly<Record<string, string>> = {
  create: "SMB::FILE_OPEN",
  read: "SMB::FILE_READ",
  write: "SMB::FILE_WRITE",
  close: "SMB::FILE_DELETE",
};
const identity = ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"];
const columns: Readonly<Record<string, readonly string[]>> = {
  smb_files: [...identity, "action", "path", "name", "size"],
  smb_mapping: [...identity, "path", "share_type"],
};

/** Compares one log of SMB. */
export function compareSmbLog(
  log: string,
  wanted: readonly Row[],
  events: readonly NetworkEvent[],
  place: string,
  comparison: Comparison,
): void {
  const names = columns[log] ?? [];
  const made = new Set<string>();
  for (const event of events) {
    const row = event.kind === "smb" ? smbRow(log, event) : undefined;
    if (row !== undefined) made.add(names.map((name) => row[name]).join(" "));
  }
  for (const text of new Set(wanted.map((row) => names.map((name) => row.get(name)).join(" ")))) {
    if (made.has(text)) comparison.hit();
    else comparison.miss("no such row", `${place} ${text}`);
  }
}

function smbRow(log: string, event: SmbEvent): Readonly<Record<string, string>> | undefined {
  if (event.statusCode !== 0 || !event.answered) return undefined;
  const row = {
    "id.orig_h": event.sourceAddress,
    "id.orig_p": String(event.sourcePort),
    "id.resp_h": event.destinationAddress,
    "id.resp_p": String(event.destinationPort),
    path: escaped(event.share) || "-",
  };
  if (log === "smb_mapping") {
    if (event.command !== "tree-connect") return undefined;
    return { ...row, share_type: event.shareType.toUpperCase() };
  }
  const action = actions[event.command];
  if (action === undefined || (event.command === "close" && !event.isDeleted)) return undefined;
  const name = escaped(event.fileName) || "<share_root>";
  return { ...row, action, name, size: String(event.fileBytes) };
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\");
}
