// SPDX-License-Identifier: Apache-2.0
// The few pictures of the console, as lines in the colour of the text around them.
import type { JSX } from "preact";

const PATHS = {
  brand: "M4 19V11a8 8 0 0 1 16 0v8M8.500 19v-8a3.500 3.500 0 0 1 7 0v8",
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z",
  guests: "M3 5h18v10H3zM8 20h8M12 15v5",
  findings: "M12 3 2.500 19.500h19zM12 10v4M12 16.500v.5",
  hunt: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21",
  content: "M12 3 4 6v6c0 4.500 3.500 7.500 8 9 4.500-1.500 8-4.500 8-9V6zM9 12l2 2 4-4",
  administration:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20c0-7 12-7 12 0M17 8h5M19.500 5.500v5",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M8 15v4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
