// The stream of states, and whether we still hear it. What was last known is kept when the server goes; the
// browser's own reconnecting is watched over, since a half-open connection says nothing for ever.
//
//   connecting --state--> live --error or silence without answer--> lost --state--> live

import { useEffect, useState } from "preact/hooks";

import { fetchStatus, type State } from "./api";
import { fabricOf, type Fabric } from "./fabric";

export type Connection = "connecting" | "live" | "lost";

export interface Live {
  fabric: Fabric | null;
  connection: Connection;
  /** Our clock when the last state came, or when the connection was lost. */
  heardAt: number | null;
  lostAt: number | null;
}

/** Nothing may have changed for long, but a server that is there answers a question. */
const SILENCE_MS = 15_000;
const RETRY_MS = 3_000;

let live: Live = { fabric: null, connection: "connecting", heardAt: null, lostAt: null };
const watchers = new Set<(live: Live) => void>();

function set(change: Partial<Live>): void {
  live = { ...live, ...change };
  for (const watcher of watchers) watcher(live);
}

let source: EventSource | null = null;
let newest: string | null = null; // the latest state not yet taken in; an older one is skipped
let scheduled = false;
let skewMs = 0;
let spokeAt = Date.now();

/** The server's clock: ages of what it tells are counted by it, not by ours. */
export const now = (): number => Date.now() - skewMs;

function takeIn(): void {
  scheduled = false;
  if (newest === null || document.hidden) return; // a hidden page takes in the latest when it is seen again
  const text = newest;
  newest = null;
  const state = JSON.parse(text) as State;
  // In a task of its own, so that reading and drawing of a large fabric do not add up to one long pause.
  setTimeout(() => {
    const fabric = fabricOf(state);
    set({ fabric, connection: "live", heardAt: spokeAt, lostAt: null });
  });
}

function heard(event: MessageEvent<string>): void {
  spokeAt = Date.now();
  newest = event.data;
  // `taken_at` leads the text: our clock's distance from the server's needs no parse of the rest.
  const taken = /"taken_at"\s*:\s*"([^"]+)"/.exec(event.data.slice(0, 200))?.[1];
  if (taken) skewMs = spokeAt - Date.parse(taken);
  if (!scheduled) {
    scheduled = true;
    setTimeout(takeIn);
  }
}

function lose(): void {
  if (live.connection !== "lost") set({ connection: "lost", lostAt: Date.now() });
}

function connect(): void {
  source?.close();
  source = new EventSource("api/events");
  source.addEventListener("state", heard);
  source.onopen = () => {
    spokeAt = Date.now();
    if (live.connection === "lost" && live.fabric) set({ connection: "live", lostAt: null });
  };
  source.onerror = () => {
    lose();
    // The browser retries a cut stream by itself, but gives up on an answer that is no stream.
    if (source?.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
}

async function watch(): Promise<void> {
  if (document.hidden || live.connection !== "live" || Date.now() - spokeAt < SILENCE_MS) return;
  try {
    await fetchStatus(AbortSignal.timeout(5_000));
    spokeAt = Date.now();
  } catch {
    lose();
    connect();
  }
}

export function startLive(): void {
  connect();
  setInterval(() => void watch(), 5_000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) takeIn();
  });
}

export function useLive(): Live {
  const [value, update] = useState(live);
  useEffect(() => {
    watchers.add(update);
    update(live);
    return () => void watchers.delete(update);
  }, []);
  return value;
}
