// SPDX-License-Identifier: Apache-2.0
// A list of any length as a grid: only the rows in sight are drawn. Rows are walked with arrows or
// j and k, opened with Enter, chosen with x; the row in focus is named to screen readers.
import type { ComponentChildren, JSX, RefObject } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../state/keys.ts";
import { useShared } from "../state/use.tsx";

export interface Column<T> {
  readonly id: string;
  readonly label: string;
  readonly cell: (item: T) => ComponentChildren;
  readonly isNumber?: boolean;
  readonly canSort?: boolean;
}

export interface GridProps<T> {
  readonly label: string;
  /** Class of the grid: its columns' widths are in the style sheet. */
  readonly kind: string;
  /** Widths of the columns, where the style sheet cannot know them. */
  readonly widths?: string;
  readonly columns: ReadonlyArray<Column<T>>;
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  readonly onOpen?: (item: T) => void;
  readonly sort?: { readonly id: string; readonly isDown: boolean };
  readonly onSort?: (id: string) => void;
  readonly chosen?: ReadonlySet<string>;
  readonly onChoose?: (item: T) => void;
  /** Told of the row that has the focus. */
  readonly onActive?: (item: T | undefined) => void;
}

const OVERSCAN = 6;
const NARROW = "(max-width: 720px)";

/** Pixels of a row: wide ones are lines, narrow ones are cards of two lines. */
const ROW_PX = 32;
const CARD_PX = 60;

export function Grid<T>(props: GridProps<T>): JSX.Element {
  const { items, keyOf, columns, chosen } = props;
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  const view = useView(body);
  const [activeKey, setActiveKey] = useState<string | undefined>(undefined);
  const found = activeKey === undefined ? -1 : items.findIndex((item) => keyOf(item) === activeKey);
  // The row is gone, filtered out or closed: its place is taken by what stands there now.
  const lastAt = useRef(0);
  const active = found >= 0 ? found : Math.min(lastAt.current, items.length - 1);
  if (found >= 0) lastAt.current = found;
  const move = (to: number): void => {
    const next = Math.max(0, Math.min(items.length - 1, to));
    const item = items[next];
    if (item === undefined) return;
    lastAt.current = next;
    setActiveKey(keyOf(item));
    props.onActive?.(item);
    reveal(body.current, next, view.rowPx);
  };
  const atActive = (work: ((item: T) => void) | undefined): void => {
    const item = items[active];
    if (item !== undefined && work !== undefined) work(item);
  };
  useKeys([
    { keys: "j", word: "keys.next", run: () => move(activeKey === undefined ? 0 : active + 1) },
    { keys: "k", word: "keys.previous", run: () => move(active - 1) },
    ...(props.onOpen === undefined
      ? []
      : [{ keys: "o", word: "keys.open", run: () => atActive(props.onOpen) } as const]),
    ...(props.onChoose === undefined
      ? []
      : [{ keys: "x", word: "keys.select", run: () => atActive(props.onChoose) } as const]),
  ]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(view.height / view.rowPx) - 1);
    const steps: Readonly<Record<string, number>> = {
      ...{ ArrowDown: activeKey === undefined ? 0 : active + 1, ArrowUp: active - 1 },
      ...{ PageDown: active + page, PageUp: active - page, Home: 0, End: items.length - 1 },
    };
    const to = steps[event.key];
    if (to !== undefined) move(to);
    else if (event.key === "Enter" && event.target === event.currentTarget) atActive(props.onOpen);
    else return;
    event.preventDefault();
  };
  const first = Math.max(0, Math.floor(view.top / view.rowPx) - OVERSCAN);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / view.rowPx) + OVERSCAN);
  const isActiveDrawn = activeKey !== undefined && active >= first && active < last;
  return (
    <div
      ref={body}
      class={`grid ${props.kind}`}
      style={props.widths === undefined ? undefined : { "--columns": props.widths }}
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={items.length + 1}
      aria-colcount={columns.length}
      aria-multiselectable={chosen === undefined ? undefined : true}
      aria-activedescendant={isActiveDrawn ? `${id}-${active}` : undefined}
      onKeyDown={onKeyDown}
    >
      <GridHead {...props} />
      <div role="rowgroup" class="grid-all" style={{ height: `${items.length * view.rowPx}px` }}>
        {items.slice(first, last).map((item, step) => {
          const at = first + step;
          const key = keyOf(item);
          return (
            <GridRow
              key={key}
              {...{ columns, item, at, id: `${id}-${at}`, top: at * view.rowPx }}
              isActive={activeKey !== undefined && at === active}
              isChosen={chosen?.has(key)}
              onClick={() => {
                move(at);
                props.onOpen?.(item);
              }}
              onChoose={props.onChoose === undefined ? undefined : () => props.onChoose?.(item)}
            />
          );
        })}
      </div>
    </div>
  );
}

