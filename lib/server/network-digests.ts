// SPDX-License-Identifier: Apache-2.0
// The digests and ciphers that the network room asks its caller for, taken from Node.js. Called by
// the pcap command and the corpora run.
import { createCipheriv, createDecipheriv, createHmac, hash } from "node:crypto";
import type { NetworkDigests } from "../network/network.ts";

const tagBytes = 16;

/** Digests and ciphers by node:crypto. */
export const networkDigests: NetworkDigests = {
  md5: (bytes) => hash("md5", bytes, "buffer"),
  sha1: (bytes) => hash("sha1", bytes, "buffer"),
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  hmacSha256: (key, bytes) => createHmac("sha256", key).update(bytes).digest(),
  aes128Block: (key, block) => createCipheriv("aes-128-ecb", key, null).update(block),
  aes128GcmOpen: (key, nonce, header, sealed) => {
    if (sealed.length < tagBytes) return undefined;
    const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(header);
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
    try {
      decipher.final();
    } catch {
      // The only way that Node.js has to say that the tag does not fit.
      return undefined;
    }
    return plain;
  },
};
