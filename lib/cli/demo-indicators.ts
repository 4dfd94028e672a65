// SPDX-License-Identifier: Apache-2.0
// The demo's own list of what is known to be bad, in the format of indicator files. Called by
// start.ts where no --indicators is given; a test keeps the hash that of the payload.
import { DEMO } from "./demo-guest.ts";
import { DEMO_NET } from "./demo-network.ts";

/** SHA-256 of the program that the demo's intruder drops. */
export const DEMO_PAYLOAD_SHA256 =
  "cfeba6893c9b22268508af21628bf53b109313b4b6a0d8dd1bd73896bfac0c3a";

/** Text of the demo's indicator file. */
export const DEMO_INDICATORS: string = `# Undercroft's demo: one indicator of each kind
sha256:${DEMO_PAYLOAD_SHA256} | Dropped program of the demo | critical
path:${DEMO.secretPath} | The demo's secret file | high
name:${DEMO.minerName} | Coin miner of the demo | high
cmdline:${DEMO.stageUrl} | Download of the demo's second stage | high
domain:${DEMO_NET.listedName} | Beacon of the demo | high
`;
