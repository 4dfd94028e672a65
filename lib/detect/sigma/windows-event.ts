// SPDX-License-Identifier: Apache-2.0
// A Windows event out of JSON: as converters of .evtx files write it (System and EventData), or
// flat, as forwarders do. Fields get the names that rules use for them (rules specification 2.1.0,
// "Field Usage").
import { FieldsEvent, type SigmaEvent, type SigmaValue } from "./event.ts";
import { addFlat, isRecord, type JsonRecord, scalarOf, timeOf } from "./flat-record.ts";
import { windowsSource } from "./windows-log.ts";

/** The event of a record, or undefined where it is none of Windows. */
export function windowsEvent(record: JsonRecord): SigmaEvent | undefined {
  const { Event: event, winlog } = record;
  if (isRecord(event) && isRecord(event.System)) return evtxEvent(event, event.System);
  if (isRecord(winlog)) return winlogEvent(record, winlog);
  const fields = new Map<string, SigmaValue>();
  addFlat(record, fields);
  if (!fields.has("Channel") || !fields.has("EventID")) return undefined;
  const provider = fields.get("Provider_Name") ?? fields.get("SourceName");
  if (provider !== undefined) fields.set("Provider_Name", provider);
  const flat = made(fields);
  // The fields once more, as one text for people: a search in it finds nothing new.
  if (flat.source.service === "sysmon") fields.delete("Message");
  return flat;
}

/** `Event.System` and the data beside it, as the XML has them. */
function evtxEvent(event: JsonRecord, system: JsonRecord): SigmaEvent {
  const fields = new Map<string, SigmaValue>();
  for (const [name, value] of Object.entries(system)) {
    if (!isRecord(value)) {
      fields.set(name, scalarOf(value));
      continue;
    }
    const text = value["#text"];
    if (text !== undefined) fields.set(name, scalarOf(text));
    const attributes = value["#attributes"];
    if (!isRecord(attributes)) continue;
    for (const [key, attribute] of Object.entries(attributes)) {
      fields.set(`${name}_${key}`, scalarOf(attribute));
    }
  }
  const { EventData: data, UserData: userData } = event;
  if (isRecord(data)) addData(data, fields);
  if (isRecord(userData)) {
    for (const part of Object.values(userData)) if (isRecord(part)) addData(part, fields);
  }
  return made(fields);
}

/** What winlogbeat makes of an event. */
function winlogEvent(record: JsonRecord, winlog: JsonRecord): SigmaEvent {
  const fields = new Map<string, SigmaValue>();
  const { event_data: data, channel, event_id: eventId, provider_name: provider } = winlog;
  fields.set("Channel", scalarOf(channel));
  fields.set("EventID", scalarOf(eventId));
  fields.set("Provider_Name", scalarOf(provider));
  fields.set("Computer", scalarOf(winlog.computer_name));
  fields.set("@timestamp", scalarOf(record["@timestamp"]));
  if (isRecord(data)) addData(data, fields);
  return made(fields);
}

/** Named data; spaces in names are left out, as rules leave them out. */
function addData(data: JsonRecord, fields: Map<string, SigmaValue>): void {
  for (const [name, value] of Object.entries(data)) {
    if (name === "#attributes") continue;
    const plain = name.replaceAll(" ", "");
    const inner = isRecord(value) ? value["#text"] : value;
    if (Array.isArray(inner))
      fields.set(
        plain,
        inner.map((item) => String(scalarOf(item) ?? "")),
      );
    else if (inner !== undefined) fields.set(plain, scalarOf(inner));
  }
}

function made(fields: ReadonlyMap<string, SigmaValue>): SigmaEvent {
  const channel = String(fields.get("Channel") ?? "");
  const eventType = String(fields.get("EventType") ?? "");
  const source = windowsSource(channel, Number(fields.get("EventID")), eventType);
  return new FieldsEvent(source, timeOf(fields), fields);
}
