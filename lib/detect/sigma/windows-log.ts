// SPDX-License-Identifier: Apache-2.0
// Which log source a Windows event is of, by its channel and number (taxonomy appendix 2.1.0,
// "Windows Folder"). Tables only; read by the reader of Windows events.
import type { EventSource } from "./event.ts";

const SYSMON = "microsoft-windows-sysmon/operational";

/** Service by channel in lower case. */
const SERVICES: ReadonlyMap<string, string> = new Map([
  ["application", "application"],
  ["microsoft-iis-configuration/operational", "iis-configuration"],
  ["microsoft-servicebus-client/admin", "servicebus-client"],
  ["microsoft-servicebus-client/operational", "servicebus-client"],
  [
    "microsoft-windows-application-experience/program-compatibility-assistant",
    "application-experience",
  ],
  ["microsoft-windows-application-experience/program-telemetry", "application-experience"],
  ["microsoft-windows-applocker/exe and dll", "applocker"],
  ["microsoft-windows-applocker/msi and script", "applocker"],
  ["microsoft-windows-applocker/packaged app-deployment", "applocker"],
  ["microsoft-windows-applocker/packaged app-execution", "applocker"],
  ["microsoft-windows-appmodel-runtime/admin", "appmodel-runtime"],
  ["microsoft-windows-appxdeploymentserver/operational", "appxdeployment-server"],
  ["microsoft-windows-appxpackaging/operational", "appxpackaging-om"],
  ["microsoft-windows-bitlocker/bitlocker management", "bitlocker"],
  ["microsoft-windows-bits-client/operational", "bits-client"],
  ["microsoft-windows-capi2/operational", "capi2"],
  [
    "microsoft-windows-certificateservicesclient-lifecycle-system/operational",
    "certificateservicesclient-lifecycle-system",
  ],
  ["microsoft-windows-codeintegrity/operational", "codeintegrity-operational"],
  ["microsoft-windows-dhcp-server/operational", "dhcp"],
  ["microsoft-windows-diagnosis-scripted/operational", "diagnosis-scripted"],
  ["microsoft-windows-dns client events/operational", "dns-client"],
  ["microsoft-windows-dns-client/operational", "dns-client"],
  ["dns server", "dns-server"],
  ["microsoft-windows-dns-server/analytical", "dns-server-analytic"],
  ["microsoft-windows-dns-server/audit", "dns-server-audit"],
  ["microsoft-windows-driverframeworks-usermode/operational", "driver-framework"],
  ["microsoft-windows-windows firewall with advanced security/firewall", "firewall-as"],
  ["microsoft-windows-hyper-v-worker", "hyper-v-worker"],
  ["microsoft-windows-kernel-eventtracing", "kernel-event-tracing"],
  ["microsoft-windows-kernel-shimengine/operational", "kernel-shimengine"],
  ["microsoft-windows-kernel-shimengine/diagnostic", "kernel-shimengine"],
  ["microsoft-windows-ldap-client/debug", "ldap"],
  ["microsoft-windows-lsa/operational", "lsa-server"],
  ["msexchange management", "msexchange-management"],
  ["microsoft-windows-ntfs/operational", "ntfs"],
  ["microsoft-windows-ntlm/operational", "ntlm"],
  ["openssh/operational", "openssh"],
  ["microsoft-windows-powershell/operational", "powershell"],
  ["powershellcore/operational", "powershell"],
  ["windows powershell", "powershell-classic"],
  ["microsoft-windows-printservice/admin", "printservice-admin"],
  ["microsoft-windows-printservice/operational", "printservice-operational"],
  ["security", "security"],
  ["microsoft-windows-security-mitigations/kernel mode", "security-mitigations"],
  ["microsoft-windows-security-mitigations/user mode", "security-mitigations"],
  ["microsoft-windows-sense/operational", "sense"],
  ["microsoft-windows-shell-core/operational", "shell-core"],
  ["microsoft-windows-smbclient/connectivity", "smbclient-connectivity"],
  ["microsoft-windows-smbclient/security", "smbclient-security"],
  ["microsoft-windows-smbserver/connectivity", "smbserver-connectivity"],
  [SYSMON, "sysmon"],
  ["system", "system"],
  ["microsoft-windows-taskscheduler/operational", "taskscheduler"],
  [
    "microsoft-windows-terminalservices-localsessionmanager/operational",
    "terminalservices-localsessionmanager",
  ],
  ["microsoft-windows-vhdmp/operational", "vhdmp"],
  ["microsoft-windows-windows defender/operational", "windefend"],
  ["microsoft-windows-wmi-activity/operational", "wmi"],
]);

