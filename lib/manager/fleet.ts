// SPDX-License-Identifier: Apache-2.0
// What servers have told, as rows: guests and their states, findings, commands, approvals. The
// link's listener calls it; the API reads from it. Everything of one frame is one transaction.
import type { EnrolledServer, LinkHooks, NumberedReport } from "../link/link.ts";
import type {
  ApiFinding,
  ApiGuest,
  ApiServer,
  GuestStateChange,
  LinkGuest,
  LinkHello,
  LinkReport,
  LinkStatistics,
  LiveUpdate,
} from "../model/model.ts";
import type { ManagerState, SqlRow } from "./state.ts";

export interface FleetOptions {
  readonly state: ManagerState;
  readonly nowMs: () => number;
  readonly servers: () => readonly EnrolledServer[];
  readonly changed: (update: LiveUpdate) => void;
}

interface Line {
  readonly statistics: LinkStatistics;
  readonly byGuest: ReadonlyMap<string, LinkStatistics["guests"][number]>;
  /** Events of each guest a second, between the last two statistics. */
  readonly rates: ReadonlyMap<string, number>;
}

/** States of one guest that are kept. */
const HISTORY_MAX = 200;

// Labels are people's, and outlast the guest's row: who may see a guest must not change because it
// was away for a while.
const GUEST_SQL = `SELECT guest.*, coalesce(group_name, '') AS group_name,
  coalesce(tags, '[]') AS tags, (SELECT count(*) FROM finding
  WHERE finding.guest = guest.id AND triage IN ('open', 'in-work')) AS open_findings
  FROM guest LEFT JOIN label ON label.guest = guest.id`;

/** See the head of this file. */
export class Fleet implements LinkHooks {
  readonly #options: FleetOptions;
  /** A server came; what it told is on disk. */
  onHello: (server: string, hello: LinkHello) => void = () => {};
  readonly #online = new Set<string>();
  readonly #lines = new Map<string, Line>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  lastReport(server: string, stream: string): number {
    const find = "SELECT last FROM stream WHERE server = ? AND stream = ?";
    return Number(this.#state.one(find, server, stream)?.last ?? 0);
  }

