// The drawing itself, by cytoscape; the only file that imports it, and so the chunk that is loaded when a drawing
// first comes into view. It is told a model and changes only what differs: nothing is laid out anew, nothing
// flickers, and the reader's zoom stays.

import cytoscape, { type Core, type ElementDefinition, type EventObject } from "cytoscape";

import { colour, onTheme } from "../theme";
import type { EdgeView, Model, NodeView } from "./model";

export interface Handlers {
  open: (what: { device: string } | { link: string }) => void;
  /** What the pointer is on, and where; null when on nothing. */
  hover: (what: { title: string; x: number; y: number } | null) => void;
}

export interface Drawing {
  show: (model: Model) => void;
  zoom: (factor: number) => void;
  fit: () => void;
  destroy: () => void;
}

const PADDING = 24;
/** Elements added in one task; adding hundreds at once would stop the page for a moment. */
const SLICE = 60;
const FINGER_PX = 22;
const FONT = "system-ui, sans-serif";

function styles(): cytoscape.StylesheetJson {
  const tone = Object.fromEntries(
    ["text", "muted", "surface", "line-strong", "accent", "crit", "warn", "unknown", "edge-calm", "load-half", "load-busy", "load-full", "node"].map(
      (name) => [name, colour(name)],
    ),
  ) as Record<string, string>;
  const sheet: unknown = [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        width: "data(w)",
        height: 28,
        "background-color": tone["node"],
        "border-width": 1.5,
        "border-color": tone["line-strong"],
        label: "data(label)",
        color: tone["text"],
        "font-family": FONT,
        "font-size": 13,
        "font-weight": 600,
        "text-valign": "center",
        "text-halign": "center",
        "min-zoomed-font-size": 6,
        "overlay-opacity": 0,
      },
    },
    {
      selector: 'node[kind = "host"]',
      style: { height: 22, "background-color": tone["surface"], "border-width": 1, color: tone["muted"], "font-size": 12, "font-weight": 400 },
    },
    { selector: 'node[trouble = "warning"]', style: { "border-color": tone["warn"], "border-width": 3 } },
    { selector: 'node[trouble = "critical"]', style: { "border-color": tone["crit"], "border-width": 3 } },
    { selector: 'node[trouble = "unreachable"]', style: { "border-color": tone["crit"], "border-width": 3, "border-style": "dashed", color: tone["crit"] } },
    { selector: 'node[trouble = "unknown"]', style: { "border-color": tone["unknown"], "border-style": "dotted", color: tone["muted"] } },
    {
      selector: "edge",
      style: {
        width: "data(width)",
        "line-color": tone["edge-calm"],
        "curve-style": "bezier",
        "control-point-step-size": 22,
        label: "data(drops)",
        "font-family": FONT,
        "font-size": 12,
        "font-weight": 700,
        color: tone["crit"],
        "text-background-color": tone["surface"],
        "text-background-opacity": 0.92,
        "text-background-padding": "2px",
        "text-background-shape": "roundrectangle",
        "min-zoomed-font-size": 7,
        "overlay-opacity": 0,
      },
    },
    { selector: 'node[single != ""]', style: { "underlay-color": tone["warn"], "underlay-opacity": 0.3, "underlay-padding": 5, "underlay-shape": "round-rectangle" } },
    { selector: 'edge[single != ""]', style: { "underlay-color": tone["warn"], "underlay-opacity": 0.3, "underlay-padding": 4 } },
    { selector: "edge[?arc]", style: { "curve-style": "unbundled-bezier", "control-point-distances": 46, "control-point-weights": 0.5 } },
    { selector: 'edge[level = "half"]', style: { "line-color": tone["load-half"] } },
    { selector: 'edge[level = "busy"]', style: { "line-color": tone["load-busy"], "z-index": 5 } },
    { selector: 'edge[level = "full"]', style: { "line-color": tone["load-full"], "z-index": 6 } },
    { selector: 'edge[state = "down"]', style: { "line-color": tone["crit"], "line-style": "dashed", "line-dash-pattern": [9, 6], "z-index": 9 } },
    { selector: 'edge[drops != ""]', style: { "z-index": 8 } },
    { selector: 'edge[state = "unknown"]', style: { "line-color": tone["unknown"], "line-style": "dotted" } },
    { selector: "edge[?sample]", style: { opacity: 0.4, "z-index": -1 } },
    { selector: "[?faint]", style: { opacity: 0.16 } },
    { selector: ".pointed", style: { "underlay-color": tone["accent"], "underlay-opacity": 0.22, "underlay-padding": 5 } },
  ];
  return sheet as cytoscape.StylesheetJson;
}

