// SPDX-License-Identifier: Apache-2.0
// The queue of findings: filtered, folded, judged by keys without a mouse. The view is in the
// address.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ApiFinding, TriageState } from "../../lib/model/model.ts";
import { FilterBox } from "../parts/filter-box.tsx";
import { type Column, Grid } from "../parts/grid.tsx";
import { Badge, Chips, Cut, Empty, Failed, Loading, Time } from "../parts/parts.tsx";
import { goTo, type Place, placeAddress } from "../place.ts";
import { useKeys } from "../state/keys.ts";
import {
  type FindingFold,
  filterFindings,
  foldFindings,
  SEVERITIES,
  TRIAGES,
} from "../state/lists.ts";
import { useTriage } from "../state/triage.ts";
import { type Shared, useCollection, useDesk, useShared } from "../state/use.tsx";

const ALL = "all";

export function FindingsPage({ place }: { place: Place }): JSX.Element {
  const { say } = useShared();
  const findings = useCollection(useDesk().findings);
  const { items, state: loading, total } = findings;
  const { text = "", triage = "open", severity = "", rule = "", fold = "" } = place.query;
  const filter = { text, triage: triage === ALL ? "" : triage, severity, rule };
  const shown = useMemo(() => filterFindings(items, filter), [items, text, triage, severity, rule]);
  const turnTo = (change: Readonly<Record<string, string>>): void =>
    goTo(placeAddress(["findings"], { ...place.query, ...change }), true);
  useKeys([{ keys: "f", word: "keys.fold", run: () => turnTo({ fold: fold === "" ? "1" : "" }) }]);
  return (
    <div class="page whole">
      <header class="page-head">
        <h1>{say("page.findings")}</h1>
        <p class="hint number" role="status">
          {say("table.shown", { shown: shown.length, total })}
        </p>
        <FilterBox
          {...{ label: say("findings.filter"), value: text }}
          onInput={(value) => turnTo({ text: value })}
        />
      </header>
      <FilterChips {...{ items, triage, severity, fold, turnTo }} />
      {rule !== "" && (
        <p class="filter-note">
          {say("table.rule")} <code>{rule}</code>{" "}
          <button type="button" class="plain" onClick={() => turnTo({ rule: "" })}>
            {say("do.clear")}
          </button>
        </p>
      )}
      {loading === "failed" && <Failed error={findings.error} again={() => void findings.load()} />}
      {items.length === 0 && loading === "loading" && <Loading />}
      {shown.length === 0 && loading === "ready" && (
        <Empty title={say("findings.empty")} hint={say("findings.empty.hint")} />
      )}
      {shown.length > 0 && fold !== "" && (
        <FoldedQueue shown={shown} onOpen={(opened) => turnTo({ rule: opened, fold: "" })} />
      )}
      {shown.length > 0 && fold === "" && <Queue shown={shown} />}
    </div>
  );
}

function FilterChips(props: {
  items: readonly ApiFinding[];
  triage: string;
  severity: string;
  fold: string;
  turnTo: (change: Readonly<Record<string, string>>) => void;
}): JSX.Element {
  const { say } = useShared();
  const { items, turnTo, triage } = props;
  const counts = useMemo(() => {
    const made = new Map<string, number>();
    for (const item of items) made.set(item.triage, (made.get(item.triage) ?? 0) + 1);
    return made;
  }, [items]);
  return (
    <div class="chip-rows">
      <Chips
        label={say("table.triage")}
        value={triage}
        onChoose={(value) => turnTo({ triage: value })}
        choices={[
          ...TRIAGES.map((name) => ({
            ...{ value: name, label: say(`triage.${name}`), count: counts.get(name) ?? 0 },
          })),
          { value: ALL, label: say("findings.all"), count: items.length },
        ]}
      />
      <Chips
        label={say("table.severity")}
        value={props.severity}
        onChoose={(value) => turnTo({ severity: value })}
        choices={[
          { value: "", label: say("findings.all") },
          ...SEVERITIES.map((name) => ({ value: name, label: say(`severity.${name}`) })),
        ]}
      />
      <button
        type="button"
        class="chip"
        aria-pressed={props.fold !== ""}
        onClick={() => turnTo({ fold: props.fold === "" ? "1" : "" })}
      >
        {say("findings.fold")}
      </button>
    </div>
  );
}

