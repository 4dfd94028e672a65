// SPDX-License-Identifier: Apache-2.0
// Which of Zeek's tests are no oracle for us, by rules over the test and its capture, and what a
// mismatch that remains is due to. Called by the Zeek comparison; each rule shows in the table.

/** A test as the corpus describes it. */
export interface ZeekTestFacts {
  readonly trace: string;
  readonly baseline: string;
}

/** Carriers and links that the product does not claim to open. */
const outOfScope: ReadonlyArray<readonly [pattern: RegExp, rule: string]> = [
  [/tunnels\/gtp\//, "GTP is not opened"],
  [/teredo/, "Teredo is not opened"],
  [/gre-over-udp/, "GRE over UDP is not opened"],
  [/gre-aruba/, "Aruba's GRE is not opened"],
  [/wlanmon/, "802.11 frames are never on a tap"],
];

/** Tests whose scripts change what Zeek itself sees or logs. */
const scripted: ReadonlyArray<readonly [pattern: RegExp, rule: string]> = [
  [/^scripts\.base\.frameworks\.netcontrol\./, "the test's script drops packets"],
  [/^spicy\./, "the test adds a parser of its own"],
  [/gridftp/, "the test's script cuts bulk transfers off"],
];

/** The rule that leaves a test out, or undefined. */
export function excludingRule({ trace, baseline }: ZeekTestFacts): string | undefined {
  const byTrace = outOfScope.find(([pattern]) => pattern.test(trace));
  const byScript = scripted.find(([pattern]) => pattern.test(baseline));
  return byTrace?.[1] ?? byScript?.[1];
}

/** Mismatches that were looked into: log and test, and what they are due to. */
const known: ReadonlyArray<readonly [pattern: RegExp, cause: string]> = [
  [/conn .*half-duplex-client/, "oracle: gives an unanswered SYN up after 5 s"],
  [/conn .*ldap\.sasl/, "oracle: counts offloaded segments, whose length field is 0, as nothing"],
  [/conn core\.mpls-in-vlan/, "by design: a stream picked up on its way is read"],
  [/conn core\.tunnels\.vxlan$/, "oracle: marks a connection that its script skips"],
  [/dns .*\.(tkey|wks)$/, "oracle: names no answer of this type"],
  [/dns .*\.spf$/, "oracle: sees no question of type SPF"],
  [/http .*\.no-version$/, "open: HTTP/0.9"],
];

/** What a row's mismatch is due to. */
export function causeOf(log: string, baseline: string): string {
  const place = `${log} ${baseline}`;
  return known.find(([pattern]) => pattern.test(place))?.[1] ?? "open";
}
