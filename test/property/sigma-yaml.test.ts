// SPDX-License-Identifier: Apache-2.0
// The fast reader of rule files against the whole grammar of YAML: where it does not give up, both
// read the same, and neither finds anything wrong.
import fc from "fast-check";
import { expect, test } from "vitest";
import { readPlainYaml } from "../../lib/detect/sigma/plain-yaml.ts";
import type { YamlNode } from "../../lib/detect/sigma/yaml-node.ts";
import { readAnyYaml } from "../../lib/detect/sigma/yaml-reader.ts";
import { holds } from "../support/property.ts";

const seeds = [
  `title: A title # with a comment
id: 195e1b9d-bfc2-4ffa-ab4e-35aef69815f8
description: |
    Two lines,

      one of them deeper: 'x'
date: 2024-02-29
references:
- https://example.org/#part
-   plain  text
level: high

`,
  `detection:
    selection_1:
        - Image|endswith: '\\it''s.exe'
          OriginalFileName: "a\\"b\\\\c"
        - CommandLine|contains|all:
              - ' -a: '
              - -b
              - 4625
        - '|all': null
    filter: # nothing
        Signed: true
        Size: 1e3
    condition: selection_1 and not filter
`,
  `a: |-
  x
   y

b:
  c: ~
  d:
  e: 'q' # r
# end
`,
];

/** A null that nobody wrote has no place of its own. */
function withoutNullPlaces(node: YamlNode): YamlNode {
  if (node.kind === "scalar") return node.value === null ? { ...node, at: 0 } : node;
  if (node.kind === "list") return { ...node, items: node.items.map(withoutNullPlaces) };
  const entries = node.entries.map(({ key, value }) => ({
    key: withoutNullPlaces(key) as typeof key,
    value: withoutNullPlaces(value),
  }));
  return { ...node, entries };
}

function bothReadings(text: string): { fast: YamlNode | undefined; whole: YamlNode | undefined } {
  const fast = readPlainYaml(text);
  if (fast === undefined) return { fast, whole: undefined };
  return { fast: withoutNullPlaces(fast), whole: withoutNullPlaces(readAnyYaml(text)) };
}

test.each(seeds)("reads a rule's YAML itself: %#", (text) => {
  const { fast, whole } = bothReadings(text.replace("1e3", "1000"));
  expect(fast).toBeDefined();
  expect(fast).toEqual(whole);
});

test("reads what the whole grammar reads, or gives up", () => {
  const bits = ["'", '"', ":", ": ", "\n", "  ", " ", "-", "- ", "#", " #", "|", ">", "\\", "~"];
  const more = [
    "[",
    "]",
    "{",
    "&a",
    "*a",
    "!",
    "%",
    "0x1",
    "1.",
    ".5",
    "null",
    "\t",
    "a",
    "?",
    ",",
  ];
  const put = fc.constantFrom(...bits, ...more, "");
  const edit = fc.tuple(fc.nat(500), fc.nat(4), put);
  let understood = 0;
  let tried = 0;
  const property = fc.property(
    fc.constantFrom(...seeds),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
    (seed, edits) => {
      let text = seed;
      for (const [place, count, what] of edits) {
        const at = place % text.length;
        text = text.slice(0, at) + what + text.slice(at + count);
      }
      const { fast, whole } = bothReadings(text);
      tried += 1;
      if (fast !== undefined) understood += 1;
      expect(fast).toEqual(whole);
    },
  );
  holds(property, 6000);
  // A reader that always gave up would be equal too.
  expect(understood).toBeGreaterThan(tried / 10);
});
