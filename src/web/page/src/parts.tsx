// The small pieces that all views are made of. Texts from devices are only ever text nodes or attributes, each
// isolated in its direction, so that no name can reorder or pass for what stands around it.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import type { LinkEnd, Severity } from "./api";
import { BUSY, FULL } from "./fabric";
import { now } from "./live";
import { absolute, duration, percent, speed } from "./units";

/** A number that is known, or a question mark that says why not. */
export function Value(props: { value: number | null | undefined; as: (value: number) => string; why?: string | undefined }): JSX.Element {
  if (props.value != null) return <>{props.as(props.value)}</>;
  const why = `unknown: ${props.why ?? "no reading"}`;
  return (
    <span class="unknown" title={why}>
      <span aria-hidden="true">?</span>
      <span class="sr">{why}</span>
    </span>
  );
}

/** A speed, and who says so where that is not the device itself. */
export function Speed({ of, why }: { of: Pick<LinkEnd, "speed_bps" | "speed_source">; why?: string | undefined }): JSX.Element {
  const value = <Value value={of.speed_bps} as={speed} why={why} />;
  if (of.speed_source === "assumed") {
    const why = "assumed: the device does not say how fast it is; this is [interfaces] default_speed";
    return <span title={why}><span aria-hidden="true">≈ </span>{value}<span class="sr"> {why}</span></span>;
  }
  if (of.speed_source === "declared") return <span title="declared: by [[interface]] in the configuration">{value}</span>;
  return value;
}

export const level = (ratio: number | null): string =>
  ratio === null ? "none" : ratio >= FULL ? "full" : ratio >= BUSY ? "busy" : ratio >= 0.5 ? "half" : "calm";

/** Utilisation of one direction: a bar and its number. */
export function Load(props: { ratio: number | null; why?: string | undefined; title?: string | undefined; down?: boolean }): JSX.Element {
  const { ratio } = props;
  // The last rates of an agent outlive the cable by seconds: a share of what is not there would mislead.
  if (props.down) return <span class="muted" title="Nothing passes: the link is down">–</span>;
  return (
    <span class={`load ${level(ratio)}`} title={ratio === null ? undefined : props.title}>
      <span class="track" aria-hidden="true">
        {ratio !== null && <span class="fill" style={{ width: `${Math.min(100, ratio * 100)}%` }} />}
      </span>
      <span class="num">
        <Value value={ratio} as={percent} why={props.why} />
      </span>
    </span>
  );
}

/** Losses per second: quiet at zero, marked when packets are gone. */
export function Drops(props: { value: number | null | undefined; as: (value: number) => string; why?: string | undefined }): JSX.Element {
  if (props.value === 0) return <span class="muted">0</span>;
  if (props.value == null) return <Value {...props} />;
  return (
    <span class="dropping">
      <span aria-hidden="true">▾ </span>
      {props.as(props.value)}
    </span>
  );
}

const GLYPHS: Record<string, string> = {
  up: "●", ok: "●", down: "✕", lost: "✕", unreachable: "✕", degraded: "◐", unknown: "?",
  critical: "◆", warning: "▲", info: "●", pending: "◌", resolved: "✓", firing: "◆",
};

/** A state as sign and word; colour only repeats what they say. */
export function Badge(props: { state: string; text?: string; title?: string | undefined }): JSX.Element {
  const glyph = GLYPHS[props.state] ?? "–";
  const known = props.state in GLYPHS ? props.state : "other";
  return (
    <span class={`badge ${known}`} title={props.title}>
      <span class="glyph" aria-hidden="true">{glyph}</span>
      <span class="word">{props.text ?? props.state}</span>
    </span>
  );
}

export const SeverityBadge = ({ severity }: { severity: Severity }): JSX.Element => <Badge state={severity} />;

// Controls that are not seen and those that reorder text: each shown as what it is, something that cannot be shown.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** A text of a device with nothing hidden in it. */
export const plain = (text: string): string => text.replace(UNSEEN, "\ufffd");

/** A text that somebody else wrote. */
export const Text = ({ children }: { children: string }): JSX.Element => <bdi>{plain(children)}</bdi>;

/** A name that somebody else chose. */
export const Name = ({ children, title }: { children: string; title?: string }): JSX.Element => (
  <bdi class="name" title={plain(title ?? children)}>{plain(children)}</bdi>
);

export const End = ({ end }: { end: LinkEnd }): JSX.Element => !end.watched && end.device === "?" ? (
  <i title="Nobody is heard at the far end: it speaks no LLDP">unknown</i>
) : (
  <bdi class="end" title={plain(`${end.device} ${end.interface}${end.watched ? "" : " (not watched)"}`)}>
    <b>{plain(end.device)}</b> <i>{plain(end.interface)}</i>
  </bdi>
);

/** Runs a view anew each second, for what is told relative to now. */
export function useTick(): void {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
}

/** `3 min`, with the moment itself in the title. */
export function Since(props: { at: string | null | undefined; suffix?: string }): JSX.Element {
  useTick();
  const at = props.at ? Date.parse(props.at) : NaN;
  if (Number.isNaN(at)) return <span class="muted" title="not seen to change">–</span>;
  return (
    <time dateTime={props.at ?? undefined} title={absolute(at)}>
      {duration(Math.max(0, now() - at))}
      {props.suffix}
    </time>
  );
}

export function Panel(props: {
  id?: string;
  title: ComponentChildren;
  note?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={`panel ${props.class ?? ""}`} id={props.id}>
      <header>
        <h2>{props.title}</h2>
        {props.note && <div class="note">{props.note}</div>}
      </header>
      {props.children}
    </section>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }): JSX.Element => <div class="empty">{children}</div>;

/** Selvedge: threads of a cloth and the red one along its finished edge. */
export const Mark = (): JSX.Element => (
  <svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
    <path class="warp" d="M9.5 3v18M14 3v18M18.5 3v18" />
    <path class="weft" d="M7 7h5M16 7h5M11.5 12h5M7 17h5M16 17h5" />
    <path class="edge" d="M4.5 3v18" />
  </svg>
);
