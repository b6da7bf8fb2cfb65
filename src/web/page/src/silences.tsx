// What keeps an alert from being told: a cause, a silence, a maintenance window; and silences, to be looked at, made
// and ended. The server decides who may; where it says no, its words are shown.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ApiError, type Alert } from "./api";
import { Empty, Name, Panel, Text } from "./parts";
import { setParam, to } from "./route";
import { absolute } from "./units";

import "./silences.css";

export interface Reference {
  fingerprint: string;
  name: string;
}

/** How an alert stands with those who are told; an older server says nothing of it. */
export interface Standing {
  told?: boolean;
  quiet?: "maintenance" | "silenced" | "explained" | "held" | null;
  explained_by?: Reference[];
  explains?: { count: number; alerts: Reference[] };
  silenced_by?: string[];
  maintenance?: string[];
}

interface Window {
  state: "active" | "pending" | "expired";
  matchers: string[];
  starts_at: string | null;
  ends_at: string | null;
  alerts: number;
}

interface Silence extends Window {
  id: string;
  created_by: string;
  comment: string;
}

interface Mutes {
  silences: Silence[];
  maintenance: (Window & { name: string; repeats: boolean })[];
  may_change: boolean;
}

export const standing = (alert: Alert): Standing => alert as Alert & Standing;
export const isQuiet = (alert: Alert): boolean => alert.state === "firing" && standing(alert).quiet != null;

const WORDS = {
  maintenance: ["in maintenance", "A maintenance window holds for it: nobody is told"],
  silenced: ["silenced", "Somebody silenced it: nobody is told"],
  explained: ["explained", "Another alert explains it, and that one is told"],
  held: ["held", "It may have a cause that is not certain yet; it is told in a moment if not"],
} as const;

export function QuietMark({ alert }: { alert: Alert }): JSX.Element | null {
  const { quiet, explains } = standing(alert);
  if (alert.state === "firing" && quiet) return <span class={`mark-quiet ${quiet}`} title={WORDS[quiet][1]}>{WORDS[quiet][0]}</span>;
  if (explains && explains.count > 0) return <span class="mark-quiet" title="Alerts that it explains and that are not told by themselves">+{explains.count}</span>;
  return null;
}

const toAlert = (reference: Reference): string => to(["alerts"], { open: reference.fingerprint });

const References = ({ of }: { of: Reference[] }): JSX.Element => (
  <>{of.map((one, at) => <span key={one.fingerprint}>{at > 0 && ", "}<a href={toAlert(one)}><Name>{one.name}</Name></a></span>)}</>
);

/** The lines of an alert's details on its causes and its silences. */
export function Reasons({ alert }: { alert: Alert }): JSX.Element {
  const { explained_by = [], explains, silenced_by = [], maintenance = [] } = standing(alert);
  const more = explains ? explains.count - explains.alerts.length : 0;
  return (
    <>
      {explained_by.length > 0 && [<dt key="by">Explained by</dt>, <dd key="by-text"><References of={explained_by} /></dd>]}
      {explains && explains.count > 0 && [
        <dt key="explains">Explains</dt>,
        <dd key="explains-text"><References of={explains.alerts} />{more > 0 && ` and ${more} others`}</dd>,
      ]}
      {silenced_by.length > 0 && [
        <dt key="silenced">Silenced by</dt>,
        <dd key="silenced-text"><a href={to(["alerts"], { silences: "1" })}>{silenced_by.join(", ")}</a></dd>,
      ]}
      {maintenance.length > 0 && [<dt key="window">In maintenance</dt>, <dd key="window-text"><Text>{maintenance.join(", ")}</Text></dd>]}
    </>
  );
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, {
    method,
    signal: AbortSignal.timeout(10_000),
    ...(method !== "GET" && { headers: { "content-type": "application/json" } }),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const said = answer !== null && typeof answer === "object" && "error" in answer ? String(answer.error) : "";
    throw new ApiError(said || `${response.status} ${response.statusText}`.trim());
  }
  return answer as T;
}

const SPANS: [string, number][] = [["30 minutes", 1800], ["2 hours", 7200], ["8 hours", 28_800], ["1 day", 86_400], ["1 week", 604_800]];
const USUAL = ["alertname", "device", "interface", "link", "group", "circuit", "direction"];
const AUTHOR = "selvedge-author";

/** The conditions that mean this alert and its like: a link says more than its ends. */
function conditionsOf(alert: Alert): string[] {
  const names = alert.labels["link"] ? ["alertname", "link"] : USUAL;
  return names.filter((name) => alert.labels[name]).map((name) => `${name}=${alert.labels[name]}`);
}

