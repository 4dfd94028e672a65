// SPDX-License-Identifier: Apache-2.0
// Correlations of all types, over the time of the events: the specification's own examples first.
import { describe, expect, test } from "vitest";
import {
  type CorrelatorOptions,
  loadRules,
  SigmaEngine,
  type SigmaMatch,
  type SigmaValue,
} from "../../../../lib/detect/detect.ts";
import { testEvent } from "./rules.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Events carry real times, so that nothing works only near zero. */
const START = Date.UTC(2024, 1, 29);

type Step = readonly [atMs: number, fields: Readonly<Record<string, SigmaValue>>];

const base = (name: string, id: number): string => `title: ${name}
name: ${name}
logsource: {product: test}
detection:
    s: {EventID: ${id}}
    condition: s
`;

function engineOf(correlation: string, options: CorrelatorOptions = {}): SigmaEngine {
  const text = [base("a", 1), base("b", 2), base("c", 3), correlation].join("---\n");
  const set = loadRules([{ name: "a.yml", text }]);
  const errors = set.problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
  return new SigmaEngine(set, { latenessMs: 0, ...options });
}

/** Correlations that hold, as `seconds title group figure`. */
function told(matches: readonly SigmaMatch[]): string[] {
  return matches.flatMap((match) => {
    if (match.kind === "rule") return [];
    const { timeMs, correlation, group, figure, value } = match;
    const groups = [...group.values(), ...(value === undefined ? [] : [value])].join(" ");
    return [`${(timeMs - START) / SECOND} ${correlation.title} ${groups} ${figure}`];
  });
}

function run(engine: SigmaEngine, steps: readonly Step[], endMs?: number): string[] {
  const found = steps.flatMap(([atMs, fields]) => {
    return told(engine.match(testEvent(fields, START + atMs)));
  });
  return endMs === undefined ? found : [...found, ...told(engine.advance(START + endMs))];
}

const many = (count: number, everyMs: number, fields: Step[1], fromMs = 0): Step[] =>
  Array.from({ length: count }, (_, index) => [fromMs + index * everyMs, fields] as const);

const correlation = (body: string, more = ""): string => `title: C
${more}correlation:
    rules: [a, b, c]
    group-by: [User]
    timespan: 10s
${body.replace(/^/gm, "    ")}
`;

const chainOfTheSpecification = `title: Failed Logins Followed by a Successful One
id: b180ead8-d58f-40b2-ae54-c8940995b9b6
correlation:
    type: temporal_ordered
    rules:
        - multiple_failed_login
        - successful_login
    group-by:
        - User
    timespan: 10m
level: high
---
title: Multiple failed logons
id: a8418a5a-5fc4-46b5-b23b-6c73beb19d41
name: multiple_failed_login
correlation:
    type: event_count
    rules:
        - failed_login
    group-by:
        - User
    timespan: 10m
    condition:
        gte: 10
---
title: Single failed login
id: 53ba33fd-3a50-4468-a5ef-c583635cfa92
name: failed_login
logsource: {product: test}
detection:
    selection:
        EventID: [529, 4625]
    condition: selection
---
title: Successful login
id: 4d0a2c83-c62c-4ed4-b475-c7e23a9269b8
name: successful_login
logsource: {product: test}
detection:
    selection:
        EventID: [528, 4624]
    condition: selection
`;

