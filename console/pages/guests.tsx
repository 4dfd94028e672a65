// SPDX-License-Identifier: Apache-2.0
// All guests: filtered, ordered, walked by keys. Filter and order are in the address, so that a
// view can be handed to a colleague.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { ApiGuest } from "../../lib/model/model.ts";
import { FilterBox } from "../parts/filter-box.tsx";
import { type Column, Grid } from "../parts/grid.tsx";
import { Badge, Chips, Cut, Empty, Failed, Loading, Time } from "../parts/parts.tsx";
import { goTo, type Place, placeAddress } from "../place.ts";
import { filterGuests, GUEST_STATES, type GuestOrder, orderGuests } from "../state/lists.ts";
import { type Shared, useCollection, useDesk, useShared } from "../state/use.tsx";

const ORDERS: readonly GuestOrder[] = [
  ...(["name", "state", "server", "group", "rate", "lost", "findings", "since"] as const),
];

export function GuestsPage({ place }: { place: Place }): JSX.Element {
  const shared = useShared();
  const { say, format } = shared;
  const guests = useCollection(useDesk().guests);
  const { items, state: loading, total } = guests;
  const { text = "", state = "", down } = place.query;
  const order = ORDERS.find((name) => name === place.query.order) ?? "state";
  const isDown = down === "1";
  const shown = useMemo(
    () => orderGuests(filterGuests(items, text, state), order, isDown),
    [items, text, state, order, isDown],
  );
  const columns = useMemo(() => columnsOf(shared), [shared]);
  const counts = useMemo(() => countStates(items), [items]);
  const turnTo = (change: Readonly<Record<string, string>>): void =>
    goTo(placeAddress(["guests"], { ...place.query, ...change }), true);
  return (
    <div class="page whole">
      <header class="page-head">
        <h1>{say("page.guests")}</h1>
        <p class="hint number" role="status">
          {items.length < total && loading === "loading"
            ? say("guests.loading", { n: items.length })
            : say("table.shown", { shown: shown.length, total })}
        </p>
        <FilterBox
          {...{ label: say("guests.filter"), value: text }}
          onInput={(value) => turnTo({ text: value })}
        />
      </header>
      <Chips
        label={say("table.state")}
        value={state}
        onChoose={(value) => turnTo({ state: value })}
        choices={[
          { value: "", label: say("guests.all"), count: items.length },
          ...GUEST_STATES.filter((name) => (counts.get(name) ?? 0) > 0 || name === state).map(
            (name) => ({ value: name, label: say(`state.${name}`), count: counts.get(name) ?? 0 }),
          ),
        ]}
      />
      {loading === "failed" && <Failed error={guests.error} again={() => void guests.load()} />}
      {items.length === 0 && loading === "loading" && <Loading />}
      {items.length === 0 && loading === "ready" && (
        <Empty title={say("overview.guests.empty")} hint={say("overview.guests.empty.hint")} />
      )}
      {items.length > 0 && shown.length === 0 && (
        <Empty title={say("guests.none")} hint={say("guests.none.hint")} />
      )}
      {shown.length > 0 && (
        <Grid
          {...{ label: say("page.guests"), kind: "guests", columns, items: shown }}
          keyOf={({ id }) => id}
          onOpen={({ id }) => goTo(placeAddress(["guests", id]))}
          sort={{ id: order, isDown }}
          onSort={(id) => turnTo({ order: id, down: id === order && !isDown ? "1" : "" })}
        />
      )}
      <p class="unseen-label" aria-live="polite">
        {format.count(shown.length)}
      </p>
    </div>
  );
}

function columnsOf({ say, format }: Shared): ReadonlyArray<Column<ApiGuest>> {
  const figure = (value: number): string => (value === 0 ? "0" : format.short(value));
  const sorted = { canSort: true };
  const counted = { canSort: true, isNumber: true };
  return [
    { id: "name", label: say("table.name"), cell: ({ name }) => <Cut text={name} />, ...sorted },
    { id: "state", label: say("table.state"), cell: (guest) => <State guest={guest} />, ...sorted },
    {
      ...{ id: "findings", label: say("table.findings"), ...counted },
      cell: ({ openFindings }) => (
        <span class={openFindings > 0 ? "hot" : "dim"}>{figure(openFindings)}</span>
      ),
    },
    {
      ...{ id: "rate", label: say("table.rate"), ...counted },
      cell: ({ eventsPerSecond }) => figure(Math.round(eventsPerSecond)),
    },
    {
      ...{ id: "lost", label: say("table.lost"), ...counted },
      cell: ({ lost }) => <span class={lost > 0 ? "hot" : "dim"}>{figure(lost)}</span>,
    },
    {
      ...{ id: "server", label: say("table.server"), ...sorted },
      cell: ({ serverName }) => <Cut text={serverName} />,
    },
    {
      ...{ id: "group", label: say("table.group"), ...sorted },
      cell: ({ group }) => <Cut text={group} />,
    },
    { id: "tags", label: say("table.tags"), cell: ({ tags }) => <Cut text={tags.join(", ")} /> },
    {
      ...{ id: "since", label: say("table.since"), ...counted },
      cell: ({ sinceMs }) => <Time ms={sinceMs} />,
    },
  ];
}

function State({ guest: { state, isIsolated, isCurrent } }: { guest: ApiGuest }): JSX.Element {
  const { say } = useShared();
  return (
    <span class="states">
      <Badge family="state" value={state} />
      {isIsolated && <Badge family="state" value="isolated" />}
      {!isCurrent && (
        <span class="hint" title={say("state.stale.why")}>
          {say("state.stale")}
        </span>
      )}
    </span>
  );
}

function countStates(guests: readonly ApiGuest[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of guests) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
