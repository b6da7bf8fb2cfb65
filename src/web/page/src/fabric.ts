// One `state` event, made ready to be looked at: indexes, and what needs attention first. Computed once per
// event; at 10,000 links this must stay a matter of milliseconds, so keys are made once and compared plainly.

import type { Alert, Device, Group, Link, Severity, State } from "./api";
import { duration, naturalKey } from "./units";

/** How much a thing needs attention; smaller comes first. */
export const enum Rank {
  Critical,
  Down,
  Warning,
  Drops,
  Busy,
  Unknown,
  Calm,
}

export const BUSY = 0.8;
export const FULL = 0.95;

export interface LinkRow {
  link: Link;
  rank: Rank;
  /** The worse direction's utilisation; null where neither is known. */
  worst: number | null;
  /** The worse direction's loss; null where neither is known. */
  drops: number | null;
  /** Sorts names naturally. */
  key: string;
}

export interface DeviceRow {
  device: Device;
  rank: Rank;
  links: number;
  /** How many fire, and the worst severity among them. */
  alerts: number;
  worst: Severity | null;
  key: string;
}

export interface Fabric {
  state: State;
  takenAt: number;
  links: LinkRow[];
  devices: DeviceRow[];
  groups: Group[];
  firing: Alert[];
  pending: Alert[];
  resolved: Alert[];
  linkById: Map<string, LinkRow>;
  linkByEnd: Map<string, LinkRow>;
  deviceByName: Map<string, DeviceRow>;
  linksOfDevice: Map<string, LinkRow[]>;
  /** Alerts that are pending or firing, by what they are about. */
  alertsOfLink: Map<string, Alert[]>;
  alertsOfDevice: Map<string, Alert[]>;
  counts: { up: number; down: number; unknown: number; drops: number; busy: number; answering: number };
}

const SEVERITIES: Severity[] = ["critical", "warning", "info"];
export const severityOf = (alert: Alert): Severity =>
  SEVERITIES.find((severity) => severity === alert.labels["severity"]) ?? "info";
const urgency = (alert: Alert): number => SEVERITIES.indexOf(severityOf(alert));

/** A cable whose far end says nothing of itself: it has a row, but no place in a drawing. */
export const isOpen = ({ a, b }: Link): boolean => (!b.watched && b.device === "?") || (!a.watched && a.device === "?");

export const endKey = (end: { device: string; interface: string }): string => `${end.device}\u0000${end.interface}`;

/** The larger of two readings, of which either may be unknown. */
export function worse(one: number | null | undefined, other: number | null | undefined): number | null {
  if (one == null) return other ?? null;
  return other == null ? one : Math.max(one, other);
}

/** Packets lost on the way from one end to the other: what the API says, else what both ends count. */
export function dropsOf(link: Link, from: "a" | "b"): number | null {
  if (link.drops_pps) return from === "a" ? link.drops_pps.a_to_b : link.drops_pps.b_to_a;
  const [sender, receiver] = from === "a" ? [link.a, link.b] : [link.b, link.a];
  const [out, into] = [sender.out_drops_pps, receiver.in_drops_pps];
  // Loss that one end counts is loss; none at one end says nothing of the other, if that one should be counting.
  const counted = (out ?? 0) + (into ?? 0);
  if (counted > 0) return counted;
  const missing = (out === null && sender.watched) || (into === null && receiver.watched);
  return missing || (out === null && into === null) ? null : 0;
}

export const utilizationOf = (link: Link, from: "a" | "b"): number | null =>
  from === "a" ? link.utilization.a_to_b : link.utilization.b_to_a;

// Link and device names change rarely, events come each second: natural keys are kept from one to the next.
let keys = new Map<string, string>();

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (!list) map.set(key, [value]);
  else if (list[list.length - 1] !== value) list.push(value); // a link from a device to itself counts once
}

