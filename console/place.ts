// SPDX-License-Identifier: Apache-2.0
// Where the user is: a page, its parts and its filters, kept in the address after the `#`, which
// browsers send to nobody. Pure but for `goTo`.

export interface Place {
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** Reads `#/guests/ID?state=silent`. */
export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** Writes an address that `parsePlace` reads. */
export function placeAddress(path: readonly string[], query: Place["query"] = {}): string {
  const filled = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(filled).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

/** Goes there; `replace` leaves no step to go back to. */
export function goTo(address: string, replace: boolean = false): void {
  if (!replace) location.hash = address;
  else {
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

// Someone else's address may hold anything.
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
