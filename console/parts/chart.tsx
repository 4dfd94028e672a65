// SPDX-License-Identifier: Apache-2.0
// A chart of rates over time, drawn by uPlot in the colours of the page. What it shows now is said
// in words too, for those who do not see it.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { isDark } from "../state/preferences.ts";
import type { Series } from "../state/samples.ts";
import { useShared } from "../state/use.tsx";

export interface ChartLine {
  readonly label: string;
  /** Name of a colour of the style sheet. */
  readonly color: string;
}

const HEIGHT_PX = 150;
const SECONDS_MIN = 60;

export function Chart(props: {
  label: string;
  lines: readonly ChartLine[];
  series: Series;
}): JSX.Element {
  const { format, preferences } = useShared();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const { lines, series } = props;
  const look = `${isDark(preferences)} ${lines.map(({ label }) => label).join()}`;
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const made = new uPlot(
      optionsOf(box, lines, { short: format.short, clock: format.clock }),
      plotData(series),
      box,
    );
    chart.current = made;
    const size = new ResizeObserver(() => {
      made.setSize({ width: box.clientWidth, height: HEIGHT_PX });
    });
    size.observe(box);
    return () => {
      size.disconnect();
      made.destroy();
    };
  }, [look]);
  useEffect(() => chart.current?.setData(plotData(series)), [series]);
  return <div class="chart" ref={place} role="img" aria-label={props.label} />;
}

// A chart begins with a minute of nothing, so that its first figures do not fill it.
function plotData([times, ...values]: Series): uPlot.AlignedData {
  const end = times.at(-1) ?? Date.now() / 1000;
  const start = Math.min(times[0] ?? end, end - SECONDS_MIN);
  return [[start, ...times], ...values.map((line) => [null, ...line])];
}

function optionsOf(
  box: HTMLElement,
  lines: readonly ChartLine[],
  format: { readonly short: (value: number) => string; readonly clock: (ms: number) => string },
): uPlot.Options {
  const style = getComputedStyle(box);
  // A canvas knows no light-dark(): what it comes to is read where it was applied.
  const color = (name: string): string => {
    box.style.color = `var(--${name})`;
    const { color: applied } = getComputedStyle(box);
    box.style.color = "";
    return applied;
  };
  const axis = {
    ...{ stroke: color("muted"), font: `11px ${style.fontFamily}` },
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    ...{ width: Math.max(50, box.clientWidth), height: HEIGHT_PX },
    legend: { show: false },
    cursor: { show: false },
    scales: {
      y: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...axis,
        ...{ size: 24, space: 90 },
        values: (_, ticks) => ticks.map((seconds) => format.clock(seconds * 1000)),
      },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((value) => format.short(value)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        ...{ label: line.label, stroke: color(line.color), width: 1.5 },
        points: { show: false },
      })),
    ],
  };
}