describe("failed logins followed by a successful one", () => {
  const failed = { EventID: 4625, User: "adm" };
  const success = { EventID: 4624, User: "adm" };

  test.each<[string, readonly Step[], readonly string[]]>([
    [
      "hold",
      [...many(10, MINUTE / 2, failed), [6 * MINUTE, success]],
      ["360 Failed Logins Followed by a Successful One adm 2"],
    ],
    ["nine do not", [...many(9, MINUTE / 2, failed), [6 * MINUTE, success]], []],
    ["slow ones do not", [...many(12, 2 * MINUTE, failed), [23 * MINUTE, success]], []],
    ["a success too late does not", [...many(10, 1, failed), [11 * MINUTE, success]], []],
    ["a success before does not", [[0, success], ...many(10, 1, failed, 5)], []],
    [
      "another user's success does not",
      [...many(10, 1, failed), [MINUTE, { EventID: 4624, User: "other" }]],
      [],
    ],
    [
      "the user's case does not count",
      [...many(10, 1, failed), [MINUTE, { EventID: 4624, User: "ADM" }]],
      ["60 Failed Logins Followed by a Successful One adm 2"],
    ],
  ])("%s", (_, steps, wanted) => {
    const engine = engineOf(chainOfTheSpecification);
    const matches = steps.flatMap(([atMs, fields]) =>
      engine.match(testEvent(fields, START + atMs)),
    );
    expect(told(matches)).toEqual(wanted);
    // The parts of a chain are not reported by themselves.
    expect(matches.filter(({ kind }) => kind === "rule")).toEqual([]);
  });

  test("report their parts where generate asks for it", () => {
    const text = chainOfTheSpecification.replace("level: high", "level: high\ngenerate: true");
    const engine = engineOf(text);
    const steps = [...many(10, 1, failed), [MINUTE, success] as const];
    const matches = steps.flatMap(([atMs, fields]) =>
      engine.match(testEvent(fields, START + atMs)),
    );
    expect(told(matches).map((line) => line.split(" ")[1])).toEqual(["Multiple", "Failed"]);
    const rules = matches.flatMap((match) => (match.kind === "rule" ? [match.rule.title] : []));
    expect(rules).toEqual(["Successful login"]);
  });
});

