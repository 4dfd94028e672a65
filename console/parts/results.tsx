// SPDX-License-Identifier: Apache-2.0
// The rows of a search: how they spread over time, what is frequent in them, the rows themselves,
// each whole on demand, and files to keep.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { ApiSearch } from "../../lib/model/model.ts";
import type { Row } from "../api/results.ts";
import { barsOf, columnsToShow, csvOf, fieldsOf, topValues, valueText } from "../state/search.ts";
import { useShared } from "../state/use.tsx";
import { Dialog } from "./dialog.tsx";
import { type Column, Grid } from "./grid.tsx";
import { Cut, GuestText, Time } from "./parts.tsx";

const TIME_PX = 130;
/** Fields whose values are long. */
const LONG: ReadonlySet<string> = new Set(["command_line", "path", "query"]);

interface Keyed {
  readonly key: string;
  readonly row: Row;
}

export function Results(props: {
  search: ApiSearch;
  onNarrow: (field: string, value: string, isNot: boolean) => void;
}): JSX.Element {
  const { say } = useShared();
  const { rows } = props.search;
  const fields = useMemo(() => fieldsOf(rows), [rows]);
  const [chosen, setChosen] = useState<readonly string[] | undefined>(undefined);
  const [shown, setShown] = useState<Row | undefined>(undefined);
  const columns = (chosen ?? columnsToShow(rows)).filter((name) => fields.includes(name));
  const items = useMemo(() => rows.map((row, at) => ({ key: String(at), row })), [rows]);
  const turn = (name: string): void =>
    setChosen(columns.includes(name) ? columns.filter((one) => one !== name) : [...columns, name]);
  const widths = columns.map((name) => widthOf(name, rows)).join(" ");
  return (
    <div class="results">
      <aside class="facets" aria-label={say("hunt.fields")}>
        <Facets {...{ rows, fields, columns, onTurn: turn, onNarrow: props.onNarrow }} />
      </aside>
      <div class="found">
        <Bars rows={rows} />
        <Grid
          {...{ label: say("hunt.rows"), kind: "rows", items, widths }}
          columns={columns.map(columnOf)}
          keyOf={({ key }: Keyed) => key}
          onOpen={({ row }: Keyed) => setShown(row)}
        />
      </div>
      {shown !== undefined && <RowDialog row={shown} onClose={() => setShown(undefined)} />}
    </div>
  );
}

function widthOf(name: string, rows: readonly Row[]): string {
  if (name === "time") return `${TIME_PX}px`;
  if (LONG.has(name)) return "minmax(0, 3fr)";
  const isNumber =
    typeof rows.find(({ [name]: value }) => value !== undefined)?.[name] === "number";
  return isNumber ? "minmax(0, 0.5fr)" : "minmax(0, 1fr)";
}

function columnOf(name: string): Column<Keyed> {
  return {
    ...{ id: name, label: name },
    cell: ({ row: { [name]: value } }) =>
      name === "time" && typeof value === "number" ? (
        <Time ms={value} />
      ) : (
        <Cut text={valueText(value)} />
      ),
  };
}

function Bars({ rows }: { rows: readonly Row[] }): JSX.Element | null {
  const { say, format } = useShared();
  const bars = useMemo(() => barsOf(rows), [rows]);
  const [first] = bars;
  const last = bars.at(-1);
  if (first === undefined || last === undefined) return null;
  const max = Math.max(...bars.map(({ count }) => count));
  const span = { from: format.time(first.fromMs), to: format.time(last.toMs) };
  return (
    <figure class="bars">
      <div role="img" aria-label={say("hunt.bars", { n: max, ...span })}>
        {bars.map(({ fromMs, count }) => (
          <span
            key={fromMs}
            style={{ height: `${count === 0 ? 0 : Math.max(4, (100 * count) / max)}%` }}
            title={`${format.time(fromMs)}: ${format.count(count)}`}
          />
        ))}
      </div>
      <figcaption class="hint">
        <span>{span.from}</span>
        <span>{span.to}</span>
      </figcaption>
    </figure>
  );
}

function Facets(props: {
  rows: readonly Row[];
  fields: readonly string[];
  columns: readonly string[];
  onTurn: (field: string) => void;
  onNarrow: (field: string, value: string, isNot: boolean) => void;
}): JSX.Element {
  const { say, format } = useShared();
  const [open, setOpen] = useState<string | undefined>(undefined);
  const values = useMemo(
    () => (open === undefined ? [] : topValues(props.rows, open)),
    [props.rows, open],
  );
  return (
    <ul>
      {props.fields.map((field) => (
        <li key={field}>
          <span class="facet">
            <input
              type="checkbox"
              aria-label={say("hunt.column", { field })}
              checked={props.columns.includes(field)}
              onChange={() => props.onTurn(field)}
            />
            <button
              type="button"
              class="plain"
              aria-expanded={open === field}
              onClick={() => setOpen(open === field ? undefined : field)}
            >
              {field}
            </button>
          </span>
          {open === field && (
            <ol class="values">
              {values.map(([value, count]) => (
                <li key={value}>
                  <Cut class="grow code" text={value} />
                  <span class="number hint">{format.short(count)}</span>
                  {[false, true].map((isNot) => (
                    <button
                      type="button"
                      class="plain"
                      key={String(isNot)}
                      aria-label={say(isNot ? "hunt.exclude" : "hunt.only", { field })}
                      title={say(isNot ? "hunt.exclude" : "hunt.only", { field })}
                      onClick={() => props.onNarrow(field, value, isNot)}
                    >
                      {isNot ? "−" : "+"}
                    </button>
                  ))}
                </li>
              ))}
            </ol>
          )}
        </li>
      ))}
    </ul>
  );
}

function RowDialog({ row, onClose }: { row: Row; onClose: () => void }): JSX.Element {
  const { say } = useShared();
  return (
    <Dialog title={say("finding.raw")} onClose={onClose}>
      <pre class="value" tabIndex={0}>
        <GuestText text={JSON.stringify(row, null, 1)} max={50_000} />
      </pre>
      <form method="dialog" class="buttons">
        <button type="submit">{say("do.close")}</button>
      </form>
    </Dialog>
  );
}

/** Hands the rows to the browser as a file. */
export function saveRows(rows: readonly Row[], kind: "csv" | "json"): void {
  const text =
    kind === "csv" ? csvOf(rows, fieldsOf(rows)) : rows.map((row) => `${JSON.stringify(row)}\n`);
  const type = kind === "csv" ? "text/csv" : "application/x-ndjson";
  const address = URL.createObjectURL(new Blob([text].flat(), { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `undercroft-search.${kind === "csv" ? "csv" : "jsonl"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
