// The panel that holds the drawing: loads it when it comes into view, and says in words what it shows.

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Fabric } from "../fabric";
import { useLedger, weakOf } from "../ledger";
import { Panel, plain } from "../parts";
import { toAudit, toDevice, toLink } from "../route";
import type { Query } from "../search";
import { count } from "../units";
import { describe, modelOf, type Model } from "./model";
import type { Shape } from "./tiers";
import type { Drawing } from "./topology";

interface Tip {
  title: string;
  x: number;
  y: number;
}

export function TopologyPanel({ fabric, query }: { fabric: Fabric; query: Query | null }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [drawing, setDrawing] = useState<Drawing | null>(null);
  const [failed, setFailed] = useState(false);
  const [tip, setTip] = useState<Tip | null>(null);
  const [shape, setShape] = useState<Shape>({ width: 800, height: 440 });
  const { ledger } = useLedger([], false, fabric);
  const weak = useMemo(() => weakOf(ledger), [ledger]);
  const model = useMemo(() => modelOf(fabric, query, shape, weak), [fabric, query, shape, weak]);

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    let made: Drawing | null = null;
    let left = false;
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      import("./topology").then(
        ({ draw }) => {
          // In a task of its own: taking in the library was one already.
          setTimeout(() => {
            if (left) return;
            made = draw(host, {
              open: (what) => {
                location.hash = "device" in what ? toDevice(what.device) : toLink(what.link);
              },
              hover: setTip,
            });
            setDrawing(made);
          });
        },
        () => setFailed(true),
      );
    }, { rootMargin: "200px" });
    seen.observe(host);
    // Coarse steps: a panel that grows by a line does not lay the fabric out anew.
    const sized = new ResizeObserver(() => {
      const step = (pixels: number): number => Math.max(100, Math.round(pixels / 100) * 100);
      const next = { width: step(host.clientWidth), height: step(host.clientHeight) };
      setShape((now) => (now.width === next.width && now.height === next.height ? now : next));
    });
    sized.observe(host);
    return () => {
      left = true;
      seen.disconnect();
      sized.disconnect();
      made?.destroy();
    };
  }, []);

  useEffect(() => drawing?.show(model), [drawing, model]);

  return (
    <Panel
      id="topology"
      class="topologypanel"
      title="Topology"
      note={
        <>
          <span>{shownOf(model)}</span>
          {weak.devices.size + weak.links.size > 0 && <a class="weak" href={toAudit()} title="What hangs on a single part, and since when">◈ {count(weak.devices.size + weak.links.size)} single points of failure</a>}
          <span class="zoom" role="group" aria-label="Zoom the drawing">
            <button type="button" aria-label="Zoom in" title="Zoom in (Ctrl and wheel)" onClick={() => drawing?.zoom(1.3)}>+</button>
            <button type="button" aria-label="Zoom out" title="Zoom out" onClick={() => drawing?.zoom(1 / 1.3)}>−</button>
            <button type="button" aria-label="Show all" title="Show all" onClick={() => drawing?.fit()}>⤢</button>
          </span>
        </>
      }
    >
      <div class="canvasbox">
        <div class="canvas" ref={box} role="img" aria-label={describe(model, fabric)} />
        {!drawing && <p class="loading muted">{failed ? "The drawing could not be loaded; the tables have all of it." : "Drawing…"}</p>}
        {tip && (
          <div class={`tip ${tip.x > 360 ? "left" : ""}`} style={{ left: `${tip.x}px`, top: `${tip.y}px` }} aria-hidden="true">
            {plain(tip.title)}
          </div>
        )}
      </div>
      <p class="legend" aria-hidden="true">
        <span class="key calm">under 50 %</span>
        <span class="key half">50 %</span>
        <span class="key busy">80 %</span>
        <span class="key full">95 %</span>
        <span class="key down">down</span>
        <span class="key unknown">unknown</span>
        <span class="key dropping">▾ drops</span>
        <span class="key single">◈ single point</span>
      </p>
    </Panel>
  );
}

/** Says when less than all is drawn, and why. */
function shownOf({ edges, of }: Model): string {
  if (edges.length >= of.edges) return "";
  const drawn = `drawing ${count(edges.length)} of ${count(of.edges)} links`;
  return edges.length >= of.matching ? `${drawn}: those that match` : `${drawn}: what needs attention and some of the rest; filter to narrow`;
}