const nodeData = (node: NodeView): Record<string, unknown> => ({
  id: `d ${node.id}`,
  name: node.id,
  label: node.label,
  kind: node.kind,
  trouble: node.trouble,
  faint: node.faint,
  w: node.width,
  single: node.single,
  title: node.single ? `${node.id}\n${node.single}` : node.id,
});

const edgeData = (edge: EdgeView): Record<string, unknown> => ({
  id: `l ${edge.id}`,
  link: edge.id,
  source: `d ${edge.a}`,
  target: `d ${edge.b}`,
  state: edge.state,
  level: edge.level,
  width: edge.width,
  drops: edge.drops,
  arc: edge.arc,
  faint: edge.faint,
  sample: edge.sample,
  single: edge.single,
  title: edge.title,
});

function boundsOf(nodes: NodeView[]): { left: number; top: number; right: number; bottom: number } {
  const half = 16;
  return nodes.reduce(
    (all, { x, y, width }) => ({
      left: Math.min(all.left, x - width / 2),
      top: Math.min(all.top, y - half),
      right: Math.max(all.right, x + width / 2),
      bottom: Math.max(all.bottom, y + half),
    }),
    { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity },
  );
}

interface Point {
  x: number;
  y: number;
}

function nearest(cy: Core, at: Point): { device: string } | { link: string } | null {
  let best: { what: { device: string } | { link: string }; far: number } | null = null;
  const offer = (what: { device: string } | { link: string }, far: number): void => {
    if (far <= FINGER_PX && (!best || far < best.far)) best = { what, far };
  };
  cy.nodes().forEach((node) => {
    const { x, y } = node.renderedPosition();
    const [w, h] = [node.renderedWidth() / 2, node.renderedHeight() / 2];
    // A device wins over the links that end in it.
    offer({ device: node.data("name") as string }, Math.hypot(Math.max(0, Math.abs(at.x - x) - w), Math.max(0, Math.abs(at.y - y) - h)) / 2);
  });
  cy.edges().forEach((edge) => {
    const [one, other] = [edge.renderedSourceEndpoint(), edge.renderedTargetEndpoint()];
    offer({ link: edge.data("link") as string }, distance(at, one, other));
  });
  return (best as { what: { device: string } | { link: string } } | null)?.what ?? null;
}

