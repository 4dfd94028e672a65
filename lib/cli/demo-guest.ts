// SPDX-License-Identifier: Apache-2.0
// What runs inside the demo's QEMU guest: ordinary background work and one harmless scripted
// intrusion. The guest says on its verdict port, as TAP, what it saw itself; expected.ts compares
// that with what the server saw. Called by qemu-guest.ts. Nothing here does damage; its only
// network is the one that demo-network.ts makes.
import type { GuestFile } from "../hypervisor/hypervisor.ts";
import { DEMO_NET } from "./demo-network.ts";
import { demoPayload } from "./demo-payload.ts";

/** Lines that the hypervisor host sends to the guest's control port. */
export const GUEST_LINES = { begin: "begin", contact: "contact", unload: "unload" } as const;

/** What the demo's indicator file lists, and what the intruder therefore does not get away with. */
export const DEMO = {
  secretPath: "/etc/undercroft-demo/secret.txt",
  openPath: "/etc/undercroft-demo/welcome.txt",
  payloadPath: "/tmp/updater",
  minerName: "undercroft-demo-miner",
  stageUrl: "http://stage2.undercroft-demo.invalid/",
} as const;

/** Points of the guest's TAP, in order; their names are what people read. */
export const GUEST_POINTS = {
  driver: "the driver is loaded",
  killedByHash: "the dropped program was killed",
  openRefused: "opening the secret file was refused",
  execRefused: "running the miner was refused",
  killedByCommandLine: "the downloader was killed",
  undisturbed: "ordinary work went on undisturbed",
  unloaded: "the driver unloaded while the guest worked",
  healthy: "nothing in the guest complained",
} as const;

/** Further points of a guest with a network; they come before {@link GUEST_POINTS}.undisturbed. */
export const NETWORK_POINTS = {
  unlisted: "an unlisted server answered",
  resolved: "the listed name was answered",
  cutOff: "the listed address answered no more",
  stillUnlisted: "the unlisted server still answered",
} as const;

/** Files of the demo beside init's own. */
export function demoFiles(): GuestFile[] {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  return [
    { path: DEMO.secretPath, source: text("the demo's secret\n"), mode: 0o600 },
    { path: DEMO.openPath, source: text("everybody may read this\n") },
    { path: "/opt/demo/updater.bin", source: demoPayload() },
    { path: `/opt/demo/${DEMO.minerName}`, source: text("#!/bin/sh\nexit 0\n"), mode: 0o755 },
    { path: "/opt/demo/install.sh", source: text(dropperScript), mode: 0o755 },
    { path: "/opt/demo/download.sh", source: text(downloaderScript), mode: 0o755 },
    { path: "/opt/demo/work.sh", source: text(workScript), mode: 0o755 },
  ];
}

// Replaces itself by the payload, so that one pid stands for both.
const dropperScript = `#!/bin/sh
cp /opt/demo/updater.bin ${DEMO.payloadPath}
chmod 755 ${DEMO.payloadPath}
exec ${DEMO.payloadPath} --quiet
`;

const downloaderScript = `#!/bin/sh
while :; do sleep 1; done
`;

const workScript = `#!/bin/sh
while :; do
  ls -l /etc >/tmp/listing
  cat ${DEMO.openPath} /tmp/listing | sort | wc -l >/tmp/count
  rm /tmp/listing
  usleep 400000
done
`;

const networkSteps = `
# Not wget: a static one looks its port up in libraries that are not here.
fetch() { printf 'GET / HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' "$1" | nc -w 5 "$1" 80 2>&1 | tail -1; }
resolve() { nslookup "$1" ${DEMO_NET.peer} 2>&1 | tr '\\n' ' '; }
resolve ${DEMO_NET.peerName} >/dev/null
point '${NETWORK_POINTS.unlisted}' "$(fetch ${DEMO_NET.peer})" 'hello*'
point '${NETWORK_POINTS.resolved}' "$(resolve ${DEMO_NET.listedName})" '*${DEMO_NET.listed}*'
await_line ${GUEST_LINES.contact}
point '${NETWORK_POINTS.cutOff}' "$(fetch ${DEMO_NET.listed})" '*timed out*'
point '${NETWORK_POINTS.stillUnlisted}' "$(fetch ${DEMO_NET.peer})" 'hello*'
`;

/**
 * The script that init runs; the guest powers off when it ends. loadNetwork: the lines that load
 * the modules of its network, empty where it has none.
 */
export function demoMain(loadNetwork = ""): string {
  const point = GUEST_POINTS;
  const hasNetwork = loadNetwork !== "";
  const points = Object.keys(point).length + (hasNetwork ? Object.keys(NETWORK_POINTS).length : 0);
  const network = hasNetwork
    ? `${loadNetwork}ip link set lo up
ip address add ${DEMO_NET.guest}/24 dev eth0
ip link set eth0 up
`
    : "";
  return `# The demo: see lib/cli/demo-guest.ts.
number=0
# point NAME SEEN WANTED: prints one TAP point and what was seen.
point() {
  number=$((number + 1))
  case $2 in
    $3) echo "ok $number - $1" >&9 ;;
    *) echo "not ok $number - $1" >&9 ;;
  esac
  echo "$2" | sed 's/^/# /' >&9
}
# Waits for one line of the hypervisor host.
await_line() { while read -r line <&8; do [ "$line" = "$1" ] && return; done; }
now() { cut -d. -f1 /proc/uptime; }
# Prints how a program ended. When nobody ends it in time it is ended here, which shows as 143.
run_until_killed() {
  "$@" &
  victim=$!
  { usleep 5000000; while [ $(now) -lt $deadline ]; do usleep 500000; done; kill $victim; } \\
    >/dev/null &
  guard=$!
  wait $victim
  status=$?
  kill $guard
  echo $status
}
echo "TAP version 14" >&9
echo "1..${points}" >&9
${network}
if ! grep -q '^undercroft ' /proc/modules; then
  dmesg | tail -5 | sed 's/^/# /' >&9
  echo "Bail out! the driver did not load" >&9
  exit
fi
point '${point.driver}' "$(grep '^undercroft ' /proc/modules)" 'undercroft *'
sh /opt/demo/work.sh &
work=$!
await_line ${GUEST_LINES.begin}
deadline=$(($(now) + 40))
usleep 500000
point '${point.killedByHash}' "$(run_until_killed /opt/demo/install.sh 2>/dev/null)" 137
point '${point.openRefused}' "$(cat ${DEMO.secretPath} 2>&1)" '*not permitted*'
point '${point.execRefused}' "$(/opt/demo/${DEMO.minerName} 2>&1)" '*not permitted*'
point '${point.killedByCommandLine}' \\
  "$(run_until_killed /opt/demo/download.sh ${DEMO.stageUrl}payload 2>/dev/null)" 137
${hasNetwork ? networkSteps : ""}point '${point.undisturbed}' \\
  "$(cat ${DEMO.openPath} && kill -0 $work && echo working)" '*working'
await_line ${GUEST_LINES.unload}
point '${point.unloaded}' "$(rmmod undercroft 2>&1; echo $?)" 0
kill $work
point '${point.healthy}' \\
  "$(dmesg | grep -E 'WARNING: |BUG: |Oops|Call Trace|RIP: 0010:|stall|refcount_t' | head -3)" ''
`;
}
