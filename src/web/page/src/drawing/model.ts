// What the drawing shows of a fabric: devices and links as plain values, few enough to be drawn. Where there are
// more links than a drawing can carry, those that need attention are drawn, and it is said how many are not.

import type { Device, Link } from "../api";
import type { Fabric, LinkRow } from "../fabric";
import { BUSY, dropsOf, isOpen, Rank, severityOf } from "../fabric";
import type { Weak } from "../ledger";
import { plain } from "../parts";
import { matchesLink, type Query } from "../search";
import { percent, pps } from "../units";
import { labelOf, nodeWidth, place, type Placing, type Shape } from "./tiers";

/** Marks what somebody hangs on alone. */
export const SINGLE = "◈";
export const MOST_LINKS = 600;
export const MOST_DEVICES = 500;
/** Of a large fabric, so many links of all kinds are drawn to show its shape; the rest is for what needs attention. */
const FOR_SHAPE = 350;

export interface NodeView {
  id: string;
  x: number;
  y: number;
  label: string;
  width: number;
  kind: "device" | "host";
  trouble: "none" | "warning" | "critical" | "unreachable" | "unknown";
  faint: boolean;
  /** Its loss alone would cut somebody off: in words; empty where it would not. */
  single: string;
}

export interface EdgeView {
  id: string;
  a: string;
  b: string;
  state: "up" | "down" | "unknown";
  level: "none" | "calm" | "half" | "busy" | "full";
  width: number;
  drops: string;
  arc: boolean;
  faint: boolean;
  /** One of a few drawn for many: it stands back. */
  sample: boolean;
  /** As of a node. */
  single: string;
  title: string;
}

export interface Model {
  nodes: NodeView[];
  edges: EdgeView[];
  /** Of how many; `matching` is what the search lets through. */
  of: { nodes: number; edges: number; matching: number };
  tiers: string[][];
}

// Positions depend on names, labels and ends only: kept while those stay as they are.
let placed: { key: string; placing: Placing } | null = null;

function placingOf(devices: Device[], links: Link[], shape: Shape): Placing {
  const key = [
    `${shape.width} ${shape.height}`,
    ...devices.map(({ name, labels }) => `${name}\t${labels?.["role"] ?? ""}\t${labels?.["tier"] ?? ""}`),
    ...links.map((link) => link.id),
  ].join("\n");
  if (placed?.key !== key) placed = { key, placing: place(devices, links, shape) };
  return placed.placing;
}

export function modelOf(fabric: Fabric, query: Query | null, shape: Shape, weak: Weak): Model {
  const { devices } = fabric.state;
  const links = fabric.state.links.filter((link) => !isOpen(link));
  // `fabric.links` is sorted by attention, so that what is left out needs it least.
  const all = fabric.links.filter(({ link }) => !isOpen(link));
  const matching = query ? all.filter((row) => matchesLink(query, row)) : all;
  const few = devices.length <= MOST_DEVICES && links.length <= MOST_LINKS;
  // A small fabric is always drawn whole, and a search only makes the rest faint.
  const rows = few ? all : matching.length <= MOST_LINKS ? matching : chosen(fabric, matching);
  const lit = few && query ? new Set(matching) : null;
  // Of a large fabric, what was searched for is laid out by itself.
  const part = !few && query ? rows.map(({ link }) => link) : null;
  const ends = part && new Set(part.flatMap(({ a, b }) => [a.device, b.device]));
  const { places, tiers } = part && ends
    ? placingOf(devices.filter(({ name }) => ends.has(name)), part, shape)
    : placingOf(devices, links, shape);

  const shown = new Set<string>();
  for (const { link } of rows) {
    if (shown.size >= MOST_DEVICES) break;
    shown.add(link.a.device).add(link.b.device);
  }
  for (const name of places.keys()) {
    if (shown.size >= MOST_DEVICES) break;
    shown.add(name);
  }
  const edges = rows
    .filter(({ link }) => shown.has(link.a.device) && shown.has(link.b.device) && link.a.device !== link.b.device)
    .map((row) => edgeOf(row, places, lit !== null && !lit.has(row), matching.length > MOST_LINKS, weak));
  const litNodes = lit && new Set([...lit].flatMap(({ link }) => [link.a.device, link.b.device]));
  const nodes = [...shown].map((name): NodeView => {
    const at = places.get(name)!;
    return {
      id: name,
      x: at.x,
      y: at.y,
      label: weak.devices.has(name) ? `${SINGLE} ${plain(labelOf(name))}` : plain(labelOf(name)),
      width: nodeWidth(labelOf(name)) + (weak.devices.has(name) ? 18 : 0),
      single: weak.devices.get(name) ?? "",
      kind: at.watched ? "device" : "host",
      trouble: troubleOf(fabric, name),
      faint: litNodes !== null && !litNodes.has(name),
    };
  });
  return { nodes, edges, of: { nodes: Math.max(places.size, devices.length), edges: links.length, matching: matching.length }, tiers };
}

