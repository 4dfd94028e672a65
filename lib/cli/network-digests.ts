// SPDX-License-Identifier: Apache-2.0
// The digests that the network room asks its caller for, taken from Node.js. Called by the pcap
// command and the corpora run.
import { hash } from "node:crypto";
import type { NetworkDigests } from "../network/network.ts";

/** Digests by node:crypto. */
export const networkDigests: NetworkDigests = {
  md5: (bytes) => hash("md5", bytes, "buffer"),
  sha1: (bytes) => hash("sha1", bytes, "buffer"),
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
};