  /** What hello says of its guests is newer than the reports that are still on their way. */
  online(server: string, hello: LinkHello, skewMs: number): void {
    const state = this.#state;
    this.#online.add(server);
    const left: string[] = [];
    state.transaction(() => {
      const before = state.one("SELECT instance FROM server WHERE id = ?", server);
      state.run(
        `INSERT INTO server(id, software, instance, seen_ms, skew_ms, content)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET software = ?2, instance = ?3,
         seen_ms = ?4, skew_ms = ?5, content = ?6`,
        ...[server, hello.software, hello.instance, this.#options.nowMs(), Math.round(skewMs)],
        JSON.stringify(hello.content),
      );
      // What waited for a person at an earlier run of the server waits no more.
      if (before !== undefined && before.instance !== hello.instance) {
        const expire =
          "UPDATE approval SET state = 'expired' WHERE server = ? AND state = 'waiting'";
        state.run(expire, server);
      }
      const here = new Set(hello.guests.map(({ id }) => id));
      for (const row of state.all("SELECT id FROM guest WHERE server = ?", server)) {
        if (!here.has(String(row.id))) left.push(String(row.id));
      }
      for (const id of left) state.run("DELETE FROM guest WHERE id = ?", id);
      for (const guest of hello.guests) this.#putGuest(server, guest);
    });
    for (const id of left) this.#options.changed({ kind: "guest-left", id });
    for (const { id } of hello.guests) this.#tellGuest(id);
    this.#tellServer(server);
    this.onHello(server, hello);
  }

  offline(server: string): void {
    this.#online.delete(server);
    this.#lines.delete(server);
    const seen = "UPDATE server SET seen_ms = ? WHERE id = ?";
    this.#state.run(seen, this.#options.nowMs(), server);
    this.#tellServer(server);
  }

  reports(server: string, stream: string, reports: readonly NumberedReport[]): void {
    const state = this.#state;
    const updates: Array<() => void> = [];
    state.transaction(() => {
      for (const { report } of reports) updates.push(this.#take(server, report));
      state.run(
        `INSERT INTO stream(server, stream, last) VALUES(?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET last = ?3`,
        ...[server, stream, reports.at(-1)?.number ?? 0],
      );
    });
    for (const update of updates) update();
  }

  statistics(server: string, statistics: LinkStatistics): void {
    const before = this.#lines.get(server);
    const seconds = (statistics.timeMs - (before?.statistics.timeMs ?? 0)) / 1000;
    const rates = statistics.guests.flatMap(({ id, events: now }): Array<[string, number]> => {
      const earlier = before?.byGuest.get(id)?.events;
      const isUsable = earlier !== undefined && earlier <= now && seconds > 0;
      return isUsable ? [[id, (now - earlier) / seconds]] : [];
    });
    const byGuest = new Map(statistics.guests.map((guest) => [guest.id, guest]));
    this.#lines.set(server, { statistics, byGuest, rates: new Map(rates) });
    this.#tellServer(server);
  }

  isOnline(server: string): boolean {
    return this.#online.has(server);
  }

  /** groups: those of the caller; empty: all. */
  guests(groups: readonly string[]): readonly ApiGuest[] {
    const rows = this.#state.all(`${GUEST_SQL} ORDER BY name, id`);
    const names = this.#serverNames();
    const isSeen = (row: SqlRow): boolean =>
      groups.length === 0 || groups.includes(String(row.group_name));
    return rows.filter(isSeen).map((row) => this.#guestOf(row, names));
  }

  guest(id: string): ApiGuest | undefined {
    const row = this.#state.one(`${GUEST_SQL} WHERE id = ?`, id);
    return row === undefined ? undefined : this.#guestOf(row, this.#serverNames());
  }

  historyOf(guest: string): readonly GuestStateChange[] {
    return this.#state
      .all("SELECT json FROM history WHERE guest = ? ORDER BY rowid DESC", guest)
      .map((row) => JSON.parse(String(row.json)) as GuestStateChange);
  }

  statisticsOf(guest: string, server: string): LinkStatistics["guests"][number] | undefined {
    return this.#lines.get(server)?.byGuest.get(guest);
  }

  get servers(): readonly ApiServer[] {
    const rows = new Map(this.#state.all("SELECT * FROM server").map((row) => [row.id, row]));
    const counts = new Map(
      this.#state
        .all("SELECT server, count(*) AS count FROM guest GROUP BY server")
        .map((row) => [row.server, Number(row.count)]),
    );
    return this.#options.servers().map((server) => {
      const line = this.#lines.get(server.id)?.statistics;
      return serverOf(server, {
        ...{ row: rows.get(server.id), line, isOnline: this.isOnline(server.id) },
        guests: counts.get(server.id) ?? 0,
      });
    });
  }

  get #state(): ManagerState {
    return this.#options.state;
  }

  #take(server: string, report: LinkReport): () => void {
    const state = this.#state;
    switch (report.kind) {
      case "guest":
        this.#putGuest(server, report.guest);
        return () => this.#tellGuest(report.guest.id);
      case "guest-state":
        this.#putState(server, report.id, report.change);
        return () => this.#tellGuest(report.id);
      case "guest-left":
        state.run("DELETE FROM guest WHERE id = ? AND server = ?", report.id, server);
        return () => this.#options.changed({ kind: "guest-left", id: report.id });
      case "finding": {
        const { finding, guest } = report;
        if (this.#isElsewhere(server, guest)) return () => {};
        state.run(
          `INSERT INTO finding(id, server, guest, severity, last_ms, json)
           VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET severity = ?4, last_ms = ?5,
           json = ?6 WHERE server = ?2`,
          ...[finding.id, server, guest, finding.severity, Math.round(finding.lastMs)],
          JSON.stringify(finding),
        );
        return () => this.#tellFinding(finding.id);
      }
      case "response":
        state.run(
          `INSERT INTO response(finding, json) SELECT id, ?3 FROM finding
           WHERE id = ?1 AND server = ?2`,
          ...[report.response.finding, server, JSON.stringify(report.response)],
        );
        return () => this.#tellFinding(report.response.finding);
      case "command":
        if (this.#isElsewhere(server, report.guest)) return () => {};
        state.run(
          `INSERT INTO command(server, id, guest, finding, json) VALUES(?1, ?2, ?3, ?4, ?5)
           ON CONFLICT DO UPDATE SET json = ?5`,
          ...[server, report.command.id, report.guest, report.command.finding ?? null],
          JSON.stringify(report.command),
        );
        return () => {};
      case "approval": {
        const { id, state: now } = report.approval;
        if (this.#isElsewhere(server, report.guest)) return () => {};
        state.run(
          `INSERT INTO approval(id, server, guest, state, json) VALUES(?1, ?2, ?3, ?4, ?5)
           ON CONFLICT DO UPDATE SET state = ?4, json = ?5 WHERE server = ?2`,
          ...[id, server, report.guest, now, JSON.stringify(report.approval)],
        );
        return () => {};
      }
      case "fault":
        return () => {};
      case "dropped": {
        const count = "UPDATE server SET dropped = dropped + ? WHERE id = ?";
        state.run(count, report.count, server);
        return () => this.#tellServer(server);
      }
    }
  }

  // TRUST: a server that was taken over must not take other servers' guests: one that is somewhere
  // else is only given away when that server is not there to speak for it.
  #putGuest(server: string, guest: LinkGuest): void {
    const holder = this.#state.one("SELECT server FROM guest WHERE id = ?", guest.id)?.server;
    if (holder !== undefined && holder !== server && this.isOnline(String(holder))) return;
    this.#state.run(
      `INSERT INTO guest(id, server, name, state, since_ms, json) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
       ON CONFLICT DO UPDATE SET server = ?2, name = ?3, state = ?4, since_ms = ?5, json = ?6`,
      ...[guest.id, server, guest.name, guest.state, Math.round(guest.sinceMs)],
      JSON.stringify(guest),
    );
  }

  /** TRUST: whether a server speaks of a guest that is another's. */
  #isElsewhere(server: string, guest: string): boolean {
    const holder = this.#state.one("SELECT server FROM guest WHERE id = ?", guest)?.server;
    return holder !== undefined && holder !== server;
  }

