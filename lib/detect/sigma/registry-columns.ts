// SPDX-License-Identifier: Apache-2.0
// Registry keys and values as Sysmon writes them, from what the Windows driver sends: kernel paths
// and the first bytes of the data in hex. Called for the columns of registry events.
import type { RegistryEvent } from "../../model/model.ts";

// The control set that is in use is not told; as a rule it is the one that is spoken of.
const ROOTS: ReadonlyArray<readonly [kernel: RegExp, written: string]> = [
  [/^\\registry\\machine\\system\\controlset00\d(?=\\|$)/i, "HKLM\\System\\CurrentControlSet"],
  [/^\\registry\\machine(?=\\|$)/i, "HKLM"],
  [/^\\registry\\user(?=\\|$)/i, "HKU"],
];

// Types of values (winnt.h).
const REG_SZ = 1;
const REG_EXPAND_SZ = 2;
const REG_DWORD = 4;
const REG_MULTI_SZ = 7;
const REG_QWORD = 11;

/** Key, and value where the event is about one, with the short names of the roots. */
export function registryObject({ kind, key, name }: RegistryEvent): string {
  let path = key;
  for (const [kernel, written] of ROOTS) path = path.replace(kernel, written);
  if (!kind.startsWith("value.")) return path;
  return `${path}\\${name === "" ? "(Default)" : name}`;
}

/** What a value was set to, as Sysmon's Details. */
export function registryDetails({ valueType, data, dataBytes }: RegistryEvent): string {
  if (dataBytes === 0) return "(Empty)";
  const bytes = bytesOf(data);
  const view = new DataView(bytes.buffer);
  switch (valueType) {
    case REG_DWORD:
      return bytes.length < 4 ? BINARY : `DWORD (${hexWord(view.getUint32(0, true))})`;
    case REG_QWORD: {
      if (bytes.length < 8) return BINARY;
      const [low, high] = [0, 4].map((offset) => hexWord(view.getUint32(offset, true)));
      return `QWORD (${high}-${low})`;
    }
    case REG_SZ:
    case REG_EXPAND_SZ:
      return utf16Text(bytes).replace(/\0.*$/s, "");
    case REG_MULTI_SZ:
      return utf16Text(bytes).replace(/\0+$/, "").replaceAll("\0", ";");
    default:
      return BINARY;
  }
}

const BINARY = "Binary Data";

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

function utf16Text(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    text += String.fromCharCode((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8));
  }
  return text;
}

function hexWord(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
