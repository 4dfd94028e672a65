// SPDX-License-Identifier: Apache-2.0
// Face of the manager room: one place for all servers. Never touches a region: it may run on
// another machine.
export { Manager, type ManagerOptions } from "./service.ts";
export { ManagerState } from "./state.ts";
export { type Caller, Users } from "./users.ts";
