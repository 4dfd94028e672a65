// SPDX-License-Identifier: Apache-2.0
// The manager of the manager bench in a process of its own, as it runs for real. Started by
// bench/manager.ts with its folder; says where it listens, and what it used whenever it is asked.
import { Manager } from "../lib/manager/manager.ts";

/** What the child has used since its start. */
export interface ManagerUse {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** Where it listens. */
export interface ManagerPlace {
  readonly url: string;
  readonly linkUrl: string;
}

const [folder = ""] = process.argv.slice(2);
const manager = await Manager.open({
  ...{ folder, address: "127.0.0.1", port: 0, linkAddress: "127.0.0.1", linkPort: 0 },
});
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  const use: ManagerUse = {
    cpuSeconds: (user + system) / 1e6,
    memoryBytes: process.memoryUsage.rss(),
  };
  process.send?.(use);
});
process.on("disconnect", () => process.exit());
const { url, linkUrl } = manager;
const place: ManagerPlace = { url, linkUrl };
process.send?.(place);
