// SPDX-License-Identifier: Apache-2.0
// The whole console: who is signed in, what they prefer, and the page that the address names.
import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import type { ApiSession } from "../lib/model/model.ts";
import { callApi, onSignedOut, setCsrf } from "./api/call.ts";
import { InvitationPage, SignInPage } from "./pages/sign-in.tsx";
import { Shell } from "./shell.tsx";
import { Desk } from "./state/desk.ts";
import { keys, listenToKeys } from "./state/keys.ts";
import { applyPreferences, type Preferences, readPreferences } from "./state/preferences.ts";
import { DeskContext, type Note, SharedContext, useLanguage, usePlace } from "./state/use.tsx";

const NOTE_MS = 8000;

/** ended: it was there, and the manager no longer knows it. */
type Signed = "unknown" | "out" | "ended" | ApiSession;

export function App(): JSX.Element {
  const [preferences, setPreferences] = useState<Preferences>(readPreferences);
  const { say, format } = useLanguage(preferences);
  const [notes, tell] = useNotes();
  const prefer = useCallback((change: Partial<Preferences>) => {
    setPreferences((before) => ({ ...before, ...change }));
  }, []);
  useEffect(() => {
    applyPreferences(preferences);
    keys.isOn = preferences.hasKeys;
  }, [preferences]);
  useEffect(listenToKeys, []);
  const shared = useMemo(
    () => ({ say, format, preferences, prefer, tell }),
    [say, format, preferences, prefer, tell],
  );
  return (
    <SharedContext.Provider value={shared}>
      <Gate />
      <div class="notes" role="status" aria-live="polite">
        {notes.map(({ id, text, isBad }) => (
          <p key={id} class={isBad ? "note bad" : "note"}>
            {text}
          </p>
        ))}
      </div>
    </SharedContext.Provider>
  );
}

/** Lets in who is signed in. */
function Gate(): JSX.Element | null {
  const place = usePlace();
  const [signed, setSigned] = useState<Signed>("unknown");
  const [desk, setDesk] = useState<Desk | undefined>(undefined);
  const enter = useCallback((session: ApiSession) => {
    setCsrf(session);
    setSigned(session);
  }, []);
  useEffect(() => {
    onSignedOut(() => setSigned((before) => (typeof before === "object" ? "ended" : before)));
    callApi("readSession").then(enter, () => setSigned("out"));
  }, []);
  useEffect(() => {
    if (typeof signed !== "object") return;
    const made = new Desk(signed);
    made.open();
    setDesk(made);
    return () => {
      made.close();
      setDesk(undefined);
      setCsrf(undefined);
    };
  }, [signed]);
  if (signed === "unknown") return null;
  if (place.path[0] === "invitation") {
    const secret = place.path[1] ?? "";
    return <InvitationPage key={secret} secret={secret} onSession={enter} />;
  }
  if (typeof signed === "string") {
    return <SignInPage hasEnded={signed === "ended"} onSession={enter} />;
  }
  if (desk === undefined) return null;
  return (
    <DeskContext.Provider value={desk}>
      <Shell place={place} onSignOut={() => setSigned("out")} />
    </DeskContext.Provider>
  );
}

/** What is told to the user, and what tells; each goes after a while. */
function useNotes(): [readonly Note[], (text: string, isBad?: boolean) => void] {
  const [notes, setNotes] = useState<readonly Note[]>([]);
  const tell = useCallback((text: string, isBad = false) => {
    const note = { id: performance.now(), text, isBad };
    setNotes((before) => [...before.slice(-3), note]);
    setTimeout(() => setNotes((before) => before.filter(({ id }) => id !== note.id)), NOTE_MS);
  }, []);
  return [notes, tell];
}
