// SPDX-License-Identifier: Apache-2.0
// Scripted operations for the simulator: each callback of the driver with success and with each way
// to fail. What must come of them is in golden/, one file a scenario.

type Word = string | number;

export interface Scenario {
  readonly name: string;
  /** Sensors to ask for instead of the server's own wish. */
  readonly sensors?: bigint;
  /** Operations, and the answers that are not `ok` by their place. */
  readonly lines: ReadonlyArray<readonly Word[]>;
  readonly answers?: Readonly<Record<number, string>>;
}

const C = "\\Device\\HarddiskVolume3";
const SHELL = `${C}\\Windows\\System32\\cmd.exe`;
const RUN = "\\REGISTRY\\MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run";
const USER = "S-1-5-21-1004336348-1177238915-682003330-1001";
const start = (pid: number, parent = 4): readonly Word[] => [
  ...["start", pid, parent, USER, 0x2000, SHELL, 'cmd.exe /c "dir C:\\" & whoami'],
];
const file = (operation: string, path = `${C}\\Temp\\a.txt`, argument = ""): readonly Word[] => [
  ...["file", 1000, operation, path, argument],
];
const key = (operation: string, name = "", type = 0, data = ""): readonly Word[] => [
  ...["key", 1000, operation, RUN, name, type, data],
];

export const scenarios: readonly Scenario[] = [
  {
    name: "process",
    lines: [
      start(1000),
      ["start", 1004, 1000, "S-1-5-18", 0x4000, `${C}\\Windows\\System32\\svchost.exe`, ""],
      ["start", 1008, 1000, "S-1-5-90-0-1", 0x1000, `${C}\\Dateien\\Übung.exe`, "Übung 日本 💩"],
      ["exit", 1008, 3221225477],
      ["exit", 1004, 0],
    ],
  },
  {
    name: "process-failing",
    lines: [
      ["fail", "image-name", 1],
      start(1000),
      ["fail", "token", 2],
      ["start", 1004, 1000, USER, 0x2000, SHELL, "no token"],
      ["fail", "allocate", 2],
      ["start", 1008, 1000, USER, 0x2000, SHELL, "no memory"],
      ["fail", "token", 2],
      ["exit", 1004, 1],
    ],
  },
  {
    name: "image",
    lines: [
      start(1000),
      ["image", 1000, `${C}\\Windows\\System32\\ntdll.dll`, 0x7ff800000000, 2097152],
      ["image", 0, "\\SystemRoot\\System32\\drivers\\evil.sys", 0xfffff80000000000, 65536],
      ["image", 1000, "", 4096, 4096],
      ["fail", "allocate", 1],
      ["image", 1000, `${C}\\lost.dll`, 4096, 4096],
    ],
  },
  {
    name: "thread",
    lines: [
      start(1000),
      start(1004, 1000),
      ["thread", 1000, 1004, 77, 0x7ff812345678],
      ["thread", 1000, 1000, 78, 4096],
      ["thread", 4, 1004, 79, 4096],
      ["fail", "open", 1],
      ["thread", 1004, 1000, 80, 8192],
      ["handle", 0x1fffff],
      ["handle", 0x1fffff, "duplicate"],
      ["handle", 0x1fffff, "", "kernel"],
      ["handle", 0x1fffff, "", "", "other"],
    ],
    answers: { 7: "0x1fffec", 8: "0x1fffec", 9: "0x1fffff", 10: "0x1fffff" },
  },
  {
    name: "file",
    lines: [
      start(1000),
      file("create"),
      file("open"),
      file("execute", `${C}\\Temp\\tool.exe`),
      file("write", `${C}\\Temp\\b.bin`, "1500"),
      file("overwrite", `${C}\\Temp\\b.bin`, "20"),
      file("mkdir", `${C}\\Temp\\folder`),
      file("opendir", `${C}\\Temp\\folder`),
      file("internal"),
      file("reparse"),
      file("doc", `${C}\\Temp\\gone-on-close`),
      ["kfile", 4, "open", `${C}\\pagefile.sys`],
      ["kfile", 4, "create", `${C}\\written by the server of shares`],
      ["xfile", 1000, "open", `${C}\\Temp\\refused by its rights`],
      file("open", "\\Device\\Mup\\server\\share\\far.txt"),
    ],
  },
  {
    name: "file-changes",
    lines: [
      start(1000),
      file("rename", `${C}\\Temp\\a.txt`, `${C}\\Temp\\b.txt`),
      file("renameex", `${C}\\Temp\\a.txt`, `${C}\\Temp\\c.txt`),
      file("delete"),
      file("deleteex"),
      file("undelete"),
      file("attributes"),
      file("truncate"),
      file("security"),
      ["xfile", 1000, "rename", `${C}\\Temp\\a.txt`, `${C}\\Temp\\d.txt`],
      ["xfile", 1000, "delete", `${C}\\Temp\\a.txt`],
      ["xfile", 1000, "security", `${C}\\Temp\\a.txt`],
    ],
  },
  {
    name: "file-failing",
    lines: [
      start(1000),
      ["fail", "name", 1],
      file("create", `${C}\\Temp\\name at the second try`),
      ["fail", "name", 2],
      file("create", `${C}\\Temp\\never named`),
      ["fail", "context", 1],
      file("write", `${C}\\Temp\\no context`, "10"),
      ["fail", "allocate", 1],
      file("write", `${C}\\Temp\\no memory for the record`, "10"),
      ["fail", "name", 3],
      file("delete", `${C}\\Temp\\no name when deleted`),
    ],
  },
  {
    name: "file-close",
    sensors: 0x82n,
    lines: [start(1000), file("open"), file("write", `${C}\\Temp\\b.bin`, "1")],
  },
  {
    name: "registry",
    lines: [
      start(1000),
      key("create"),
      key("createopen"),
      key("open"),
      key("set", "Updater", 1, "43003a005c0075002e0065007800650000000000"),
      key("set", "Count", 4, "2a000000"),
      key("set", "", 1, "41000000"),
      key("set", "Empty", 3, ""),
      key("set", "Big", 3, "ab".repeat(3000)),
      key("unset", "Updater"),
      key("rename", "Run2"),
      key("delete"),
      key("read", "Updater"),
      key("close"),
      key("other"),
      ["xkey", 1000, "set", RUN, "Denied", 1, "41000000"],
      ["xkey", 1000, "delete", RUN],
      ["xkey", 1000, "create", RUN],
      ["xkey", 1000, "open", RUN],
    ],
  },
  {
    name: "registry-read",
    sensors: 0x104n,
    lines: [
      start(1000),
      key("createopen"),
      key("open"),
      key("read", "Updater"),
      key("enumerate"),
      key("close"),
      ["xkey", 1000, "read", RUN, "Missing"],
    ],
  },
  {
    name: "registry-failing",
    lines: [
      start(1000),
      ["fail", "key-name", 1],
      key("set", "NoName", 1, "41000000"),
      ["fail", "key-name", 1],
      key("delete"),
      ["fail", "allocate", 1],
      key("rename", "NoMemory"),
      ["fail", "copy", 1],
      key("set", "HalfGone", 1, "41004200"),
      ["fail", "allocate", 1],
      key("set", "NoRecord", 1, "41004200"),
    ],
  },
];
