// SPDX-License-Identifier: Apache-2.0
// The version of this package, for --version and for what introduces itself to a server.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's version: its package.json lies above this file, built or not. */
export function version(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), "../../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
