// SPDX-License-Identifier: Apache-2.0
import { UndercroftError } from "../errors/errors.ts";
import type { GuestRequest, ProtectedGuest } from "./protected-guest.ts";

export async function startSimulatedGuest(_request: GuestRequest): Promise<ProtectedGuest> {
  throw new UndercroftError("ERR_UC_GUEST_BOOT", "no simulated guest here");
}
