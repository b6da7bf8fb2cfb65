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

const PADDING = 28;
const FONT = "system-ui, sans-serif";

function styles(): cytoscape.StylesheetJson {
  const tone = Object.fromEntries(
    ["text", "muted", "surface", "line-strong", "accent", "crit", "warn", "unknown", "load-calm", "load-half", "load-busy", "load-full", "node"].map(
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
    { selector: 'node[trouble = "critical"]', style: { "border-color": tone["crit"], "border-width": 3, "border-style": "dashed", color: tone["crit"] } },
    { selector: 'node[trouble = "unknown"]', style: { "border-color": tone["unknown"], "border-style": "dotted", color: tone["muted"] } },
    {
      selector: "edge",
      style: {
        width: "data(width)",
        "line-color": tone["load-calm"],
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
    { selector: "edge[?arc]", style: { "curve-style": "unbundled-bezier", "control-point-distances": 46, "control-point-weights": 0.5 } },
    { selector: 'edge[level = "half"]', style: { "line-color": tone["load-half"] } },
    { selector: 'edge[level = "busy"]', style: { "line-color": tone["load-busy"], "z-index": 5 } },
    { selector: 'edge[level = "full"]', style: { "line-color": tone["load-full"], "z-index": 6 } },
    { selector: 'edge[state = "down"]', style: { "line-color": tone["crit"], "line-style": "dashed", "line-dash-pattern": [9, 6], "z-index": 9 } },
    { selector: 'edge[state = "unknown"]', style: { "line-color": tone["unknown"], "line-style": "dotted" } },
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
  w: Math.max(58, node.label.length * 7.6 + 20),
  title: node.id,
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
  title: edge.title,
});

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

  const fit = (): void => {
    untouched = true;
    cy.fit(undefined, PADDING);
    if (cy.zoom() > 1.25) {
      cy.zoom(1.25);
      cy.center();
    }
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
      if (wanted.size > 0) {
        cy.add([...wanted.values()]);
        reshaped = true;
      }
    });
    if (reshaped && untouched) fit();
  };

  return {
    show,
    fit,
    zoom: (factor) => zoomAt(factor, { x: container.clientWidth / 2, y: container.clientHeight / 2 }),
    destroy: () => {
      forget();
      stop.abort();
      resized.disconnect();
      cy.destroy();
    },
  };
}