describe("types", () => {
  const [a, b, c] = [1, 2, 3].map((EventID) => ({ EventID, User: "u" }));
  const step = (atSeconds: number, fields: Step[1] | undefined, more: Step[1] = {}): Step => [
    atSeconds * SECOND,
    { ...fields, ...more },
  ];

  test.each<[string, string, readonly Step[], readonly string[]]>([
    [
      "event_count slides, and each event counts once",
      "type: event_count\ncondition: {gte: 3}",
      [step(0, a), step(6, a), step(11, b), step(12, a), step(20, a), step(21, a), step(22, a)],
      ["12 C u 3", "22 C u 3"],
    ],
    [
      "event_count greater than",
      "type: event_count\ncondition: {gt: 2}",
      [step(0, a), step(1, a), step(2, a)],
      ["2 C u 3"],
    ],
    [
      "an event at the window's very edge is out",
      "type: event_count\ncondition: {gte: 2}",
      [step(0, a), step(10, a)],
      [],
    ],
    [
      "event_count in a range, judged at the end",
      "type: event_count\ncondition: {gt: 1, lte: 3}",
      [step(0, a), step(5, a), step(20, a), step(40, a), ...many(4, 1, a as Step[1], 60_000)],
      ["10 C u 2"],
    ],
    [
      "event_count equal",
      "type: event_count\ncondition: {eq: 1}",
      [step(0, a), step(15, a), step(16, a)],
      ["10 C u 1"],
    ],
    [
      "value_count of distinct values",
      "type: value_count\ncondition: {field: F, gte: 2}",
      [step(0, a, { F: "x" }), step(1, a, { F: "X" }), step(2, a), step(3, a, { F: "y" })],
      ["3 C u 2"],
    ],
    [
      "value_count of several fields together",
      "type: value_count\ncondition: {field: [F, G], gte: 3}",
      [
        step(0, a, { F: 1, G: 1 }),
        step(1, a, { F: 1, G: 2 }),
        step(2, a, { F: 1, G: 1 }),
        step(3, a, { F: 2, G: 1 }),
      ],
      ["3 C u 3"],
    ],
    [
      "value_count forgets what left the window",
      "type: value_count\ncondition: {field: F, gte: 3}",
      [
        step(0, a, { F: "x" }),
        step(1, a, { F: "y" }),
        step(10.5, a, { F: "z" }),
        step(10.6, a, { F: "x" }),
      ],
      ["10.6 C u 3"],
    ],
    [
      "temporal in any order",
      "type: temporal",
      [step(0, c), step(1, a), step(2, a), step(3, b)],
      ["3 C u 3"],
    ],
    ["temporal of too long a time", "type: temporal", [step(0, c), step(1, a), step(10, b)], []],
    [
      "temporal of some of the rules",
      "type: temporal\ncondition: {gte: 2}",
      [step(0, c), step(1, c), step(2, a)],
      ["2 C u 2"],
    ],
    [
      "temporal_ordered",
      "type: temporal_ordered",
      [step(0, b), step(1, a), step(2, c), step(3, b), step(4, c)],
      ["4 C u 3"],
    ],
    [
      "temporal_ordered in another order",
      "type: temporal_ordered",
      [step(0, c), step(1, b), step(2, a)],
      [],
    ],
    [
      "temporal_ordered of some of the rules",
      "type: temporal_ordered\ncondition: {gte: 2}",
      [step(0, c), step(1, a), step(2, c)],
      ["2 C u 2"],
    ],
    [
      "value_sum slides",
      "type: value_sum\ncondition: {field: N, gt: 10}",
      [step(0, a, { N: 6 }), step(10, a, { N: "5" }), step(11, a, { N: 5 }), step(12, a, { N: 1 })],
      ["12 C u 11"],
    ],
    [
      "value_sum takes numbers only",
      "type: value_sum\ncondition: {field: N, gte: 2}",
      [step(0, a, { N: "x" }), step(1, a, { N: 2 })],
      ["1 C u 2"],
    ],
    [
      "value_avg of a window that is over",
      "type: value_avg\ncondition: {field: N, gt: 2}",
      [step(0, a, { N: 9 }), step(1, a, { N: 1 }), step(20, a, { N: 2 })],
      ["10 C u 5"],
    ],
    [
      "value_percentile of a named percentile",
      "type: value_percentile\ncondition: {field: N, percentile: 50, gte: 3}",
      [1, 9, 2, 4].map((N, at) => step(at, a, { N })),
      ["10 C u 3"],
    ],
    [
      "value_percentile by the share of each value",
      "type: value_percentile\ncondition: {field: F, lte: 25}",
      ["x", "y", "x", "X"].map((F, at) => step(at, a, { F })),
      ["10 C u y 25"],
    ],
  ])("%s", (_, body, steps, wanted) => {
    expect(run(engineOf(correlation(body)), steps, 1000 * SECOND)).toEqual(wanted);
  });

  test("groups are apart, and an event without the group's field is in none", () => {
    const engine = engineOf(correlation("type: event_count\ncondition: {gte: 2}"));
    const steps = ["x", "y", undefined, undefined, "x"].map(
      (User, at) => [at, User === undefined ? { EventID: 1 } : { EventID: 1, User }] as const,
    );
    expect(run(engine, steps)).toEqual(["0.004 C x 2"]);
    expect(engine.stats.correlations).toMatchObject({ incomplete: 2, groups: 1 });
  });

  test("aliases give a field another name in each rule", () => {
    const engine = engineOf(`title: C
correlation:
    type: temporal
    rules: [a, b]
    aliases:
        internal: {a: destination.ip, b: source.ip}
        remote: {a: source.ip, b: destination.ip}
    group-by: [internal, remote]
    timespan: 10s
`);
    const steps: Step[] = [
      [0, { EventID: 1, "destination.ip": "10.0.0.1", "source.ip": "1.2.3.4" }],
      [1, { EventID: 2, "destination.ip": "10.0.0.1", "source.ip": "1.2.3.4" }],
      [2, { EventID: 2, "destination.ip": "1.2.3.4", "source.ip": "10.0.0.1" }],
    ];
    expect(run(engine, steps)).toEqual(["0.002 C 10.0.0.1 1.2.3.4 2"]);
  });
});

test("a chain goes on with fields of the last event, though the window has closed", () => {
  const engine = engineOf(`title: Outer
correlation:
    type: event_count
    rules: [inner]
    group-by: [Computer]
    timespan: 1m
    condition: {gte: 2}
---
title: Inner
name: inner
correlation:
    type: event_count
    rules: [a]
    group-by: [User]
    timespan: 10s
    condition: {eq: 1}
`);
  const steps: Step[] = [
    [0, { EventID: 1, User: "x", Computer: "pc" }],
    [1, { EventID: 1, User: "y", Computer: "pc" }],
  ];
  expect(run(engine, steps, 60 * SECOND)).toEqual(["10.001 Outer pc 2"]);
});

