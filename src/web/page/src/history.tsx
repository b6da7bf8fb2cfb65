// What was, drawn by uPlot: gaps where nothing is known, never a line through zero.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { fetchHistory, type History, type Known } from "./api";
import type { Fabric } from "./fabric";
import { now } from "./live";
import { setParam, useRoute } from "./route";
import { colour, onTheme } from "./theme";
import { bps, pps } from "./units";

const RANGES = {
  "15m": { title: "15 min", span_s: 900, step_s: 10 },
  "1h": { title: "1 h", span_s: 3_600, step_s: 10 },
  "6h": { title: "6 h", span_s: 21_600, step_s: 60 },
  "24h": { title: "24 h", span_s: 86_400, step_s: 240 },
} as const;
type RangeKey = keyof typeof RANGES;
const isRange = (key: string | null): key is RangeKey => key !== null && key in RANGES;

export interface Curve {
  label: string;
  /** Which end's history, and which of its series. */
  of: 0 | 1;
  field: "in_bps" | "out_bps" | "in_pps" | "out_pps" | "in_drops_pps" | "out_drops_pps";
  /** The same traffic counted by the other side, where the first is not watched. */
  instead?: { of: 0 | 1; field: Curve["field"] };
}

export interface ChartSpec {
  title: string;
  unit: "bps" | "pps";
  curves: Curve[];
  /** A line to measure against, such as the link's speed. */
  limit_bps?: number | null;
}

const FORMATS = { bps, pps };
// The first chart colour for one direction, the second for the other, on every chart alike.
const COLOURS = ["chart-a", "chart-b", "chart-c", "chart-d"];

interface End {
  device: string;
  interface: string;
}

/** Histories of one or two ends over the chosen range, charts of them, and the choice of the range. */
export function HistoryCharts({ fabric, ends, charts }: { fabric: Fabric; ends: End[]; charts: ChartSpec[] }): JSX.Element {
  const asked = useRoute().params.get("range");
  const range: RangeKey = isRange(asked) ? asked : "15m";
  const { histories, error } = useHistories(ends, range);
  const started_s = Date.parse(fabric.state.status.started_at ?? "") / 1000 || 0;
  return (
    <div class="history">
      <div class="ranges" role="group" aria-label="Time range">
        {(Object.keys(RANGES) as RangeKey[]).map((key) => (
          <button key={key} type="button" aria-pressed={key === range} onClick={() => setParam("range", key === "15m" ? null : key)}>
            {RANGES[key].title}
          </button>
        ))}
        {error && <span class="muted" role="status">No history: {error}</span>}
      </div>
      <div class="charts">
        {charts.map((chart) => <Chart key={chart.title} spec={chart} histories={histories} span_s={RANGES[range].span_s} started_s={started_s} />)}
      </div>
    </div>
  );
}

interface Answer {
  histories: (History | null)[];
  error: string | null;
}

function useHistories(ends: End[], range: RangeKey): Answer {
  const [answer, set] = useState<Answer>({ histories: [], error: null });
  const which = JSON.stringify(ends);
  useEffect(() => {
    const stop = new AbortController();
    const { span_s, step_s } = RANGES[range];
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        const to = Math.ceil(now() / 1000 / step_s) * step_s;
        const answers = await Promise.allSettled(
          ends.map((end) => fetchHistory(end, { from: to - span_s, to, step: step_s }, stop.signal)),
        );
        if (stop.signal.aborted) return;
        const failed = answers.find((one) => one.status === "rejected");
        // One end may have no history (it is not watched); only when none answers is it an error.
        const every = answers.every((one) => one.status === "rejected");
        set((kept) => ({
          histories: every ? kept.histories : answers.map((one) => (one.status === "fulfilled" ? one.value : null)),
          error: every && failed?.status === "rejected" ? String((failed.reason as Error).message ?? failed.reason) : null,
        }));
      }
      timer = setTimeout(() => void ask(), Math.max(5, step_s / 2) * 1000);
    };
    let timer = setTimeout(() => void ask());
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [which, range]);
  return answer;
}

/** Several series, each with times of its own, on one common axis of times. */
function aligned(spec: ChartSpec, histories: (History | null)[]): uPlot.AlignedData {
  const tables = spec.curves.map((curve): [number[], Known[]] => {
    const own = series(histories[curve.of], curve.field);
    const other = curve.instead && series(histories[curve.instead.of], curve.instead.field);
    return own?.[1].some((value) => value !== null) || !other ? (own ?? [[], []]) : other;
  });
  return tables.length > 0 ? uPlot.join(tables.map(([t, values]) => [t, values])) : [[]];
}

function series(history: History | null | undefined, field: Curve["field"]): [number[], Known[]] | null {
  const values = history?.[field];
  return history && values ? [history.t, values] : null;
}

// A store asked for finer steps than it was fed answers with holes between all readings. Those are no gaps: a gap
// is a pause much longer than the usual distance between two readings.
const GAP_FACTOR = 2.6;

const usualGaps: uPlot.Series.GapsRefiner = (u, at, _from, _to, gaps) => {
  const [t, values] = [u.data[0], u.data[at]];
  if (!t || !values || gaps.length === 0) return gaps;
  const distances: number[] = [];
  let last: number | null = null;
  for (let i = 0; i < t.length; i += 1) {
    if (values[i] == null) continue;
    if (last !== null) distances.push(t[i]! - t[last]!);
    last = i;
  }
  const usual = distances.sort((a, b) => a - b)[distances.length >> 1] ?? 0;
  const pixels = Math.abs(u.valToPos(t[0]! + usual, "x", true) - u.valToPos(t[0]!, "x", true)) * GAP_FACTOR;
  return gaps.filter(([from, to]) => to - from > pixels);
};