/** From a point to a straight piece of line. */
function distance(at: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const along = Math.max(0, Math.min(1, ((at.x - from.x) * dx + (at.y - from.y) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(at.x - from.x - along * dx, at.y - from.y - along * dy);
}

export function draw(container: HTMLElement, handlers: Handlers): Drawing {
  const cy: Core = cytoscape({
    container,
    style: styles(),
    layout: { name: "preset" },
    // The wheel scrolls the page; it zooms only with Ctrl, as maps do.
    userZoomingEnabled: false,
    boxSelectionEnabled: false,
    autoungrabify: true,
    autounselectify: true,
    minZoom: 0.05,
    maxZoom: 3,
    pixelRatio: "auto",
  });
  let untouched = true; // the reader has not zoomed or moved: keep everything in sight

  // From the model's own places: asking the library for its bounds would compute the style of every element.
  let bounds = { left: 0, top: 0, right: 1, bottom: 1 };
  const fit = (): void => {
    untouched = true;
    const [wide, high] = [bounds.right - bounds.left, bounds.bottom - bounds.top];
    const zoom = Math.min(1.25, (cy.width() - 2 * PADDING) / wide, (cy.height() - 2 * PADDING) / high);
    if (!(zoom > 0)) return; // no size yet
    cy.viewport({
      zoom,
      pan: { x: (cy.width() - zoom * (bounds.left + bounds.right)) / 2, y: (cy.height() - zoom * (bounds.top + bounds.bottom)) / 2 },
    });
  };
  const zoomAt = (factor: number, at: { x: number; y: number }): void => {
    untouched = false;
    cy.zoom({ level: cy.zoom() * factor, renderedPosition: at });
  };

  const named = (event: EventObject): void => {
    const target = event.target as cytoscape.SingularElementReturnValue;
    const device = target.data("name") as string | undefined;
    handlers.open(device ? { device } : { link: target.data("link") as string });
  };
  cy.on("tap", "node, edge", named);
  cy.on("mouseover", "node, edge", (event) => {
    event.target.addClass("pointed");
    container.style.cursor = "pointer";
    handlers.hover({ title: event.target.data("title"), x: event.renderedPosition.x, y: event.renderedPosition.y });
  });
  cy.on("mouseout", "node, edge", (event) => {
    event.target.removeClass("pointed");
    container.style.cursor = "";
    handlers.hover(null);
  });
  cy.on("dragpan", () => {
    untouched = false;
  });

  const stop = new AbortController();
  // Under a finger the drawing must not catch the scrolling of the page (the style sheet lets touches through), so
  // a tap is looked up here: the nearest device, else the nearest link.
  const frame = container.parentElement;
  if (frame && matchMedia("(pointer: coarse)").matches) {
    frame.addEventListener("click", (event) => {
      if ((event.target as Element).closest("button")) return;
      const box = container.getBoundingClientRect();
      const hit = nearest(cy, { x: event.clientX - box.left, y: event.clientY - box.top });
      if (hit) handlers.open(hit);
    }, { signal: stop.signal });
  }
  container.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = container.getBoundingClientRect();
    zoomAt(Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top });
  }, { passive: false, signal: stop.signal });
  const resized = new ResizeObserver(() => {
    cy.resize();
    if (untouched) fit();
  });
  resized.observe(container);
  const forget = onTheme(() => cy.style(styles()));

  const show = (model: Model): void => {
    if (model.nodes.length > 0) bounds = boundsOf(model.nodes);
    const wanted = new Map<string, ElementDefinition>();
    for (const node of model.nodes) wanted.set(`d ${node.id}`, { group: "nodes", data: nodeData(node), position: { x: node.x, y: node.y } });
    for (const edge of model.edges) wanted.set(`l ${edge.id}`, { group: "edges", data: edgeData(edge) });
    let reshaped = false;
    cy.batch(() => {
      cy.elements().forEach((element) => {
        const definition = wanted.get(element.id());
        if (!definition) {
          element.remove();
          reshaped = true;
          return;
        }
        wanted.delete(element.id());
        const { data, position } = definition;
        const changed = Object.entries(data).filter(([key, value]) => element.data(key) !== value);
        if (changed.length > 0) element.data(Object.fromEntries(changed));
        if (position && element.isNode()) {
          const at = element.position();
          if (at.x !== position.x || at.y !== position.y) {
            element.position(position);
            reshaped = true;
          }
        }
      });
    });
    clearTimeout(adding);
    // Nodes come first in the model, so that an edge never comes before its ends.
    addSlice([...wanted.values()], reshaped || wanted.size > 0);
  };

  let adding: ReturnType<typeof setTimeout> | undefined;
  const addSlice = (waiting: ElementDefinition[], reshaped: boolean): void => {
    if (waiting.length > 0) cy.add(waiting.slice(0, SLICE));
    if (reshaped && untouched) fit();
    if (waiting.length > SLICE) adding = setTimeout(() => addSlice(waiting.slice(SLICE), false));
  };

  return {
    show,
    fit,
    zoom: (factor) => zoomAt(factor, { x: container.clientWidth / 2, y: container.clientHeight / 2 }),
    destroy: () => {
      clearTimeout(adding);
      forget();
      stop.abort();
      resized.disconnect();
      cy.destroy();
    },
  };
}
