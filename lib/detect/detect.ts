// SPDX-License-Identifier: Apache-2.0
// Face of the detect room: events in, detections out. Pure: no clock, no I/O, so that the same
// code runs live, in replay and in the simulator.
export * from "./detector.ts";
export * from "./indicator-detection.ts";
export * from "./indicator-list.ts";
export * from "./indicator-match.ts";
export * from "./intel/intel.ts";
export * from "./sigma/sigma.ts";
