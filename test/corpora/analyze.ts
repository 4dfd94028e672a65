// SPDX-License-Identifier: Apache-2.0
// Runs the analyzer over bytes of a capture and collects its events. Called by the corpora run and
// by the tests of the network room.

import type { NetworkEvent } from "../../lib/model/model.ts";
import { CaptureReader, NetworkAnalyzer } from "../../lib/network/network.ts";
import { networkDigests } from "../../lib/server/network-digests.ts";

export { readCaptureFile as readCapture } from "../../lib/redirector/redirector.ts";

/** All events of one capture. */
export function analyze(bytes: Uint8Array, verifyChecksums = false): NetworkEvent[] {
  const events: NetworkEvent[] = [];
  const reader = new CaptureReader(bytes);
  const analyzer = new NetworkAnalyzer({
    digests: networkDigests,
    verifyChecksums,
    onEvent: (event) => events.push(event),
  });
  const { packet } = reader;
  while (reader.next()) {
    analyzer.packet(packet.timeMs, packet.linkType, bytes, packet.start, packet.end);
  }
  analyzer.flush();
  return events;
}
