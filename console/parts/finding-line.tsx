// SPDX-License-Identifier: Apache-2.0
// One finding in a short list: how bad, what, where, how often, when.
import type { JSX } from "preact";
import type { ApiFinding } from "../../lib/model/model.ts";
import { placeAddress } from "../place.ts";
import { useShared } from "../state/use.tsx";
import { Badge, Cut, Time } from "./parts.tsx";

export function FindingLine(props: { finding: ApiFinding; hasGuest: boolean }): JSX.Element {
  const { format } = useShared();
  const { id, severity, title, guest, count, lastMs, triage } = props.finding;
  return (
    <li>
      <Badge family="severity" value={severity} />
      <a class="grow" href={placeAddress(["findings", id])}>
        <Cut text={title} />
      </a>
      {props.hasGuest ? (
        <Cut class="hint" text={guest} />
      ) : (
        <Badge family="triage" value={triage} />
      )}
      {count > 1 && <span class="number times">×{format.short(count)}</span>}
      <Time ms={lastMs} />
    </li>
  );
}