/** What needs attention, and an even and steady choice of the rest, so that the drawing keeps still. */
function chosen(fabric: Fabric, matching: LinkRow[]): LinkRow[] {
  const rows = new Set(matching.filter((row) => row.rank < Rank.Calm).slice(0, MOST_LINKS - FOR_SHAPE));
  const among = new Set(matching);
  const stride = Math.ceil(matching.length / FOR_SHAPE);
  let at = 0;
  for (const link of fabric.state.links) {
    const row = fabric.linkById.get(link.id);
    if (!row || !among.has(row)) continue;
    if (at % stride === 0) rows.add(row);
    at += 1;
  }
  return [...rows];
}

function troubleOf(fabric: Fabric, name: string): NodeView["trouble"] {
  const row = fabric.deviceByName.get(name);
  if (!row) return "none";
  if (row.device.state === "unreachable") return "unreachable";
  if (row.device.state === "unknown") return "unknown";
  // A device is marked for what is its own; what is wrong with a link is drawn on the link.
  const own = (fabric.alertsOfDevice.get(name) ?? []).filter((alert) => alert.state === "firing" && !alert.labels["link"] && !alert.labels["interface"]);
  if (own.some((alert) => severityOf(alert) === "critical")) return "critical";
  return own.some((alert) => severityOf(alert) === "warning") ? "warning" : "none";
}

function edgeOf(row: LinkRow, places: Placing["places"], faint: boolean, sampled: boolean, weak: Weak): EdgeView {
  const { link, worst, drops } = row;
  const [a, b] = [places.get(link.a.device)!, places.get(link.b.device)!];
  const ratio = worst ?? 0;
  const ways = [
    `${link.a.device} → ${link.b.device} ${way(link.utilization.a_to_b, dropsOf(link, "a"))}`,
    `${link.b.device} → ${link.a.device} ${way(link.utilization.b_to_a, dropsOf(link, "b"))}`,
  ];
  return {
    id: link.id,
    a: link.a.device,
    b: link.b.device,
    state: link.state,
    level: worst === null ? "none" : ratio >= 0.95 ? "full" : ratio >= BUSY ? "busy" : ratio >= 0.5 ? "half" : "calm",
    // In steps, so that the drawing does not quiver with every reading.
    width: link.state === "up" ? 1.5 + Math.round(Math.min(1, ratio) * 12) / 2 : 2.5,
    drops: [weak.links.has(link.id) ? SINGLE : "", drops && link.state !== "down" ? `▾ ${pps(drops)}` : ""].filter(Boolean).join(" "),
    single: weak.links.get(link.id) ?? "",
    arc: a.y === b.y,
    faint,
    sample: sampled && row.rank === Rank.Calm,
    title: `${link.id}\n${link.state}${row.rank === Rank.Unknown ? ", readings missing" : ""}\n${ways.join("\n")}${weak.links.has(link.id) ? `\n${weak.links.get(link.id)}` : ""}`,
  };
}

const way = (ratio: number | null, drops: number | null): string =>
  `${ratio === null ? "unknown" : percent(ratio)}${drops ? `, loses ${pps(drops)}` : ""}`;

/** The drawing in words. */
export function describe(model: Model, fabric: Fabric): string {
  const { up, down, unknown } = fabric.counts;
  const tiers = model.tiers.map((names) => (names.length <= 6 ? names.join(", ") : `${names.length} devices, ${names[0]} to ${names[names.length - 1]}`));
  const weak = [...model.nodes, ...model.edges].filter(({ single }) => single !== "").slice(0, 10).map(({ id }) => id);
  const cut = model.edges.filter((edge) => edge.state === "down").slice(0, 10).map((edge) => edge.id);
  return [
    `Topology of ${model.of.nodes} devices and ${model.of.edges} links: ${up} up, ${down} down, ${unknown} unknown.`,
    `Tiers from the top: ${tiers.join("; ")}.`,
    weak.length > 0 ? `Single points of failure: ${weak.join("; ")}.` : "",
    cut.length > 0 ? `Down: ${cut.join("; ")}.` : "",
    "The table of links below has the same facts.",
  ].filter(Boolean).join(" ");
}
