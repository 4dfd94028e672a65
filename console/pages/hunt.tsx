// SPDX-License-Identifier: Apache-2.0
// The hunt: one search over all servers, with who answered and who did not. The search is in the
// address; leaving the page ends it.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiSearch } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { Badge, Cut, Empty, GuestText, Loading } from "../parts/parts.tsx";
import { Results, saveRows } from "../parts/results.tsx";
import { SearchBox } from "../parts/search-box.tsx";
import { goTo, type Place, placeAddress } from "../place.ts";
import { withCondition } from "../state/search.ts";
import { failureText, useDesk, useShared } from "../state/use.tsx";

const LOOK_MS = 300;

const EXAMPLES = [
  "kind:process.exec last:1h",
  "kind:(file.create OR file.rename) path:/etc/*",
  "kind:dns last:24h | stats count() by query | sort -count | limit 20",
  "kind:process.exec last:24h | stats count() by image | sort count | limit 20",
];

export function HuntPage({ place }: { place: Place }): JSX.Element {
  const { say } = useShared();
  const desk = useDesk();
  const { q: asked = "" } = place.query;
  const [text, setText] = useState(asked);
  const { search, fault, again, cancel } = useSearch(asked);
  useEffect(() => setText(asked), [asked]);
  const go = (query: string): void => {
    if (query.trim() === asked) again();
    else goTo(placeAddress(["hunt"], { q: query.trim() }));
  };
  if (!desk.may("analyst")) {
    return <Empty title={say("page.hunt")} hint={say("do.needsRole", { role: "analyst" })} />;
  }
  const isRunning = search?.state === "running";
  return (
    <div class="page whole">
      <header class="page-head">
        <h1>{say("page.hunt")}</h1>
        {search !== undefined && <Outcome search={search} />}
      </header>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          go(text);
        }}
      >
        <SearchBox value={text} onInput={setText} onSearch={() => go(text)} />
        <div class="buttons">
          <button type="submit" class="main" disabled={text.trim() === ""}>
            {say("hunt.run")}
          </button>
          {isRunning && (
            <button type="button" onClick={cancel}>
              {say("do.cancel")}
            </button>
          )}
          {search !== undefined &&
            search.rows.length > 0 &&
            (["csv", "json"] as const).map((kind) => (
              <button type="button" key={kind} onClick={() => saveRows(search.rows, kind)}>
                {say(`hunt.save.${kind}`)}
              </button>
            ))}
        </div>
      </form>
      {fault !== undefined && (
        <p class="fault" role="alert">
          <GuestText text={fault} />
        </p>
      )}
      {search !== undefined && <Servers search={search} />}
      {asked === "" && <Examples onChoose={go} />}
      {isRunning && <Loading />}
      {search !== undefined && !isRunning && search.rows.length === 0 && (
        <Empty title={say("hunt.none")} hint={say("hunt.none.hint")} />
      )}
      {search !== undefined && search.rows.length > 0 && (
        <Results
          {...{ search }}
          onNarrow={(field, value, isNot) => go(withCondition(asked, field, value, isNot))}
        />
      )}
    </div>
  );
}

function Outcome({ search }: { search: ApiSearch }): JSX.Element {
  const { say, format } = useShared();
  const { rows, isComplete, isCut, state, tookMs } = search;
  return (
    <p class="hint number" role="status">
      {say("hunt.rows.count", { n: rows.length })}
      {state !== "running" && ` · ${format.count(tookMs)} ms`}
      {state === "cancelled" && ` · ${say("hunt.cancelled")}`}
      {isCut && ` · ${say("hunt.cut")}`}
      {state === "done" && !isComplete && ` · ${say("hunt.partial")}`}
    </p>
  );
}

/** Who answered; who did not is shown at once, for rows that lack are no proof of absence. */
function Servers({ search: { servers } }: { search: ApiSearch }): JSX.Element {
  const { say } = useShared();
  const bad = servers.filter(({ state, message }) => {
    return state === "failed" || state === "away" || message !== undefined;
  });
  const done = servers.filter(({ state }) => state === "done").length;
  return (
    <details class="servers" open={bad.length > 0}>
      <summary>{say("hunt.servers", { done, total: servers.length })}</summary>
      <ul class="lines">
        {(bad.length > 0 ? bad : servers).map(({ server, name, state, rows, message = "" }) => (
          <li key={server}>
            <Cut text={name} />
            <Badge family="search" value={state} />
            <span class="number hint">{say("hunt.rows.count", { n: rows })}</span>
            <Cut class="hint grow" text={message} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Examples({ onChoose }: { onChoose: (query: string) => void }): JSX.Element {
  const { say } = useShared();
  return (
    <section class="panel examples">
      <header>
        <h2>{say("hunt.examples")}</h2>
        <p class="hint">{say("hunt.examples.hint")}</p>
      </header>
      <ul class="body">
        {EXAMPLES.map((example) => (
          <li key={example}>
            <button type="button" class="plain code" onClick={() => onChoose(example)}>
              {example}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Runs a search and looks after it until it ends, or the page is left. */
function useSearch(query: string): {
  readonly search: ApiSearch | undefined;
  readonly fault: string | undefined;
  readonly again: () => void;
  readonly cancel: () => void;
} {
  const { say } = useShared();
  const [search, setSearch] = useState<ApiSearch | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    let running: string | undefined;
    const follow = async (): Promise<void> => {
      let next = await callApi("startSearch", { body: { query }, signal });
      for (;;) {
        running = next.state === "running" ? next.id : undefined;
        if (signal.aborted) return;
        setSearch(next);
        if (running === undefined) return;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        next = await callApi("readSearch", { id: running, signal });
      }
    };
    setSearch(undefined);
    setFault(undefined);
    if (query !== "") {
      follow().catch((error: unknown) => {
        if (!signal.aborted) setFault(failureText(say, error));
      });
    }
    return () => {
      abort.abort();
      if (running !== undefined) void callApi("cancelSearch", { id: running }).catch(() => {});
    };
  }, [query, turn]);
  const cancel = (): void => {
    if (search === undefined) return;
    callApi("cancelSearch", { id: search.id }).catch((error: unknown) => {
      setFault(failureText(say, error));
    });
  };
  return { search, fault, again: () => setTurn((count) => count + 1), cancel };
}
