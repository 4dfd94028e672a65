// SPDX-License-Identifier: Apache-2.0
// What the server asks of detection, whatever is inside: exact indicators today, rules later.
import type { Detection, GuestEvent, GuestNetworkEvent } from "../model/model.ts";

/** Judges events one by one. An event without a match costs no allocation. */
export interface Detector {
  detect(event: GuestEvent): readonly Detection[];
  detectNetwork(event: GuestNetworkEvent): readonly Detection[];
}
