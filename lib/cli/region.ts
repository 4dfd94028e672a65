// SPDX-License-Identifier: Apache-2.0
// `undercroft region dump`: reads a copy of a region file and prints it. It maps nothing and writes
// nothing, so that looking can never disturb a guest or a server.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import process from "node:process";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import {
  describeRegion,
  openMemoryRegion,
  type RegionDescription,
} from "../transport/transport.ts";
import { checkRegionBytes } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { namingPath } from "./path-error.ts";
import { regionLines } from "./region-lines.ts";
import { readArguments } from "./usage.ts";

/** Runs the command. */
export async function dumpRegion(args: readonly string[]): Promise<number> {
  const options = { json: { type: "boolean" } } as const;
  const { values, operands } = readArguments("region dump", args, options, ["PATH"]);
  const description = await readRegion(operands[0] ?? "");
  const text = values.json === true ? toJson(description) : regionLines(description).join("\n");
  process.stdout.write(`${text}\n`);
  return 0;
}

/**
 * Describes a region file from one copy of it.
 * @throws {UndercroftError} ERR_UC_REGION_OPEN, ERR_UC_REGION_SIZE, ERR_UC_REGION_MAGIC,
 * ERR_UC_REGION_VERSION, ERR_UC_REGION_CORRUPT
 */
export async function readRegion(path: string): Promise<RegionDescription> {
  let file: FileHandle | undefined;
  try {
    // Not blocking: a FIFO of that name must give an error, not wait for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error("it is not a regular file; name the region file itself");
    checkRegionBytes(stat.size);
    const copy = new Uint8Array(stat.size);
    for (let at = 0; at < copy.length; ) {
      const { bytesRead } = await file.read(copy, at, copy.length - at, at);
      if (bytesRead === 0) throw new Error("it was cut while it was read");
      at += bytesRead;
    }
    return describeRegion(openMemoryRegion(copy.buffer, path));
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    if (isUndercroftError(cause)) throw namingPath(cause, path);
    const message = `cannot read the region ${path}: ${cause.message}`;
    throw new UndercroftError("ERR_UC_REGION_OPEN", message, { path }, { cause });
  } finally {
    await file?.close();
  }
}
