// SPDX-License-Identifier: Apache-2.0
// The texts that --help prints. docs/cli.md repeats each one word for word and a test keeps the
// two equal. Text only: what the options do is in the file of each command.

/** Help of each command by its words; the empty name is the program itself. */
export const HELP = {
  "": `Usage: undercroft COMMAND [OPTION]...

Agentless endpoint detection and response for KVM guests through shared memory.

Commands:
  start             boot a demo guest, protect it and show what happens
  serve             protect running guests: libvirt's, or those of region files
  redirector        watch guests' network interfaces for a server
  server enrol      have this server join a manager
  manager           run the manager of any number of servers
  manager enrolment make a one-time token with which a server joins the manager
  manager token     make a token with which a program calls the manager
  protect           turn the protection of a libvirt domain on
  unprotect         turn it off
  status            show the guests of this hypervisor host's service
  doctor            look for mistakes and say what to do
  respond           pause, dump or cut off a domain through libvirt
  hook              what libvirt's qemu hook runs
  pcap              print the network events of captures
  region dump       print a region in readable form
  indicators check  check an indicator file
  policy check      check a response policy and say what it does
  rules check       check Sigma rules
  rules test        run Sigma rules over the events beside them
  detect            find events of log files that Sigma rules match
  explain           say why a Sigma rule matches an event, or why not
  intel import      read threat intelligence of any format
  intel stats       say what a file of indicators holds
  intel lookup      look values up in a file of indicators
  search            find events in stores by the search language
  trace             tell where a process of a store came from, or what came of it
  store check       read an event store whole and say whether it is
  store stats       say what an event store holds
  store compact     fold and merge an event store's files

Options:
  --help            print this, or the help of a command
  --version         print the version

Exit status: 0 done, 1 failed, 2 wrong usage.
`,
  start: `Usage: undercroft start [OPTION]...

Boots a Debian-kernel guest in QEMU, loads the guest driver, runs a harmless scripted
intrusion in the guest and answers it. A manager with its web console runs beside it; the
link that signs you in is printed. Runs until Ctrl-C, then unloads the driver, stops the
guest and removes its region.

Options:
  --once             end after the intrusion; exit 0 only if all that must happen did
  --json             print the result as one JSON object, last on standard output
  --guest KIND       qemu (default), or simulated: a process in place of a machine
  --kernel SERIES    6.1 (default) or 6.12
  --indicators FILE  what is known to be bad, in place of the demo's own list
  --policy FILE      what to do about it, in place of the default
  --region-size MIB  size of the guest's region in MiB, a power of two, default 32
`,
  serve: `Usage: undercroft serve --libvirt [OPTION]...
       undercroft serve [--region NAME=PATH]... [--doorbell NAME]... [OPTION]...
       undercroft serve --mode vm --control PATH [OPTION]...

Protects running guests until Ctrl-C: registers each guest when its driver asks, has it
monitored, detects and responds. With --libvirt it serves every protected domain while that
runs, listens for libvirt's hook and for the commands, and makes the region of a redirector.
A guest whose region is not usable is reported; the others are served. SIGHUP reads policy,
indicators and rules again; where a file is refused, all that was in use stays.

Options:
  --mode vm           run in a VM of its own, where the hypervisor host
                      plugs the regions in
  --control PATH      the port at which the hypervisor host says which guest is where
  --libvirt           serve the protected domains of libvirt
  --connect URI       libvirt's address, default qemu:///system
  --socket PATH       where to listen, default /run/undercroft/service.sock
  --evidence DIR      where memory dumps go, default /var/lib/undercroft/evidence
  --redirector-region PATH
                      region to make for a redirector, default
                      /dev/shm/undercroft-redirector
  --region NAME=PATH  a guest's name and its region file; once for each guest
  --doorbell NAME     a guest whose region and doorbell the holder keeps; once for each
  --holder PATH       the holder's socket, default /run/undercroft-holder/control
  --indicators FILE   your own list of what is known to be bad, taken whole or not at all
  --intel FILE        threat intelligence of any format that intel import reads; bad entries
                      are told, the others are used; may be given again
  --warnings PATH     MISP warning lists, a file or a folder: what they hold is not taken
                      from --intel; may be given again
  --keep-reserved     take private and reserved addresses from --intel too
  --rules PATH        Sigma rules, a file or a folder, for what guests do
  --placeholder NAME=VALUE
                      value of %NAME% in rules with expand; may be given again
  --policy FILE       what to do about it, in place of the default
  --state DIR         keep here what correlations of rules have seen, over restarts
  --manager DIR       tell a manager what happens, and do what it asks; DIR is what
                      server enrol made. Its rules and policy replace those of files, its
                      indicators are added
  --store DIR         keep everything that guests do in this folder, sealed
  --store-key-file FILE
                      the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND
                      or a shell command that prints it; or UNDERCROFT_STORE_KEY holds it
  --json              print every state change, finding and command as a line of JSON
`,
  "server enrol": `Usage: undercroft server enrol --manager URL --token TOKEN --dir DIR [OPTION]...

Has this server join a manager, once, with a token that the manager made. The manager must
be the token's; the key never leaves DIR. "undercroft serve --manager DIR" then connects.

Options:
  --manager URL      https://ADDRESS:PORT where the manager listens for servers
  --token TOKEN      the one-time token
  --dir DIR          where to keep the key and certificates, and what is told later
  --name NAME        the server's name at the manager, where the token gives none; default:
                     the name of this machine
`,
  manager: `Usage: undercroft manager --dir DIR [--listen ADDRESS:PORT] [--link ADDRESS:PORT]

Runs the manager until Ctrl-C: knows the guests, states and findings of all servers that
joined it, searches their stores, has them act, and answers its HTTP API for people and
programs. All connections are TLS, by certificates of the manager's own authority, which is
DIR/authority/authority.crt. The first start prints how the first password is set.

Options:
  --dir DIR              the manager's state and keys; made where it is missing
  --listen ADDRESS:PORT  where the API is, default 127.0.0.1:8443
  --link ADDRESS:PORT    where servers connect, default 127.0.0.1:8444
`,
  "manager enrolment": `Usage: undercroft manager enrolment --dir DIR --name NAME

Makes a one-time token with which a server joins the manager of this folder within an hour,
by "undercroft server enrol". The manager may run meanwhile.

Options:
  --dir DIR          the manager's folder
  --name NAME        what the server is called at the manager
`,
  "manager token": `Usage: undercroft manager token --dir DIR --name NAME [--role ROLE]

Makes a token with which a program calls the manager's API for 90 days, sent as
"authorization: Bearer TOKEN". The manager may run meanwhile.

Options:
  --dir DIR          the manager's folder
  --name NAME        what it is called in the audit trail
  --role ROLE        read-only, analyst, responder or admin; default read-only
`,
  protect: `Usage: undercroft protect DOMAIN [OPTION]...

Turns the protection of a libvirt domain on: gives its stored definition the shared-memory
device through which its driver speaks. Doing it again changes nothing.

Options:
  --size MIB         size of the region in MiB, a power of two, default 32
  --doorbell         wake driver and server in place of polling; the domain then needs
                     the holder to start, and cannot be migrated or saved
  --live             plug the device into the running machine, too; exit status 1 when no
                     driver registers through it before the domain's next start
  --connect URI      libvirt's address, default qemu:///system
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  unprotect: `Usage: undercroft unprotect DOMAIN [OPTION]...

Turns the protection of a libvirt domain off. Doing it again changes nothing.

Options:
  --live             unplug the device from the running machine, too
  --connect URI      libvirt's address, default qemu:///system
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  status: `Usage: undercroft status [OPTION]...

Shows the guests of this hypervisor host's service: state, events and loss (named and
unaccounted).

Options:
  --json             print one JSON object
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  doctor: `Usage: undercroft doctor [OPTION]...

Looks for the usual mistakes in the protection of this hypervisor host's domains and says
what to do about each. Changes nothing. Exit status 1 when something is wrong.

Options:
  --json             print one JSON object
  --connect URI      libvirt's address, default qemu:///system
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  respond: `Usage: undercroft respond DOMAIN ACTION --reason TEXT [OPTION]...

Does something to a domain below its guest, through libvirt, whatever its driver does, and
says what really happened. Exit status 1 when it did not happen.

Actions:
  pause, resume      stop and continue its vCPUs
  snapshot           keep its disks and memory as they are
  detach-nic         unplug its network interfaces
  dump-memory        write its memory to a file that crash and gdb read

Options:
  --reason TEXT      why; kept with the action
  --json             print one JSON object
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  hook: `Usage: undercroft hook DOMAIN OPERATION SUBOPERATION EXTRA [OPTION]...

What libvirt's qemu hook runs, with the arguments and the standard input that libvirt
gives it: makes and removes the regions of protected domains and tells the service. A
failure never keeps a guest from starting, unless --strict is given.

Options:
  --strict           keep a protected guest from starting without its region
  --log FILE         a line of JSON for each call, default /var/log/undercroft-hook.log
  --socket PATH      where the service listens, default /run/undercroft/service.sock
`,
  redirector: `Usage: undercroft redirector --region PATH [--replay INTERFACE=FILE ...]

Watches the network interfaces of guests for a server, in the network namespace that it is
started in, until Ctrl-C: puts packets into the region that it shares with the server and
holds the server's rules at the guests' taps. Rules stay, and end in time, without it. Needs
root, ip and nft.

Options:
  --region PATH      the region file that the server made for its redirector
  --replay INTERFACE=FILE
                     in place of watching interfaces, replay a capture (pcap or pcapng, gzip
                     too) for the one of this name; the sender of its first packet counts as
                     the guest. May be given again. Nothing can be held back then
  --real-time        replay at the capture's own pace, not as fast as the server reads
`,
  pcap: `Usage: undercroft pcap FILE... [OPTION]...

Prints the network events of captures: pcap and pcapng, gzip too. Exit status 1 when one
of them is damaged; what could be read is printed all the same.

Options:
  --json             print each event as a line of JSON
  --stats            print counters and speed on standard error; alone, no events
`,
  "region dump": `Usage: undercroft region dump PATH [OPTION]...

Prints a region in readable form: superblock, hello, session, status and rings. Reads only;
a guest and a server may be using it meanwhile.

Options:
  --json             print one JSON object
`,
  "indicators check": `Usage: undercroft indicators check FILE

Reads an indicator file as serve and start do, and says how many indicators of each kind
it holds. A plain list with a wrong line is refused whole, naming each; of other formats
the bad entries are told and the others used.
`,
  "policy check": `Usage: undercroft policy check FILE

Reads a response policy as serve and start do and says what each rule does. A policy with
mistakes is refused whole, each named by line and column.
`,
  "intel import": `Usage: undercroft intel import FILE... [OPTION]...

Reads threat intelligence, says how many indicators of each kind it holds, what was left
out and why, and which entries are bad; the good ones are used all the same. Addresses
that never leave a network are left out. Exit status 1 when no indicator was read.

Options:
  --format FORMAT    stix, misp, csv, list, openioc or lines; told by the file otherwise
  --map MAPPING      columns of CSV by number or name, such as value=2,kind=type,title=3;
                     kind==domain says the same for every record
  --warnings PATH    leave out what is on a MISP warning list, or on those of a folder; may
                     be given again
  --keep-reserved    keep addresses that never leave a network
  --out FILE         write the indicators, one JSON object a line, for other commands
`,
  "intel stats": `Usage: undercroft intel stats FILE [OPTION]...

Says what a file of indicators holds: kinds, sources, severities, TLP markings, and the
memory that a server needs for them.

Options:
  --json             print one JSON object
`,
  "intel lookup": `Usage: undercroft intel lookup FILE VALUE... [OPTION]...

Looks values up in a file of indicators as every kind that they may be, or as one: ip:VALUE,
domain:VALUE and so on. Tells ranges, domains and URLs above a value too. Exit status 1 when
nothing is listed.

Options:
  --json             print one JSON object for each value
`,
  "rules check": `Usage: undercroft rules check PATH [OPTION]...

Reads the Sigma rules of a file, or of a folder and those below it (.yml, .yaml), and
prints what is wrong with file, line and column. Exit status 1 when a rule is not usable.

Options:
  --placeholder NAME=VALUE  value of %NAME% in rules with expand; may be given again
  --json                    print each problem as a line of JSON
`,
  "rules test": `Usage: undercroft rules test PATH [OPTION]...

Runs each rule file NAME.yml over the events in NAME.match.json, each of which must match,
and in NAME.nomatch.json, none of which may; of files with correlations the events as a
whole. Exit status 1 when one does not do as it must.

Options:
  --placeholder NAME=VALUE  value of %NAME% in rules with expand; may be given again
`,
  detect: `Usage: undercroft detect FILE... --rules PATH [OPTION]...

Runs Sigma rules over log files of JSON objects, such as converters of .evtx files write,
and prints what matches. Windows events name their log source themselves. Exit status 1
when part of a file is no JSON; what could be read is used all the same.

Options:
  --rules PATH              rule file, or folder of rules
  --placeholder NAME=VALUE  value of %NAME% in rules with expand; may be given again
  --product NAME            log source of records that do not name one: product,
  --category NAME             category,
  --service NAME              service
  --json                    print each match as a line of JSON
`,
  explain: `Usage: undercroft explain RULE EVENT [OPTION]...

Prints for each rule of a file which of its parts match the events of another file, with the
values that decided.

Options:
  --placeholder NAME=VALUE  value of %NAME% in rules with expand; may be given again
  --json                    print each explanation as a line of JSON
`,
  search: `Usage: undercroft search QUERY --store DIR [--store DIR]... [OPTION]...

Prints the events that a search finds, the newest first; those of several stores together.
Without "| limit N" the newest 100 are shown. A store that a server has open is not free.

Options:
  --store DIR                  a store; may be given again
  --store-key-file FILE        the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND  or a shell command that prints it; or UNDERCROFT_STORE_KEY
  --json                       print each row as a line of JSON
`,
  trace: `Usage: undercroft trace QUERY --store DIR [OPTION]...

Finds the newest event of a process that the search is about, such as a finding, and tells
where that process came from: who started it, what it read and whom it talked to, and where
that came from in its turn. What was cut, and where records are missing, is said.

Options:
  --direction DIRECTION        backward, or forward: what came of it; default backward
  --hours N                    how far from that event to look, default 24
  --store DIR                  the store
  --store-key-file FILE        the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND  or a shell command that prints it; or UNDERCROFT_STORE_KEY
  --dot                        print a graph for Graphviz
  --json                       print a graph as one JSON object
`,
  "store check": `Usage: undercroft store check DIR [OPTION]...

Reads every part of an event store that no server has open. Exit status 1 when something in
it is damaged or missing.

Options:
  --store-key-file FILE        the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND  or a shell command that prints it; or UNDERCROFT_STORE_KEY
  --json                       print one JSON object
`,
  "store stats": `Usage: undercroft store stats DIR [OPTION]...

Says what an event store holds that no server has open: rows, bytes, from when to when.

Options:
  --store-key-file FILE        the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND  or a shell command that prints it; or UNDERCROFT_STORE_KEY
  --json                       print one JSON object
`,
  "store compact": `Usage: undercroft store compact DIR [OPTION]...

Folds the logs of an event store that no server has open and merges its small segments.

Options:
  --store-key-file FILE        the store's key: 64 hexadecimal digits, a file of mode 600
  --store-key-command COMMAND  or a shell command that prints it; or UNDERCROFT_STORE_KEY
  --json                       print one JSON object
`,
} as const;

/** A command's words, such as "region dump". */
export type CommandName = Exclude<keyof typeof HELP, "">;
