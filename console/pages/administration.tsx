// SPDX-License-Identifier: Apache-2.0
// For admins: who may sign in, which programs may call, how a server joins, and who did what.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type ApiAuditEntry, type ApiToken, type ApiUser, ROLES } from "../../lib/model/model.ts";
import { callApi } from "../api/call.ts";
import { GrantForm } from "../parts/grant-form.tsx";
import { Cut, Empty, GuestText, Panel, Show, Time } from "../parts/parts.tsx";
import { failureText, useDesk, useLoad, useShared } from "../state/use.tsx";

const AUDIT_PAGE = "200";

export function AdministrationPage(): JSX.Element {
  const { say } = useShared();
  if (!useDesk().may("admin")) {
    const hint = say("do.needsRole", { role: "admin" });
    return <Empty title={say("page.administration")} hint={hint} />;
  }
  return (
    <div class="page">
      <h1>{say("page.administration")}</h1>
      <div class="tiles">
        <UsersPanel />
        <EnrolPanel />
        <TokensPanel />
        <AuditPanel />
      </div>
    </div>
  );
}

function UsersPanel(): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("users", (signal) => callApi("listUsers", { signal }));
  return (
    <Panel title={say("users.title")} class="wide">
      <Show loaded={loaded} again={again}>
        {(users) => <UserTable users={users} onChanged={again} />}
      </Show>
      <GrantForm
        {...{ title: say("users.add"), hint: say("users.add.hint"), onDone: again }}
        add={async ({ name, role, groups }) => {
          const { invitation } = await callApi("addUser", { body: { name, role, groups } });
          return `${location.origin}/#/invitation/${invitation}`;
        }}
      />
    </Panel>
  );
}

function UserTable(props: { users: readonly ApiUser[]; onChanged: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const { user: own } = useDesk().session;
  const change = (user: ApiUser, body: Partial<ApiUser>): void => {
    callApi("changeUser", { id: user.id, body }).then(
      () => {
        tell(say("do.saved"));
        props.onChanged();
      },
      (error: unknown) => tell(failureText(say, error), true),
    );
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("users.title")}>
      <table>
        <thead>
          <tr>
            <th>{say("table.name")}</th>
            <th>{say("users.role")}</th>
            <th>{say("users.groups")}</th>
            <th>{say("users.seen")}</th>
            <th>
              <span class="unseen-label">{say("users.disable")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.users.map((user) => (
            <tr key={user.id}>
              <th scope="row">
                <Cut class={user.isDisabled ? "dim" : ""} text={user.name} />
              </th>
              <td>
                <select
                  aria-label={`${say("users.role")} ${user.name}`}
                  disabled={user.id === own.id}
                  value={user.role}
                  onChange={({ currentTarget: { value } }) => {
                    const role = ROLES.find((name) => name === value);
                    if (role !== undefined) change(user, { role });
                  }}
                >
                  {ROLES.map((role) => (
                    <option key={role} value={role}>
                      {role}
                    </option>
                  ))}
                </select>
              </td>
              <td>
                <Cut text={user.groups.length === 0 ? say("users.all") : user.groups.join(", ")} />
              </td>
              <td>{user.lastSeenMs !== undefined && <Time ms={user.lastSeenMs} />}</td>
              <td>
                <button
                  type="button"
                  disabled={user.id === own.id}
                  onClick={() => change(user, { isDisabled: !user.isDisabled })}
                >
                  {say(user.isDisabled ? "users.enable" : "users.disable")}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function TokensPanel(): JSX.Element {
  const { say } = useShared();
  const [loaded, again] = useLoad("tokens", (signal) => callApi("listTokens", { signal }));
  return (
    <Panel title={say("tokens.title")} hint={say("tokens.hint")}>
      <Show loaded={loaded} again={again}>
        {(tokens) => (
          <ul class="lines">
            {tokens.map((token) => (
              <TokenLine key={token.id} token={token} onChanged={again} />
            ))}
          </ul>
        )}
      </Show>
      <GrantForm
        {...{
          title: say("tokens.add"),
          hint: say("tokens.add.hint"),
          onDone: again,
          hasDays: true,
        }}
        add={async (grant) => (await callApi("addToken", { body: grant })).secret}
      />
    </Panel>
  );
}

function TokenLine(props: { token: ApiToken; onChanged: () => void }): JSX.Element {
  const { say, tell } = useShared();
  const { id, name, role, expiresMs } = props.token;
  const remove = (): void => {
    callApi("deleteToken", { id }).then(props.onChanged, (error: unknown) => {
      tell(failureText(say, error), true);
    });
  };
  return (
    <li>
      <Cut class="grow" text={name} />
      <span class="hint">{role}</span>
      <Time ms={expiresMs} />
      <button type="button" aria-label={`${say("tokens.revoke")} ${name}`} onClick={remove}>
        {say("tokens.revoke")}
      </button>
    </li>
  );
}

function EnrolPanel(): JSX.Element {
  const { say } = useShared();
  return (
    <Panel title={say("enrol.title")} hint={say("enrol.hint")}>
      <GrantForm
        {...{ title: say("enrol.do"), hint: say("enrol.do.hint"), isNameOnly: true }}
        onDone={() => {}}
        add={async ({ name }) => {
          const { manager, token } = await callApi("makeEnrolment", { body: { name } });
          return `undercroft server enrol --manager ${manager} --token ${token} --dir DIR`;
        }}
      />
    </Panel>
  );
}

function AuditPanel(): JSX.Element {
  const { say } = useShared();
  const [older, setOlder] = useState<readonly ApiAuditEntry[]>([]);
  const [next, setNext] = useState<string | undefined>(undefined);
  const [loaded, again] = useLoad("audit", async (signal) => {
    const page = await callApi("listAudit", { query: { limit: AUDIT_PAGE }, signal });
    setOlder([]);
    setNext(page.next);
    return page.items;
  });
  const more = (): void => {
    void callApi("listAudit", { query: { limit: AUDIT_PAGE, cursor: next } }).then((page) => {
      setOlder([...older, ...page.items]);
      setNext(page.next);
    }, again);
  };
  return (
    <Panel
      title={say("audit.title")}
      class="wide"
      aside={
        <button type="button" onClick={again}>
          {say("load.refresh")}
        </button>
      }
    >
      <Show loaded={loaded} again={again}>
        {(newest) => <AuditTable entries={[...newest, ...older]} />}
      </Show>
      {next !== undefined && (
        <button type="button" onClick={more}>
          {say("audit.more")}
        </button>
      )}
    </Panel>
  );
}

function AuditTable({ entries }: { entries: readonly ApiAuditEntry[] }): JSX.Element {
  const { say } = useShared();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("audit.title")}>
      <table class="audit">
        <thead>
          <tr>
            <th>{say("audit.time")}</th>
            <th>{say("audit.who")}</th>
            <th>{say("audit.call")}</th>
            <th class="number">{say("audit.status")}</th>
            <th>{say("audit.detail")}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(({ id, timeMs, user, address, call, status, subject, detail }) => (
            <tr key={id}>
              <td>
                <Time ms={timeMs} />
              </td>
              <td title={address}>
                <GuestText text={user} max={80} />
              </td>
              <td>
                <code>{call}</code>
              </td>
              <td class="number">
                <span class={status >= 400 ? "hot" : ""}>{status}</span>
              </td>
              <td>
                <Cut class="code" text={`${subject} ${detail}`} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
