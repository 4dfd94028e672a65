// SPDX-License-Identifier: Apache-2.0
// Appends numbered batches until it is killed, and says each number after its append returned.
// Run by sealed-log.test.ts with the log's path and the key in hexadecimal.
import { createSecretKey } from "node:crypto";
import { writeSync } from "node:fs";
import { createSealedLog } from "../../../lib/store/store.ts";

const log = createSealedLog(process.argv[2] ?? "", createSecretKey(process.argv[3] ?? "", "hex"));
for (let number = 0; ; number += 1) {
  log.append(Buffer.from(`batch ${number} ${"x".repeat(number % 5000)}`));
  writeSync(1, `${number}\n`);
}
