// SPDX-License-Identifier: Apache-2.0
// What stands around every page: the menu, the state of the connection, the list of shortcuts.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Role } from "../lib/model/model.ts";
import type { LiveState } from "./api/live.ts";
import { AdministrationPage } from "./pages/administration.tsx";
import { ContentPage } from "./pages/content.tsx";
import { FindingPage } from "./pages/finding.tsx";
import { FindingsPage } from "./pages/findings.tsx";
import { GuestPage } from "./pages/guest.tsx";
import { GuestsPage } from "./pages/guests.tsx";
import { HuntPage } from "./pages/hunt.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { TracePage } from "./pages/trace.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { Icon, type IconName } from "./parts/icon.tsx";
import { Empty } from "./parts/parts.tsx";
import { goTo, type Place, placeAddress } from "./place.ts";
import { keys, useKeys } from "./state/keys.ts";
import { isDark } from "./state/preferences.ts";
import { useDesk, useShared } from "./state/use.tsx";
import type { PlainKey } from "./words/words.ts";

interface Page {
  readonly id: IconName;
  readonly word: PlainKey;
  readonly keys: string;
  readonly keyWord: PlainKey;
  /** Shown to whoever has it. */
  readonly role?: Role;
}

const PAGES: readonly Page[] = [
  { id: "overview", word: "page.overview", keys: "g o", keyWord: "keys.goOverview" },
  { id: "guests", word: "page.guests", keys: "g g", keyWord: "keys.goGuests" },
  { id: "findings", word: "page.findings", keys: "g f", keyWord: "keys.goFindings" },
  { id: "hunt", word: "page.hunt", keys: "g h", keyWord: "keys.goHunt" },
  { id: "content", word: "page.content", keys: "g i", keyWord: "keys.goContent" },
  {
    ...({ id: "administration", word: "page.administration", role: "admin" } as const),
    ...({ keys: "g a", keyWord: "keys.goAdministration" } as const),
  },
  { id: "settings", word: "page.settings", keys: "g s", keyWord: "keys.goSettings" },
];

export function Shell(props: { place: Place; onSignOut: () => void }): JSX.Element {
  const { say, preferences, prefer } = useShared();
  const [isHelp, setHelp] = useState(false);
  const main = useRef<HTMLElement>(null);
  const at = props.place.path.join("/");
  useKeys([
    { keys: "?", word: "keys.help", run: () => setHelp(true), isEverywhere: true },
    ...PAGES.map(({ id, keys: pressed, keyWord }) => ({
      ...{ keys: pressed, word: keyWord, isEverywhere: true },
      run: () => goTo(placeAddress([id])),
    })),
    {
      ...{ keys: "t", word: "keys.theme", isEverywhere: true },
      run: () => prefer({ theme: isDark(preferences) ? "light" : "dark" }),
    },
  ]);
  useTitle(props.place);
  // A new page begins at its head, for eyes and for screen readers.
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [at]);
  return (
    <div class="shell">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {say("app.skip")}
      </a>
      <Menu current={props.place.path[0] ?? "overview"} onHelp={() => setHelp(true)} />
      <main id="main" ref={main} tabIndex={-1}>
        <CurrentPage place={props.place} onSignOut={props.onSignOut} />
      </main>
      {isHelp && <KeyList onClose={() => setHelp(false)} />}
    </div>
  );
}

function CurrentPage({ place, onSignOut }: { place: Place; onSignOut: () => void }): JSX.Element {
  const { say } = useShared();
  const [page = "overview", id] = place.path;
  if (page === "overview") return <OverviewPage />;
  if (page === "guests" && id !== undefined) return <GuestPage key={id} id={id} />;
  if (page === "guests") return <GuestsPage place={place} />;
  if (page === "findings" && id !== undefined) return <FindingPage key={id} id={id} />;
  if (page === "findings") return <FindingsPage place={place} />;
  if (page === "hunt") return <HuntPage place={place} />;
  if (page === "trace") return <TracePage place={place} />;
  if (page === "content") return <ContentPage />;
  if (page === "administration") return <AdministrationPage />;
  if (page === "settings") return <SettingsPage onSignOut={onSignOut} />;
  return <Empty title={say("app.noPage")} hint={say("app.noPage.hint")} />;
}

function Menu({ current, onHelp }: { current: string; onHelp: () => void }): JSX.Element {
  const { say } = useShared();
  const desk = useDesk();
  return (
    <nav class="menu" aria-label={say("app.menu")}>
      <p class="brand">
        <Icon name="brand" />
        <span>{say("app.name")}</span>
      </p>
      <ul>
        {PAGES.filter(({ role = "read-only" }) => desk.may(role)).map(({ id, word }) => (
          <li key={id}>
            <a href={placeAddress([id])} aria-current={id === current ? "page" : undefined}>
              <Icon name={id} />
              <span>{say(word)}</span>
            </a>
          </li>
        ))}
      </ul>
      <div class="foot">
        <LiveSign />
        <button type="button" class="plain" onClick={onHelp} aria-label={say("keys.help")}>
          <kbd>?</kbd>
        </button>
      </div>
    </nav>
  );
}

/** Whether what is shown is what is. */
function LiveSign(): JSX.Element {
  const { live } = useDesk();
  const { say } = useShared();
  const [state, setState] = useState<LiveState>(live.state);
  useEffect(() => {
    setState(live.state);
    return live.listen({ onState: setState });
  }, [live]);
  const isLive = state === "live";
  return (
    <p
      class={isLive ? "live" : "live away"}
      role="status"
      title={isLive ? undefined : say("app.reconnecting.why")}
    >
      <span class="sign" aria-hidden="true" />
      <span>{say(isLive ? "app.live" : "app.reconnecting")}</span>
    </p>
  );
}

function KeyList({ onClose }: { onClose: () => void }): JSX.Element {
  const { say } = useShared();
  const [bindings] = useState(() => keys.bindings);
  const isEverywhere = (wanted: boolean): typeof bindings =>
    bindings.filter((binding) => (binding.isEverywhere ?? false) === wanted);
  const parts = [
    ["keys.here", isEverywhere(false)],
    ["keys.everywhere", isEverywhere(true)],
  ] as const;
  return (
    <Dialog title={say("keys.title")} onClose={onClose}>
      {parts.map(([word, list]) => (
        <section key={word} hidden={list.length === 0}>
          <h3>{say(word)}</h3>
          <dl class="keys">
            {list.map((binding) => (
              <div key={binding.keys}>
                <dt>
                  {binding.keys.split(" ").map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{say(binding.word)}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <form method="dialog">
        <button type="submit">{say("do.close")}</button>
      </form>
    </Dialog>
  );
}

function useTitle({ path: [page = "overview"] }: Place): void {
  const { say } = useShared();
  const found = PAGES.find(({ id }) => id === page);
  const name = found === undefined ? "" : `${say(found.word)} · `;
  useEffect(() => {
    document.title = `${name}${say("app.name")}`;
  }, [name, say]);
}
