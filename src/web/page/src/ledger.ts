// The ledger of redundancy, asked for again as the fabric changes: a few seconds old at most.

import { useEffect, useState } from "preact/hooks";

import { fetchLedger, type Ledger, type Point } from "./api";
import type { Fabric } from "./fabric";

const EVERY_MS = 5_000;

export interface Asked {
  ledger: Ledger | null;
  /** Why there is none, in the server's words. */
  refused: string | null;
}

/** The ledger as it is, or as it would be without these. */
export function useLedger(without: string[], ways: boolean, fabric: Fabric): Asked {
  const [asked, set] = useState<Asked>({ ledger: null, refused: null });
  const what = JSON.stringify(without);
  // A link that turned or an alert that came is looked at at once, all else every few seconds.
  const turn = `${fabric.counts.up} ${fabric.counts.down} ${fabric.firing.length}`;
  useEffect(() => {
    const stop = new AbortController();
    const ask = (): void => {
      if (document.hidden) return;
      fetchLedger(JSON.parse(what) as string[], ways, stop.signal).then(
        (ledger) => set({ ledger, refused: null }),
        (error: unknown) => {
          // The banner tells when nobody answers; a refusal is told here.
          if (!stop.signal.aborted) set((before) => ({ ...before, refused: error instanceof Error ? error.message : String(error) }));
        },
      );
    };
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [what, ways, turn]);
  return asked;
}

/** Worth to be told: a failure made it one, or protection was asked for. What was never doubled is no news. */
export const isNews = (point: Point): boolean => !point.planned || point.protected;

/** Devices and links to be marked in a drawing. */
export interface Weak {
  devices: Map<string, string>;
  links: Map<string, string>;
}

export function weakOf(ledger: Ledger | null): Weak {
  const weak: Weak = { devices: new Map(), links: new Map() };
  for (const point of ledger?.points.filter(isNews) ?? []) {
    if (point.kind === "device") weak.devices.set(point.name, point.summary);
    if (point.kind === "link") weak.links.set(point.name, point.summary);
  }
  return weak;
}