describe("late events", () => {
  const [a, b, c] = [1, 2, 3].map((EventID) => ({ EventID, User: "u" }) as Step[1]);

  test("find their place in the order", () => {
    const engine = engineOf(correlation("type: temporal_ordered"), { latenessMs: 5000 });
    const steps: Step[] = [
      [0, a ?? {}],
      [2000, c ?? {}],
      [1000, b ?? {}],
    ];
    expect(run(engine, steps)).toHaveLength(1);
  });

  test("are counted when they come after their window", () => {
    const engine = engineOf(correlation("type: event_count\ncondition: {gte: 2}"));
    expect(
      run(engine, [
        [20_000, a ?? {}],
        [5000, a ?? {}],
        [12_000, a ?? {}],
      ]),
    ).toHaveLength(1);
    expect(engine.stats.correlations.late).toBe(1);
  });

  test("a window stays open for them", () => {
    const body = "type: event_count\ncondition: {eq: 2}";
    const steps: Step[] = [
      [0, a ?? {}],
      [12_000, { ...a, User: "other" }],
      [9000, a ?? {}],
    ];
    const late = engineOf(correlation(body), { latenessMs: 5000 });
    expect(run(late, steps, 16_000)).toEqual(["10 C u 2"]);
    expect(run(engineOf(correlation(body)), steps, 16_000)).toEqual([]);
  });

  test("where the clock is the caller's, a wrong time moves nobody's window", () => {
    const options = { timeFrom: "advance" } as const;
    const engine = engineOf(correlation("type: event_count\ncondition: {gte: 3}"), options);
    engine.advance(START);
    const ages = 1e12;
    expect(
      run(engine, [
        [0, a ?? {}],
        [ages, a ?? {}],
        [0, a ?? {}],
      ]),
    ).toEqual(["0 C u 3"]);
  });
});

describe("what is kept", () => {
  const body = correlation("type: event_count\ncondition: {gte: 1000}");
  const users = (count: number): Step[] =>
    Array.from({ length: count }, (_, at) => [at, { EventID: 1, User: `u${at}` }] as const);

  test("groups beyond the limit go, the longest untouched first, and are counted", () => {
    const engine = engineOf(body, { groupsMax: 10 });
    run(engine, users(12));
    run(engine, [[12, { EventID: 1, User: "u2" }], ...users(14).slice(13)]);
    const { groups, evictedGroups, evictedSamples } = engine.stats.correlations;
    expect([groups, evictedGroups, evictedSamples]).toEqual([10, 3, 3]);
    expect(engine.exportState().groups.map(({ values }) => values[0])).not.toContain("u3");
  });

  test("samples are bounded over all groups", () => {
    const engine = engineOf(body, { samplesMax: 50 });
    run(engine, many(40, 1, { EventID: 1, User: "x" }));
    run(engine, many(40, 1, { EventID: 1, User: "y" }, 40));
    const { samples, evictedGroups, evictedSamples } = engine.stats.correlations;
    expect([samples, evictedGroups, evictedSamples]).toEqual([40, 1, 40]);
  });

  test("groups go by themselves once nothing can come of them", () => {
    const engine = engineOf(body);
    run(engine, users(100));
    expect(engine.stats.correlations.groups).toBe(100);
    engine.advance(START + 11 * SECOND);
    expect(engine.stats.correlations).toMatchObject({ groups: 0, samples: 0, evictedGroups: 0 });
  });

  test("a window of very many distinct values stops counting them", () => {
    const text = correlation("type: value_percentile\ncondition: {field: F, lt: 0}");
    const engine = engineOf(text);
    const steps = Array.from(
      { length: 10_050 },
      (_, F) => [1, { EventID: 1, User: "u", F }] as const,
    );
    run(engine, steps);
    expect(engine.stats.correlations).toMatchObject({ samples: 10_000, evictedSamples: 50 });
  });
});

