// SPDX-License-Identifier: Apache-2.0
// Face of the response room: what to do about a detection. Pure policy; the server carries it out.
export * from "./decide.ts";
export * from "./policy.ts";
export * from "./policy-parse.ts";
export * from "./response-limits.ts";
export * from "./tap-response.ts";
export * from "./verdict-rules.ts";