function Queue({ shown }: { shown: readonly ApiFinding[] }): JSX.Element {
  const shared = useShared();
  const { say } = shared;
  const desk = useDesk();
  const { triage, isBusy } = useTriage();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState<ApiFinding | undefined>(undefined);
  const columns = useMemo(() => columnsOf(shared), [shared]);
  const mayTriage = desk.may("analyst");
  const targets = (): readonly ApiFinding[] => {
    const picked = shown.filter(({ id }) => chosen.has(id));
    return picked.length > 0 || active === undefined ? picked : [active];
  };
  const set = (state: TriageState): void => {
    const wanted = targets();
    if (!mayTriage || wanted.length === 0) return;
    void triage(wanted, state).then(() => setChosen(new Set()));
  };
  useKeys(
    TRIAGES.map((state, at) => ({
      ...({ keys: String(at + 1), word: `triage.${state}` } as const),
      run: () => set(state),
    })),
  );
  return (
    <>
      <div class="choice-bar" hidden={chosen.size === 0}>
        <span>{say("findings.selected", { n: chosen.size })}</span>
        {TRIAGES.map((state, at) => (
          <button
            type="button"
            key={state}
            disabled={!mayTriage || isBusy}
            title={mayTriage ? undefined : say("do.needsRole", { role: "analyst" })}
            onClick={() => set(state)}
          >
            <kbd>{at + 1}</kbd> {say(`triage.${state}`)}
          </button>
        ))}
        <button type="button" class="plain" onClick={() => setChosen(new Set())}>
          {say("do.clear")}
        </button>
      </div>
      <Grid
        {...{ label: say("page.findings"), kind: "findings", columns, items: shown, chosen }}
        keyOf={({ id }) => id}
        onOpen={({ id }) => goTo(placeAddress(["findings", id]))}
        onActive={setActive}
        onChoose={({ id }) =>
          setChosen((before) => {
            const next = new Set(before);
            if (!next.delete(id)) next.add(id);
            return next;
          })
        }
      />
    </>
  );
}

function FoldedQueue(props: {
  shown: readonly ApiFinding[];
  onOpen: (rule: string) => void;
}): JSX.Element {
  const shared = useShared();
  const { say } = shared;
  const folds = useMemo(() => foldFindings(props.shown), [props.shown]);
  const columns = useMemo(() => foldColumns(shared), [shared]);
  return (
    <Grid
      {...{ label: say("page.findings"), kind: "folds", columns, items: folds }}
      keyOf={({ rule }) => rule}
      onOpen={({ rule }) => props.onOpen(rule)}
    />
  );
}

function columnsOf({ say, format }: Shared): ReadonlyArray<Column<ApiFinding>> {
  return [
    {
      ...{ id: "severity", label: say("table.severity") },
      cell: ({ severity }) => <Badge family="severity" value={severity} />,
    },
    { id: "title", label: say("table.title"), cell: ({ title }) => <Cut text={title} /> },
    { id: "guest", label: say("table.guest"), cell: ({ guest }) => <Cut text={guest} /> },
    {
      ...{ id: "what", label: say("table.what") },
      cell: ({ value }) => <Cut class="code" text={value} />,
    },
    {
      ...{ id: "count", label: say("table.count"), isNumber: true },
      cell: ({ count }) => `×${format.short(count)}`,
    },
    {
      ...{ id: "last", label: say("table.last"), isNumber: true },
      cell: ({ lastMs }) => <Time ms={lastMs} />,
    },
    {
      ...{ id: "triage", label: say("table.triage") },
      cell: ({ triage }) => <Badge family="triage" value={triage} />,
    },
    {
      ...{ id: "assignee", label: say("table.assignee") },
      cell: ({ assignee = "" }) => <Cut text={assignee} />,
    },
  ];
}

function foldColumns({ say, format }: Shared): ReadonlyArray<Column<FindingFold>> {
  return [
    {
      ...{ id: "severity", label: say("table.severity") },
      cell: ({ newest }) => <Badge family="severity" value={newest.severity} />,
    },
    { id: "title", label: say("table.title"), cell: ({ newest }) => <Cut text={newest.title} /> },
    {
      ...{ id: "what", label: say("table.what") },
      cell: ({ findings, guests }) => (
        <Cut text={say("findings.fold.label", { findings, guests })} />
      ),
    },
    {
      ...{ id: "count", label: say("table.count"), isNumber: true },
      cell: ({ count }) => `×${format.short(count)}`,
    },
    {
      ...{ id: "last", label: say("table.last"), isNumber: true },
      cell: ({ newest }) => <Time ms={newest.lastMs} />,
    },
  ];
}