  // A change may be older than what a later hello said: it is history then, and nothing else.
  #putState(server: string, id: string, change: GuestStateChange): void {
    const state = this.#state;
    const row = state.one(
      "SELECT json, since_ms FROM guest WHERE id = ? AND server = ?",
      id,
      server,
    );
    if (row === undefined) return;
    if (Number(row.since_ms) <= change.timeMs) {
      const guest = JSON.parse(String(row.json)) as LinkGuest;
      const next = { ...guest, state: change.to, sinceMs: change.timeMs, reason: change.reason };
      state.run(
        "UPDATE guest SET state = ?, since_ms = ?, json = ? WHERE id = ?",
        ...[change.to, Math.round(change.timeMs), JSON.stringify(next), id],
      );
    }
    const add = "INSERT INTO history(guest, time_ms, json) VALUES(?, ?, ?)";
    state.run(add, id, Math.round(change.timeMs), JSON.stringify(change));
    state.run(
      `DELETE FROM history WHERE guest = ?1 AND rowid NOT IN
       (SELECT rowid FROM history WHERE guest = ?1 ORDER BY rowid DESC LIMIT ${HISTORY_MAX})`,
      id,
    );
  }

  #serverNames(): ReadonlyMap<string, string> {
    return new Map(this.#options.servers().map(({ id, name }) => [id, name]));
  }

  #guestOf(row: SqlRow, names: ReadonlyMap<string, string>): ApiGuest {
    const server = String(row.server);
    const id = String(row.id);
    const counts = this.statisticsOf(id, server);
    return {
      ...(JSON.parse(String(row.json)) as LinkGuest),
      server,
      serverName: names.get(server) ?? "",
      isCurrent: this.isOnline(server),
      group: String(row.group_name),
      tags: JSON.parse(String(row.tags)) as string[],
      openFindings: Number(row.open_findings),
      eventsPerSecond: this.#lines.get(server)?.rates.get(id) ?? 0,
      lost: counts?.lost ?? 0,
    };
  }

  #tellGuest(id: string): void {
    const guest = this.guest(id);
    if (guest !== undefined) this.#options.changed({ kind: "guest", guest });
  }

  #tellFinding(id: string): void {
    const row = this.#state.one("SELECT * FROM finding WHERE id = ?", id);
    if (row !== undefined) this.#options.changed({ kind: "finding", finding: findingOf(row) });
  }

  // Told with every statistics: no other server is looked at.
  #tellServer(id: string): void {
    const enrolled = this.#options.servers().find((one) => one.id === id);
    if (enrolled === undefined) return;
    const count = this.#state.one("SELECT count(*) AS count FROM guest WHERE server = ?", id);
    const server = serverOf(enrolled, {
      row: this.#state.one("SELECT * FROM server WHERE id = ?", id),
      ...{ line: this.#lines.get(id)?.statistics, isOnline: this.isOnline(id) },
      guests: Number(count?.count ?? 0),
    });
    this.#options.changed({ kind: "server", server });
  }
}

/** A row of table finding as the API shows it. */
export function findingOf(row: SqlRow): ApiFinding {
  return {
    ...(JSON.parse(String(row.json)) as ApiFinding),
    guestId: String(row.guest),
    server: String(row.server),
    triage: String(row.triage) as ApiFinding["triage"],
    ...(typeof row.assignee === "string" ? { assignee: row.assignee } : {}),
  };
}

function serverOf(
  server: EnrolledServer,
  {
    row,
    line,
    isOnline,
    guests,
  }: {
    readonly row: SqlRow | undefined;
    readonly line: LinkStatistics | undefined;
    readonly isOnline: boolean;
    readonly guests: number;
  },
): ApiServer {
  const none = { indicators: 0, rules: 0, policy: 0 };
  return {
    id: server.id,
    name: server.name,
    state: server.revokedMs !== undefined ? "revoked" : isOnline ? "online" : "offline",
    software: String(row?.software ?? ""),
    enrolledMs: server.enrolledMs,
    lastSeenMs: Number(row?.seen_ms ?? 0),
    guests,
    content: row === undefined ? none : (JSON.parse(String(row.content)) as typeof none),
    certificateEndsMs: server.certificateEndsMs,
    clockSkewMs: Number(row?.skew_ms ?? 0),
    cpuSeconds: line?.cpuSeconds ?? 0,
    memoryBytes: line?.memoryBytes ?? 0,
    storeEvents: line?.storeEvents ?? 0,
    storeBytes: line?.storeBytes ?? 0,
    dropped: Number(row?.dropped ?? 0),
  };
}
