// SPDX-License-Identifier: Apache-2.0
// JSON for programs that read our output: 64-bit numbers become decimal texts, since most readers
// would round them, and bytes become hex. Called by the commands with --json.
import { toHex } from "../wire/wire.ts";

/** One line of JSON. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return part.toString();
    return part instanceof Uint8Array ? toHex(part) : part;
  });
}