/** From an alert: silence this. */
export function SilenceThis({ alert }: { alert: Alert }): JSX.Element {
  const [open, setOpen] = useState(false);
  if (!open) return <p class="silencethis"><button type="button" onClick={() => setOpen(true)}>Silence this…</button></p>;
  return <SilenceForm conditions={conditionsOf(alert)} done={() => setOpen(false)} />;
}

function SilenceForm({ conditions, done }: { conditions: string[]; done: () => void }): JSX.Element {
  const [failure, setFailure] = useState<string | null>(null);
  const [sending, setSending] = useState(false);
  const send = async (form: HTMLFormElement): Promise<void> => {
    const fields = new FormData(form);
    const text = (name: string): string => String(fields.get(name) ?? "").trim();
    const matchers = text("conditions").split("\n").map((line) => line.trim()).filter(Boolean);
    setSending(true);
    try {
      await ask("POST", "api/silences", { matchers, duration_s: Number(text("span")), author: text("author"), comment: text("comment") });
      localStorage.setItem(AUTHOR, text("author"));
      setParam("silences", "1");
      done();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setSending(false);
    }
  };
  return (
    <form class="silenceform" aria-label="A new silence" onSubmit={(event) => (event.preventDefault(), void send(event.currentTarget))}>
      <label>
        Conditions, one a line, all of which must hold <span class="muted">(= != =~ !~; * stands for anything)</span>
        <textarea name="conditions" rows={Math.max(2, conditions.length)} required spellcheck={false}>{conditions.join("\n")}</textarea>
      </label>
      <label>For <select name="span">{SPANS.map(([words, seconds]) => <option key={seconds} value={seconds} selected={seconds === 7200}>{words}</option>)}</select></label>
      <label>Who <input name="author" required maxLength={200} autocomplete="username" defaultValue={localStorage.getItem(AUTHOR) ?? ""} /></label>
      <label class="wide">Why <input name="comment" required maxLength={900} autocomplete="off" /></label>
      <p>
        <button type="submit" disabled={sending}>Silence</button> <button type="button" onClick={done}>Cancel</button>
        {failure && <span class="failure" role="alert"> <Text>{failure}</Text></span>}
      </p>
    </form>
  );
}

const REFRESH_MS = 3_000;

/** All silences and maintenance windows. */
export function SilencesPanel(): JSX.Element {
  const [mutes, setMutes] = useState<Mutes | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [making, setMaking] = useState(false);
  const look = async (): Promise<void> => {
    if (document.hidden) return;
    try {
      setMutes(await ask<Mutes>("GET", "api/silences"));
      setFailure(null);
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const end = async (id: string): Promise<void> => {
    try {
      await ask("DELETE", `api/silences/${encodeURIComponent(id)}`);
      await look();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  const silences = mutes?.silences ?? [];
  const windows = mutes?.maintenance ?? [];
  const holding = [...silences, ...windows].filter((one) => one.state === "active").length;
  return (
    <Panel id="silences" title="Silences and maintenance" note={mutes && `${holding} in force`}>
      {failure && <p class="failure" role="alert"><Text>{failure}</Text></p>}
      {mutes && silences.length + windows.length === 0 && <Empty><p>Nothing is silenced, and no work is planned.</p></Empty>}
      <ul class="mutes">
        {silences.map((one) => (
          <Row key={one.id} window={one} title={one.comment} note={`by ${one.created_by} · ${one.id}`}>
            {one.state !== "expired" && mutes?.may_change && <button type="button" onClick={() => void end(one.id)}>End</button>}
          </Row>
        ))}
        {windows.map((one) => <Row key={one.name} window={one} title={one.name} note={one.repeats ? "planned, again and again" : "planned"} />)}
      </ul>
      {mutes?.may_change && (making
        ? <SilenceForm conditions={[]} done={() => (setMaking(false), void look())} />
        : <p class="silencethis"><button type="button" onClick={() => setMaking(true)}>New silence…</button></p>)}
      {mutes && !mutes.may_change && <p class="muted silencethis">From here silences can be looked at only: see <code>[web] changes</code>.</p>}
    </Panel>
  );
}

const WHEN = { active: ["until", "ends_at"], pending: ["from", "starts_at"], expired: ["over since", "ends_at"] } as const;

function Row(props: { window: Window; title: string; note: string; children?: JSX.Element | false | null | undefined }): JSX.Element {
  const { window } = props;
  const [word, key] = WHEN[window.state];
  const at = window[key];
  return (
    <li class={window.state}>
      <span class="what">
        <Text>{props.title}</Text>
        <span class="sub">{window.matchers.map((matcher) => <span class="label" key={matcher}><Text>{matcher}</Text></span>)}</span>
        <span class="sub"><Text>{props.note}</Text></span>
      </span>
      <span class="when">{at ? `${word} ${absolute(Date.parse(at))}` : "over"}{window.alerts > 0 && ` · ${window.alerts} alerts`}</span>
      {props.children}
    </li>
  );
}
