// Where each device stands in the drawing: tiers from the core down to the hosts, so that the same fabric always
// looks the same. Pure and deterministic: no forces, no randomness, nothing that moves with the readings.

import type { Device, Link } from "../api";
import { naturalKey } from "../units";

export interface Place {
  name: string;
  /** 0 is the top. */
  tier: number;
  x: number;
  y: number;
  watched: boolean;
}

export interface Placing {
  places: Map<string, Place>;
  /** Names by tier, top first. */
  tiers: string[][];
}

// What people call the tiers of a fabric, in labels (`role = "spine"`) and in names (`spine1`), top first.
const ROLES: RegExp[] = [
  /^(internet|wan|border|edge-?router|gateway|gw|firewall|fw)/,
  /^(super-?spine|core|backbone|cr)(?![a-z])/,
  /^(spine|agg|aggregation|dist|distribution)(?![a-z])/,
  /^(leaf|tor|access|acc|switch|sw|edge)(?![a-z])/,
  /^(host|server|srv|node|compute|storage|vm|ap|client)(?![a-z])/,
];
const HOST_TIER = ROLES.length - 1;
const LEAF_TIER = HOST_TIER - 1;

function hinted(name: string, labels: Record<string, string> | undefined): number | null {
  for (const text of [labels?.["role"], labels?.["tier"], name]) {
    if (!text) continue;
    const at = ROLES.findIndex((role) => role.test(text.toLowerCase()));
    if (at >= 0) return at;
  }
  return null;
}

/** The canvas that the drawing should fill, in pixels. */
export interface Shape {
  width: number;
  height: number;
}

export function place(devices: Device[], links: Link[], shape: Shape): Placing {
  const peers = new Map<string, Set<string>>();
  const watched = new Set(devices.map((device) => device.name));
  const meet = (one: string, other: string): void => {
    const set = peers.get(one) ?? new Set();
    set.add(other);
    peers.set(one, set);
  };
  for (const device of devices) peers.set(device.name, new Set());
  for (const { a, b } of links) {
    meet(a.device, b.device);
    meet(b.device, a.device);
  }
  const tierOf = tiersOf(devices, peers, watched);

  const byTier = new Map<number, string[]>();
  for (const [name, tier] of tierOf) byTier.set(tier, [...(byTier.get(tier) ?? []), name]);
  const tiers = [...byTier.keys()].sort((a, b) => a - b).map((tier) => byTier.get(tier)!);
  const key = new Map([...peers.keys()].map((name) => [name, naturalKey(name)]));
  for (const names of tiers) names.sort((a, b) => (key.get(a)! < key.get(b)! ? -1 : 1));
  return { places: laidOut(tiers, peers, watched, shape), tiers };
}

function tiersOf(devices: Device[], peers: Map<string, Set<string>>, watched: Set<string>): Map<string, number> {
  const tierOf = new Map<string, number>();
  const labels = new Map(devices.map((device) => [device.name, device.labels]));
  for (const name of peers.keys()) {
    const tier = hinted(name, labels.get(name));
    if (tier !== null) tierOf.set(name, tier);
  }
  // What is only heard of, and what hangs on one device while others hang on many, stands at the bottom.
  const most = Math.max(0, ...[...peers.values()].map((set) => set.size));
  for (const [name, set] of peers) {
    if (tierOf.has(name)) continue;
    if (!watched.has(name) || (set.size === 1 && most > 2)) tierOf.set(name, HOST_TIER);
  }
  // The rest by structure: above the hosts that it serves, or, where none are seen, by how many it joins.
  const rest = [...peers.keys()].filter((name) => !tierOf.has(name));
  const mean = rest.reduce((sum, name) => sum + (peers.get(name)?.size ?? 0), 0) / Math.max(1, rest.length);
  const serves = (name: string): number => [...(peers.get(name) ?? [])].filter((peer) => tierOf.get(peer) === HOST_TIER).length;
  const anyServes = rest.some((name) => serves(name) > 0);
  const leaves = rest.filter((name) => {
    const set = peers.get(name)!;
    return anyServes ? serves(name) * 4 >= set.size && set.size > 0 : set.size <= mean;
  });
  for (const name of leaves) tierOf.set(name, LEAF_TIER);
  let edge = leaves;
  for (let tier = LEAF_TIER - 1; edge.length > 0; tier -= 1) {
    const next = new Set<string>();
    for (const name of edge) for (const peer of peers.get(name) ?? []) if (!tierOf.has(peer)) next.add(peer);
    for (const name of next) tierOf.set(name, tier);
    edge = [...next];
  }
  for (const name of peers.keys()) if (!tierOf.has(name)) tierOf.set(name, LEAF_TIER);
  return tierOf;
}