/** The latest reading, unless it is so old that it is no longer the state of things. */
function lastOf(u: uPlot, which: number): number | null {
  const [t, values] = [u.data[0], u.data[which]];
  if (!t || !values) return null;
  for (let i = values.length - 1; i >= 0; i -= 1) {
    const value = values[i];
    if (value != null) return now() / 1000 - t[i]! < 90 || i >= values.length - 2 ? value : null;
  }
  return null;
}

/** An axis says `5 Gbit/s`, not `5.00 Gbit/s`. */
const trimmed = (text: string): string => text.replace(/\.(\d*?)0+(?=\s)/, (_all, rest: string) => (rest ? `.${rest}` : ""));

const pad = (n: number): string => String(n).padStart(2, "0");
const clock = (at_s: number, seconds: boolean): string => {
  const date = new Date(at_s * 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}${seconds ? `:${pad(date.getSeconds())}` : ""}`;
};

/** The least that is shown, however short Selvedge has been running. */
const LEAST_S = 120;

/** The chosen span; what lies before Selvedge began and before all that it remembers is left out, for nobody looked then. */
function windowOf(u: uPlot, span_s: number, started_s: number): [number, number] {
  const to = now() / 1000;
  const [t, ...curves] = u.data;
  const first = t?.find((_at, i) => curves.some((values) => values[i] != null)) ?? Infinity;
  return [Math.max(to - span_s, Math.min(started_s, first, to - LEAST_S)), to];
}

function optionsFor(spec: ChartSpec, width: number, span_s: number, started_s: number): uPlot.Options {
  const format = FORMATS[spec.unit];
  const axis = { stroke: colour("muted"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const limit = spec.limit_bps ?? null;
  return {
    width,
    height: 190,
    cursor: { sync: { key: "history" }, y: false, drag: { x: false, y: false } },
    legend: { live: true },
    scales: {
      x: { time: true, range: (u) => windowOf(u, span_s, started_s) },
      y: { range: (_u, _low, high) => [0, topOf(high, limit, spec.unit)] },
    },
    axes: [
      { ...axis, size: 28, space: 70, values: (_u, splits, _axis, _space, step_s) => splits.map((at) => clock(at, step_s < 60)) },
      { ...axis, size: 78, values: (_u, splits) => splits.map((value) => trimmed(format(value))) },
    ],
    series: [
      { label: "Time", value: (_u, at) => (at == null ? "now" : clock(at, true)) },
      ...spec.curves.map((curve, at): uPlot.Series => ({
        label: curve.label,
        stroke: colour(COLOURS[at] ?? "text"),
        // The second direction is dashed: told apart without colour.
        ...(at % 2 === 1 ? { dash: [6, 3] } : { fill: `${colour(COLOURS[at] ?? "text")}1f` }),
        width: 1.5,
        spanGaps: false,
        gaps: usualGaps,
        value: (u, value, which, index) => {
          const shown = index == null ? lastOf(u, which) : value; // off the chart: what is now
          return shown == null ? "unknown" : format(shown);
        },
      })),
    ],
    hooks: limit !== null ? { draw: [(u) => drawLimit(u, limit)] } : {},
  };
}

/** The speed is shown once traffic comes near it; a scale that always reached it would flatten small rates. */
function topOf(high: number | null, limit: number | null, unit: ChartSpec["unit"]): number {
  const top = Math.max(high ?? 0, unit === "pps" ? 1 : 1000) * 1.1;
  return limit !== null && top > limit * 0.45 ? Math.max(top, limit * 1.08) : top;
}

function drawLimit(u: uPlot, limit: number): void {
  const y = u.valToPos(limit, "y", true);
  if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) return;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colour("crit");
  ctx.globalAlpha = 0.7;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, y);
  ctx.lineTo(u.bbox.left + u.bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function Chart(props: { spec: ChartSpec; histories: (History | null)[]; span_s: number; started_s: number }): JSX.Element {
  const { spec, histories, span_s, started_s } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef<uPlot.AlignedData>([[]]);
  const data = aligned(spec, histories);
  latest.current = data;
  const shape = JSON.stringify([spec, span_s, started_s]);

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(spec, host.clientWidth, span_s, started_s), latest.current, host);
    };
    make();
    const resized = new ResizeObserver(() => {
      if (plot.current && host.clientWidth !== plot.current.width) plot.current.setSize({ width: host.clientWidth, height: 190 });
    });
    resized.observe(host);
    const forget = onTheme(make);
    return () => {
      forget();
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(latest.current), [histories]);

  const known = data.slice(1).some((values) => (values as Known[]).some((value) => value !== null && value !== undefined));
  return (
    <figure class="chart">
      <figcaption>
        {spec.title}
        {histories.length > 0 && !known && <span class="muted"> – nothing is known for this time</span>}
      </figcaption>
      <div ref={box} role="img" aria-label={describe(spec, data)} />
    </figure>
  );
}

/** The chart in a sentence: the last and the highest value of each curve. */
function describe(spec: ChartSpec, data: uPlot.AlignedData): string {
  const format = FORMATS[spec.unit];
  const parts = spec.curves.map((curve, at) => {
    const values = ((data[at + 1] ?? []) as Known[]).filter((value): value is number => value != null);
    if (values.length === 0) return `${curve.label}: unknown`;
    return `${curve.label}: last ${format(values[values.length - 1]!)}, highest ${format(values.reduce((a, b) => Math.max(a, b)))}`;
  });
  return `${spec.title}. ${parts.join("; ")}`;
}