function GridHead<T>(props: GridProps<T>): JSX.Element {
  const { say } = useShared();
  const { sort, onSort, chosen } = props;
  return (
    <div role="rowgroup" class="grid-head">
      <div role="row" class="row" aria-rowindex={1}>
        {chosen !== undefined && (
          <div role="columnheader" class="choose">
            <span class="unseen-label">{say("table.selected")}</span>
          </div>
        )}
        {props.columns.map(({ id, label, isNumber, canSort }) => (
          <div
            role="columnheader"
            key={id}
            class={`col-${id} ${isNumber ? "number" : ""}`}
            aria-sort={sort?.id !== id ? undefined : sort.isDown ? "descending" : "ascending"}
          >
            {canSort && onSort !== undefined ? (
              <button
                type="button"
                class="plain"
                title={say("table.sort", { column: label })}
                onClick={() => onSort(id)}
              >
                {label}
                <span aria-hidden="true" class="order" />
              </button>
            ) : (
              label
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

interface RowProps<T> {
  readonly columns: ReadonlyArray<Column<T>>;
  readonly item: T;
  readonly id: string;
  readonly at: number;
  readonly top: number;
  readonly isActive: boolean;
  readonly isChosen: boolean | undefined;
  readonly onClick: () => void;
  readonly onChoose: (() => void) | undefined;
}

function GridRow<T>(props: RowProps<T>): JSX.Element {
  const { say } = useShared();
  const { columns, item, isActive, isChosen, onChoose } = props;
  return (
    <div
      role="row"
      id={props.id}
      class={isActive ? "row active" : "row"}
      aria-rowindex={props.at + 2}
      aria-selected={isChosen ?? isActive}
      style={{ transform: `translateY(${props.top}px)` }}
      onClick={props.onClick}
    >
      {isChosen !== undefined && (
        <div role="gridcell" class="choose">
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={say("keys.select")}
            checked={isChosen}
            onClick={(event) => event.stopPropagation()}
            onChange={onChoose}
          />
        </div>
      )}
      {columns.map(({ id, isNumber, cell }) => (
        <div role="gridcell" key={id} class={`col-${id} ${isNumber ? "number" : ""}`}>
          {cell(item)}
        </div>
      ))}
    </div>
  );
}

interface View {
  readonly top: number;
  readonly height: number;
  readonly rowPx: number;
}

/** What of the list is in sight. */
function useView(body: RefObject<HTMLDivElement | null>): View {
  const [view, setView] = useState<View>({ top: 0, height: 800, rowPx: ROW_PX });
  useLayoutEffect(() => {
    const place = body.current;
    if (place === null) return;
    const narrow = matchMedia(NARROW);
    const look = (): void => {
      const rowPx = narrow.matches ? CARD_PX : ROW_PX;
      const next = { top: place.scrollTop, height: place.clientHeight, rowPx };
      setView((before) => {
        const isSame =
          before.top === next.top && before.height === next.height && before.rowPx === rowPx;
        return isSame ? before : next;
      });
    };
    const size = new ResizeObserver(look);
    size.observe(place);
    place.addEventListener("scroll", look, { passive: true });
    narrow.addEventListener("change", look);
    look();
    return () => {
      size.disconnect();
      place.removeEventListener("scroll", look);
      narrow.removeEventListener("change", look);
    };
  }, [body]);
  return view;
}

function reveal(body: HTMLDivElement | null, at: number, rowPx: number): void {
  if (body === null) return;
  // The head stays in sight above the rows.
  const head = body.querySelector<HTMLElement>(".grid-head")?.offsetHeight ?? 0;
  const height = body.clientHeight - head;
  const top = at * rowPx;
  if (top < body.scrollTop) body.scrollTop = top;
  else if (top + rowPx > body.scrollTop + height) body.scrollTop = top + rowPx - height;
}
