// SPDX-License-Identifier: Apache-2.0
// Face of the registry room: who a guest is, what state it is in, and which session its region
// runs. Used by the server; knows nothing of records or commands.
export * from "./guest-states.ts";
export * from "./hello-limit.ts";
export * from "./region-pages.ts";
export * from "./registration.ts";