describe("state", () => {
  const bodies = [
    "type: event_count\ncondition: {gte: 4}",
    "type: event_count\ncondition: {eq: 4}",
    "type: value_count\ncondition: {field: F, gte: 4}",
    "type: temporal_ordered\ncondition: {gte: 2}",
    "type: value_sum\ncondition: {field: N, gte: 10}",
    "type: value_avg\ncondition: {field: N, gte: 2}",
    "type: value_percentile\ncondition: {field: N, percentile: 90, gte: 3}",
    "type: value_percentile\ncondition: {field: F, lte: 25}",
  ];
  const steps = [1, 3, 2, 4].map(
    (N, at) => [at * SECOND, { EventID: (at % 2) + 1, User: "u", F: `f${N}`, N }] as const,
  );

  test.each(bodies)("goes through JSON and on: %s", (body) => {
    const text = correlation(body);
    const wanted = run(engineOf(text), steps, 60 * SECOND);
    expect(wanted.length).toBeGreaterThan(0);
    for (let cut = 0; cut <= steps.length; cut++) {
      const first = engineOf(text);
      const before = run(first, steps.slice(0, cut));
      const saved = JSON.parse(JSON.stringify(first.exportState()));
      const second = engineOf(text);
      expect(second.importState(saved)).toBe(0);
      expect([...before, ...run(second, steps.slice(cut), 60 * SECOND)]).toEqual(wanted);
    }
  });

  test("of a correlation that changed, or is gone, is dropped", () => {
    const first = engineOf(correlation("type: event_count\ncondition: {gte: 4}"));
    run(first, steps.slice(0, 2));
    const state = first.exportState();
    const changed = engineOf(correlation("type: event_count\ncondition: {gte: 5}"));
    expect(changed.importState(state)).toBe(1);
    expect(changed.stats.correlations.groups).toBe(0);
    expect(engineOf(base("other", 9)).importState(state)).toBe(1);
  });

  test("stays when rules are replaced, and no event is lost between", () => {
    const text = [base("a", 1), base("b", 2), base("c", 3)].join("---\n");
    const counting = correlation("type: event_count\ncondition: {gte: 4}");
    const more = base("new", 4);
    const [old, next] = [
      [text, counting],
      [text, more, counting],
    ].map((parts) => loadRules([{ name: "a.yml", text: parts.join("---\n") }]));
    if (old === undefined || next === undefined) throw new Error("no rules");
    const engine = new SigmaEngine(old);
    const found = run(engine, steps.slice(0, 3));
    expect(engine.replaceRules(next)).toBe(0);
    found.push(...run(engine, steps.slice(3)));
    expect(found).toEqual(["3 C u 4"]);
    expect(engine.match(testEvent({ EventID: 4 }, START))).toHaveLength(1);
    expect(engine.stats.events).toBe(5);
  });
});

describe("correlations that cannot be", () => {
  const load = (text: string): string[] =>
    loadRules([{ name: "a.yml", text: `${base("a", 1)}---\n${text}` }]).problems.map(
      ({ severity, line, message }) => `${severity} ${line} ${message}`,
    );

  test.each([
    ["type: sum", 'the type "sum" is none of'],
    ["type: event_count", "needs a condition such as gte: 10"],
    ["type: event_count\ncondition: {}", "the condition compares nothing"],
    ["type: event_count\ncondition: {ge: 3}", 'no comparison "ge"'],
    ["type: event_count\ncondition: {gte: many}", '"gte" needs a number'],
    ["type: value_count\ncondition: {gte: 3}", "value_count needs a field"],
    ["type: value_percentile\ncondition: {field: F, percentile: 101, gt: 1}", "between 0 and 100"],
    ["type: temporal\naliases: {x: {d: F}}", 'the alias names "d"'],
    ["type: temporal\nwindow: 3", 'a correlation has no "window"'],
    ["type: event_count\ncondition: {gte: 2000000}", "counts more than 1000000"],
  ])("%s", (body, message) => {
    const text = correlation(body).replace("[a, b, c]", "[a]");
    expect(load(text).join()).toContain(message);
  });

  test.each([
    ["10", "1d 10"],
    ["0s", "0s"],
    ["5w", "5w"],
  ])("timespan %s", (timespan) => {
    const text = correlation("type: temporal").replace("10s", timespan);
    expect(load(text).join()).toContain(`the timespan "${timespan}" is not a number and`);
  });

  test("those that name rules which are not there, or themselves", () => {
    expect(load(correlation("type: temporal"))).toEqual([
      'error 8 names "b": no rule has this id or name',
      'error 8 names "c": no rule has this id or name',
    ]);
    const self = correlation("type: temporal", "name: c\n").replace("[a, b, c]", "[c]");
    expect(load(self)[0]).toContain("refers to itself through the rules it names");
    const [one, two] = ["c", "d"].map((name) =>
      correlation("type: temporal", `name: ${name}\n`)
        .replace("[a, b, c]", name === "c" ? "[d]" : "[c]")
        .replace("title: C", `title: ${name}`),
    );
    expect(load(`${one}---\n${two}`).join()).toContain("refers to itself");
  });
});