export function fabricOf(state: State): Fabric {
  const kept = keys;
  keys = new Map();
  const keyOf = (name: string): string => {
    const key = kept.get(name) ?? naturalKey(name);
    keys.set(name, key);
    return key;
  };

  const active = state.alerts.filter((alert) => alert.state !== "resolved");
  const alertsOfLink = new Map<string, Alert[]>();
  const alertsOfEnd = new Map<string, Alert[]>();
  const alertsOfDevice = new Map<string, Alert[]>();
  for (const alert of active) {
    const { link, device, interface: name } = alert.labels;
    if (link) add(alertsOfLink, link, alert);
    else if (device && name) add(alertsOfEnd, endKey({ device, interface: name }), alert);
    for (const name of new Set([device, alert.labels["peer_device"]])) if (name) add(alertsOfDevice, name, alert);
  }

  const linkById = new Map<string, LinkRow>();
  const linkByEnd = new Map<string, LinkRow>();
  const linksOfDevice = new Map<string, LinkRow[]>();
  const counts = { up: 0, down: 0, unknown: 0, drops: 0, busy: 0, answering: 0 };
  const links = state.links.map((link): LinkRow => {
    for (const end of [link.a, link.b]) {
      for (const alert of alertsOfEnd.get(endKey(end)) ?? []) add(alertsOfLink, link.id, alert);
    }
    const worst = link.state === "down" ? null : worse(link.utilization.a_to_b, link.utilization.b_to_a);
    const drops = worse(dropsOf(link, "a"), dropsOf(link, "b"));
    const row = { link, worst, drops, rank: linkRank(link, worst, drops, alertsOfLink.get(link.id)), key: keyOf(link.id) };
    counts[link.state] += 1;
    if (drops) counts.drops += 1;
    if (worst !== null && worst >= BUSY) counts.busy += 1;
    linkById.set(link.id, row);
    for (const end of [link.a, link.b]) {
      linkByEnd.set(endKey(end), row);
      add(linksOfDevice, end.device, row);
      for (const alert of alertsOfLink.get(link.id) ?? []) {
        if (!alertsOfDevice.get(end.device)?.includes(alert)) add(alertsOfDevice, end.device, alert);
      }
    }
    return row;
  });

  const deviceByName = new Map<string, DeviceRow>();
  const devices = state.devices.map((device): DeviceRow => {
    if (device.state === "ok") counts.answering += 1;
    const about = alertsOfDevice.get(device.name);
    const severities = (about ?? []).filter((alert) => alert.state === "firing").map(severityOf);
    const row = {
      device,
      rank: deviceRank(device, severities),
      links: linksOfDevice.get(device.name)?.length ?? 0,
      alerts: severities.length,
      worst: SEVERITIES.find((severity) => severities.includes(severity)) ?? null,
      key: keyOf(device.name),
    };
    deviceByName.set(device.name, row);
    return row;
  });

  const newest = (a: Alert, b: Alert): number => (a.since < b.since ? 1 : a.since > b.since ? -1 : 0);
  const bySeverity = (a: Alert, b: Alert): number => urgency(a) - urgency(b) || newest(a, b);
  return {
    state,
    takenAt: Date.parse(state.taken_at),
    links: links.sort(linksByAttention),
    devices: devices.sort(byAttention),
    groups: [...state.groups].sort(byGroupHealth),
    firing: active.filter((alert) => alert.state === "firing").sort(bySeverity),
    pending: active.filter((alert) => alert.state === "pending").sort(bySeverity),
    resolved: state.alerts.filter((alert) => alert.state === "resolved").sort(newest),
    linkById,
    linkByEnd,
    deviceByName,
    linksOfDevice,
    alertsOfLink,
    alertsOfDevice,
    counts,
  };
}

function linkRank(link: Link, worst: number | null, drops: number | null, alerts: Alert[] = []): Rank {
  const firing = alerts.filter((alert) => alert.state === "firing").map(severityOf);
  if (firing.includes("critical")) return Rank.Critical;
  if (link.state === "down") return Rank.Down;
  if (firing.includes("warning") || (worst !== null && worst >= FULL)) return Rank.Warning;
  if (drops) return Rank.Drops;
  if (worst !== null && worst >= BUSY) return Rank.Busy;
  return link.state === "unknown" ? Rank.Unknown : Rank.Calm;
}

function deviceRank(device: Device, firing: Severity[]): Rank {
  if (device.state === "unreachable") return Rank.Critical;
  if (firing.includes("critical")) return Rank.Down;
  if (firing.includes("warning")) return Rank.Warning;
  return device.state === "unknown" ? Rank.Unknown : Rank.Calm;
}

// Ranks are coarse and names break ties, so that rows do not change places with every reading.
function byAttention(a: { rank: Rank; key: string }, b: { rank: Rank; key: string }): number {
  return a.rank - b.rank || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** Of links that are alike, those within the fabric come before those that lead out of it. */
export function linksByAttention(a: LinkRow, b: LinkRow): number {
  return a.rank - b.rank || leadsOut(a) - leadsOut(b) || byAttention(a, b);
}

const leadsOut = ({ link }: LinkRow): number => (link.a.watched && link.b.watched ? 0 : 1);

const GROUP_ORDER = ["lost", "degraded", "unknown", "ok"];
function byGroupHealth(a: Group, b: Group): number {
  return GROUP_ORDER.indexOf(a.state) - GROUP_ORDER.indexOf(b.state) || (naturalKey(a.name) < naturalKey(b.name) ? -1 : 1);
}

/** Why a figure of one end of a link is not known, in words for a title. */
export function whyUnknown(fabric: Fabric, link: Link, from: "a" | "b", field: string): string {
  const end = link[from];
  const said = end.unknown?.[field] ?? link.unknown?.[from === "a" ? "a_to_b" : "b_to_a"];
  if (said) return said;
  if (!end.watched) return `${end.device} is not watched`;
  const device = fabric.deviceByName.get(end.device)?.device;
  if (device?.state === "unreachable") {
    const since = device.since ? `, for ${duration(fabric.takenAt - Date.parse(device.since))}` : "";
    return `${end.device} does not answer${since}`;
  }
  if (device?.state === "unknown") return `${end.device} has not been asked yet`;
  if (field === "utilization" && end.speed_bps === null && end.out_bps !== null) return "its speed is not known";
  return "no good pair of readings yet";
}

/** Why it is not known what is lost on the way from an end: the sender's count is missing, or the receiver's. */
export function whyLossUnknown(fabric: Fabric, link: Link, from: "a" | "b"): string {
  const to = from === "a" ? "b" : "a";
  const ofSender = link[from].out_drops_pps === null && (link[from].watched || !link[to].watched);
  return ofSender ? whyUnknown(fabric, link, from, "out_drops_pps") : whyUnknown(fabric, link, to, "in_drops_pps");
}
