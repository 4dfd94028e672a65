// SPDX-License-Identifier: Apache-2.0
// One labelled field of a form, with its hint and its fault where a screen reader finds them.
import type { JSX } from "preact";
import { useId } from "preact/hooks";

export interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: string;
  readonly fault?: string | undefined;
  readonly type?: "password" | "number";
  readonly autoComplete?: string;
  readonly rows?: number;
  readonly isFocused?: boolean;
  readonly isRequired?: boolean;
  readonly max?: number;
}

export function Field(props: FieldProps): JSX.Element {
  const id = useId();
  const { label, hint, fault, rows } = props;
  const said = [hint === undefined ? "" : `${id}-hint`, fault === undefined ? "" : `${id}-fault`];
  const common = {
    id,
    value: props.value,
    maxLength: props.max ?? 1000,
    required: props.isRequired ?? false,
    "aria-invalid": fault !== undefined,
    "aria-describedby": said.join(" ").trim() || undefined,
    autoFocus: props.isFocused ?? false,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {rows === undefined ? (
        <input
          {...common}
          {...(props.type === "password" ? ({ type: "password" } as const) : {})}
          inputMode={props.type === "number" ? "decimal" : "text"}
          autoComplete={props.autoComplete ?? "off"}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      ) : (
        <textarea
          {...common}
          rows={rows}
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`} role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}
