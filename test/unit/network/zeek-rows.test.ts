// SPDX-License-Identifier: Apache-2.0
// The comparison with Zeek's logs itself: a right row matches, and a planted wrong one must not.
import { expect, test } from "vitest";
import { analyze } from "../../corpora/analyze.ts";
import { compareLog, readZeekLog } from "../../corpora/zeek-rows.ts";
import { ends, pcap, tcp } from "./packets.ts";

const log = (state: string, port = 9): string =>
  [
    "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\thistory",
    `10.0.0.1\t40000\t10.0.0.2\t${port}\ttcp\t${state}\tS`,
  ].join("\n");

test("a right row matches, a wrong value and a missing row do not", () => {
  const events = analyze(pcap([tcp(ends(9), 2, 100, 0)]));
  const compare = (text: string) => compareLog("conn", readZeekLog(text), events, false);
  expect(compare(log("S0")).matched).toBe(1);
  const wrong = compare(log("SF"));
  expect([wrong.rows, wrong.matched]).toEqual([1, 0]);
  expect([...wrong.reasons.keys()]).toEqual(["differs: conn_state=S0/SF"]);
  expect([...compare(log("S0", 10)).reasons.keys()][0]).toBe("no such row");
});
