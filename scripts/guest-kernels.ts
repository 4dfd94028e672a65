// SPDX-License-Identifier: Apache-2.0
// Fetches the newest kernels that guests boot into the cache, so that tests and the main job need
// no download later. `node scripts/guest-kernels.ts [SERIES... | --all]`; default: first series.
import { kernelSeries, obtainKernel } from "../lib/hypervisor/hypervisor.ts";

const args = process.argv.slice(2);
const wanted = args.includes("--all") ? kernelSeries : args;
const report = (line: string): void => console.log(line);
for (const series of wanted.length > 0 ? wanted : kernelSeries.slice(0, 1)) {
  const kernel = await obtainKernel(series, { renew: true, report });
  console.log(`${series}: ${kernel.vmlinuz}`);
}