/** Categories of Sysmon's events by their number; of registry events also by what they did. */
const SYSMON_CATEGORIES: ReadonlyMap<number, readonly string[]> = new Map([
  [1, ["process_creation"]],
  [2, ["file_change"]],
  [3, ["network_connection"]],
  [4, ["sysmon_status"]],
  [5, ["process_termination"]],
  [6, ["driver_load"]],
  [7, ["image_load"]],
  [8, ["create_remote_thread"]],
  [9, ["raw_access_thread"]],
  [10, ["process_access"]],
  [11, ["file_event"]],
  [12, ["registry_event", "registry_add", "registry_delete"]],
  [13, ["registry_event", "registry_set"]],
  [14, ["registry_event", "registry_rename"]],
  [15, ["create_stream_hash"]],
  [16, ["sysmon_status"]],
  [17, ["pipe_created"]],
  [18, ["pipe_created"]],
  [19, ["wmi_event"]],
  [20, ["wmi_event"]],
  [21, ["wmi_event"]],
  [22, ["dns_query"]],
  [23, ["file_delete"]],
  [24, ["clipboard_capture"]],
  [25, ["process_tampering"]],
  [26, ["file_delete_detected", "file_delete"]],
  [27, ["file_block_executable"]],
  [28, ["file_block_shredding"]],
  [29, ["file_executable_detected"]],
  [255, ["sysmon_error"]],
]);

const REGISTRY_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["createkey", ["registry_event", "registry_add"]],
  ["deletekey", ["registry_event", "registry_delete"]],
  ["deletevalue", ["registry_event", "registry_delete"]],
]);

const POWERSHELL_CATEGORIES: ReadonlyMap<string, readonly string[]> = new Map([
  ["powershell 4103", ["ps_module"]],
  ["powershell 4104", ["ps_script"]],
  ["powershell-classic 400", ["ps_classic_start"]],
  ["powershell-classic 600", ["ps_classic_provider_start"]],
  ["powershell-classic 800", ["ps_classic_script"]],
]);

const NO_CATEGORY: readonly string[] = [];
/** Sources made so far: one object for each kind of event. */
const sources = new Map<string, EventSource>();

/** Log source of a Windows event; `eventType` is Sysmon's word for what happened to a key. */
export function windowsSource(channel: string, eventId: number, eventType: string): EventSource {
  const service = SERVICES.get(channel.toLowerCase());
  const categories = categoriesOf(service, eventId, eventType);
  const key = `${service ?? ""} ${categories.join()}`;
  const known = sources.get(key);
  if (known !== undefined) return known;
  const source = { product: "windows", categories, ...(service === undefined ? {} : { service }) };
  sources.set(key, source);
  return source;
}

function categoriesOf(
  service: string | undefined,
  eventId: number,
  eventType: string,
): readonly string[] {
  if (service !== "sysmon")
    return POWERSHELL_CATEGORIES.get(`${service} ${eventId}`) ?? NO_CATEGORY;
  const byType = eventId === 12 ? REGISTRY_KEYS.get(eventType.toLowerCase()) : undefined;
  return byType ?? SYSMON_CATEGORIES.get(eventId) ?? NO_CATEGORY;
}