const BETWEEN_ROWS = 58; // rows of one tier
const BETWEEN_TIERS = 124;
const LEGIBLE_PX = 88; // a node narrower than this cannot be read

/** The label that is drawn of a name. */
export const labelOf = (name: string): string => (name.length > 18 ? `${name.slice(0, 17)}…` : name);
/** How wide a node is for its label. */
export const nodeWidth = (label: string): number => Math.max(58, label.length * 7.6 + 20);

/** How far a row stands aside, in columns. */
const asideOf = (row: number, rows: number, byColumn: boolean): number =>
  rows === 1 ? 0 : byColumn ? row / rows - 0.5 * (1 - 1 / rows) : row % 2 === 1 ? 0.25 : -0.25;

function laidOut(tiers: string[][], peers: Map<string, Set<string>>, watched: Set<string>, shape: Shape): Map<string, Place> {
  const places = new Map<string, Place>();
  const total = tiers.reduce((sum, names) => sum + names.length, 0);
  const aspect = shape.width / Math.max(1, shape.height);
  const cell = 30 + Math.max(...tiers.flat().map((name) => nodeWidth(labelOf(name))), 0);
  // As many in a row as can be read; in a large fabric as many as give the drawing the shape of its canvas.
  const readable = Math.max(3, Math.floor(shape.width / LEGIBLE_PX));
  const perRow = Math.max(readable, Math.ceil(Math.sqrt((total * aspect * BETWEEN_ROWS) / cell)));
  const longestRow = Math.max(...tiers.map((names) => Math.ceil(names.length / Math.ceil(names.length / perRow))), 1);
  const span = longestRow * cell;
  let y = 0;
  tiers.forEach((names, tier) => {
    const above = (name: string): number => {
      const xs = [...(peers.get(name) ?? [])].map((peer) => places.get(peer)).filter((p) => p !== undefined);
      return xs.length > 0 ? xs.reduce((sum, p) => sum + p.x, 0) / xs.length : span / 2;
    };
    // The lowest tier stands under what it hangs on; the tiers above keep the order of their names.
    const ordered = tier > 0 && tier === tiers.length - 1
      ? names.map((name, at) => ({ name, at, x: above(name) })).sort((a, b) => a.x - b.x || a.at - b.at).map(({ name }) => name)
      : names;
    const rows = Math.ceil(ordered.length / perRow);
    const inRow = Math.ceil(ordered.length / Math.max(1, rows));
    const step = span / inRow;
    // What hangs on the tier above goes column by column, so that it stays under it; names go row by row, as one
    // reads. Each row stands a little aside, so that links pass between the nodes above.
    const byColumn = ordered !== names && rows <= 3;
    ordered.forEach((name, at) => {
      const row = byColumn ? at % rows : Math.floor(at / inRow);
      const column = byColumn ? Math.floor(at / rows) : at % inRow;
      places.set(name, {
        name,
        tier,
        x: (column + 0.5 + asideOf(row, rows, byColumn)) * step,
        y: y + row * BETWEEN_ROWS,
        watched: watched.has(name),
      });
    });
    y += (rows - 1) * BETWEEN_ROWS + BETWEEN_TIERS;
  });
  // Use the height there is: tall tiers make steep, legible links.
  const stretch = Math.min(2, Math.max(0.75, span / aspect / Math.max(1, y - BETWEEN_TIERS + 40)));
  for (const at of places.values()) at.y *= stretch;
  return places;
}
