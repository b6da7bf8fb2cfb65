// Alerts: what is wrong, since when, and on opening one: why we think so and what to do.

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { Alert } from "./api";
import { endKey, severityOf, type Fabric } from "./fabric";
import { Badge, Empty, Name, Panel, SeverityBadge, Since, Text } from "./parts";
import { setParam, to, toDevice, toInterface, toLink, useRoute } from "./route";
import { isQuiet, QuietMark, Reasons, SilencesPanel, SilenceThis, standing } from "./silences";
import { Table, type Column } from "./table";

const AT_ONCE = 8;

/** What an alert is about, as a way to go there. */
export function Subject({ alert, fabric }: { alert: Alert; fabric: Fabric }): JSX.Element {
  const { link, device, interface: name } = alert.labels;
  if (link) return fabric.linkById.has(link) ? <a href={toLink(link)}><Name>{link}</Name></a> : <Name>{link}</Name>;
  if (device && name) return <a href={toInterface(device, name)}><Name>{`${device}:${name}`}</Name></a>;
  if (device) return <a href={toDevice(device)}><Name>{device}</Name></a>;
  const group = alert.labels["group"];
  return group ? <Name>{group}</Name> : <span class="muted">the whole fabric</span>;
}

const PARTS = ["cause", "evidence", "action"] as const;
const TITLES = { cause: "Likely cause", evidence: "Evidence", action: "What to do" };
const SHOWN_ELSEWHERE = new Set(["alertname", "severity"]);

export function Details({ alert, fabric }: { alert: Alert; fabric: Fabric }): JSX.Element {
  const labels = Object.entries(alert.labels).filter(([key]) => !SHOWN_ELSEWHERE.has(key));
  return (
    <div class="details">
      <dl>
        {PARTS.map((part) => alert.annotations[part] && [
          <dt key={part}>{TITLES[part]}</dt>,
          <dd key={`${part}-text`} class={part}><Text>{alert.annotations[part]}</Text></dd>,
        ])}
        <dt>Where</dt>
        <dd><Subject alert={alert} fabric={fabric} /></dd>
        <Reasons alert={alert} />
      </dl>
      <p class="labels">
        {labels.map(([key, value]) => <span class="label" key={key}>{key}=<Text>{value}</Text></span>)}
        <span class="label" title="Stable as long as it is the same trouble">{alert.fingerprint}</span>
      </p>
      {alert.state === "firing" && <SilenceThis alert={alert} />}
    </div>
  );
}

export function AlertItem({ alert, fabric }: { alert: Alert; fabric: Fabric }): JSX.Element {
  return (
    <li class={`alert ${severityOf(alert)} ${alert.state}`}>
      <details>
        <summary>
          {alert.state === "firing" ? <SeverityBadge severity={severityOf(alert)} /> : <Badge state={alert.state} />}
          <span class="summary">
            <Text>{alert.annotations.summary || alert.labels["alertname"] || "alert"}</Text>
            <span class="sub">{alert.labels["alertname"]}{alert.state !== "firing" && ` · ${severityOf(alert)}`}<QuietMark alert={alert} /></span>
          </span>
          <Since at={alert.since} />
        </summary>
        <Details alert={alert} fabric={fabric} />
      </details>
    </li>
  );
}

export function AlertList({ alerts, fabric }: { alerts: Alert[]; fabric: Fabric }): JSX.Element {
  const [all, showAll] = useState(false);
  const shown = all ? alerts.slice(0, 100) : alerts.slice(0, AT_ONCE);
  return (
    <>
      <ul class="alerts">{shown.map((alert) => <AlertItem key={alert.fingerprint} alert={alert} fabric={fabric} />)}</ul>
      {alerts.length > shown.length && (
        <p class="more">
          Showing {shown.length} of {alerts.length}.{" "}
          {!all && <button type="button" class="linkish" onClick={() => showAll(true)}>Show more</button>}{" "}
          <a href={to(["alerts"])}>All alerts</a>
        </p>
      )}
    </>
  );
}

/** Firing first, pending quieter, what nobody is told of and what is over folded away. */
export function AlertsPanel({ fabric }: { fabric: Fabric }): JSX.Element {
  const { pending, resolved } = fabric;
  const firing = fabric.firing.filter((alert) => !isQuiet(alert));
  const quiet = fabric.firing.filter(isQuiet);
  return (
    <Panel
      id="alerts"
      class="alertspanel"
      title="Alerts"
      note={<a href={to(["alerts"])}>{firing.length} firing{quiet.length > 0 && `, ${quiet.length} quiet`}{pending.length > 0 && `, ${pending.length} pending`}</a>}
    >
      {firing.length > 0 && <AlertList alerts={firing} fabric={fabric} />}
      {firing.length === 0 && (
        <div class="quiet">
          <Badge state="ok" text="All quiet" />
          <p class="muted">Nothing fires{pending.length > 0 ? "; what is pending is watched for a little longer before anybody is told." : "."}</p>
        </div>
      )}
      {pending.length > 0 && <AlertList alerts={pending} fabric={fabric} />}
      {quiet.length > 0 && (
        <details class="resolvedbox">
          <summary>{quiet.length} explained, silenced or in maintenance</summary>
          <AlertList alerts={quiet} fabric={fabric} />
        </details>
      )}
      {resolved.length > 0 && (
        <details class="resolvedbox">
          <summary>{resolved.length} recently resolved</summary>
          <AlertList alerts={resolved} fabric={fabric} />
        </details>
      )}
    </Panel>
  );
}

const STATE_ORDER = { firing: 0, pending: 1, resolved: 2 };

export function AlertsView({ fabric }: { fabric: Fabric }): JSX.Element {
  // Notifications lead here with the alert's fingerprint.
  const { params } = useRoute();
  const open = params.get("open");
  const setOpen = (fingerprint: string | null): void => setParam("open", fingerprint);
  const loud = fabric.firing.filter((alert) => !isQuiet(alert));
  const rows = [...loud, ...fabric.pending, ...fabric.firing.filter(isQuiet), ...fabric.resolved];
  const columns: Column<Alert>[] = [
    {
      key: "severity",
      title: "Severity",
      value: (alert) => ["critical", "warning", "info"].indexOf(severityOf(alert)),
      cell: (alert) => <SeverityBadge severity={severityOf(alert)} />,
    },
    { key: "state", title: "State", value: (alert) => STATE_ORDER[alert.state], cell: (alert) => isQuiet(alert) ? <Badge state="other" text={standing(alert).quiet ?? ""} /> : <Badge state={alert.state} /> },
    { key: "alertname", title: "Alert", value: (alert) => alert.labels["alertname"] ?? "", cell: (alert) => alert.labels["alertname"] },
    {
      key: "summary",
      title: "Summary",
      cell: (alert) => (
        <button
          type="button"
          class="linkish summarybutton"
          title={alert.annotations.summary}
          aria-expanded={open === alert.fingerprint}
          onClick={() => setOpen(open === alert.fingerprint ? null : alert.fingerprint)}
        >
          <Text>{alert.annotations.summary || "details"}</Text>
        </button>
      ),
    },
    { key: "subject", title: "Where", cell: (alert) => <Subject alert={alert} fabric={fabric} /> },
    { key: "since", title: "Since", largestFirst: true, value: (alert) => alert.since, cell: (alert) => <Since at={alert.since} /> },
  ];
  const opened = rows.find((alert) => alert.fingerprint === open);
  const quiet = fabric.firing.length - loud.length;
  return (<>
    <Panel title="Alerts" note={`${loud.length} firing, ${quiet > 0 ? `${quiet} quiet, ` : ""}${fabric.pending.length} pending, ${fabric.resolved.length} resolved`}>
      {rows.length === 0 && <Empty><Badge state="ok" text="All quiet" /><p>Nothing fires, nothing is pending, and nothing was resolved of late.</p></Empty>}
      {rows.length > 0 && (
        <Table
          id="alerts"
          caption="All alerts, the most urgent first"
          rows={rows}
          columns={columns}
          rowKey={(alert) => alert.fingerprint}
          rowClass={(alert) => `${alert.state} ${open === alert.fingerprint ? "opened" : ""}`}
          heights={[34, 104]}
          inSight={opened ? 10 : 20}
        />
      )}
      {opened && (
        <section class="openalert" aria-label="The chosen alert">
          <h3><SeverityBadge severity={severityOf(opened)} /> <Text>{opened.annotations.summary ?? ""}</Text></h3>
          <Details alert={opened} fabric={fabric} />
        </section>
      )}
    </Panel>
    <SilencesPanel />
  </>);
}

/** Alerts about a link, an interface or a device, for the view of it. */
export function alertsAbout(fabric: Fabric, what: { link?: string; device?: string; interface?: string }): Alert[] {
  if (what.link) return fabric.alertsOfLink.get(what.link) ?? [];
  if (what.device && what.interface) {
    const row = fabric.linkByEnd.get(endKey({ device: what.device, interface: what.interface }));
    const own = (fabric.alertsOfDevice.get(what.device) ?? []).filter((alert) => alert.labels["interface"] === what.interface);
    return [...new Set([...own, ...(row ? (fabric.alertsOfLink.get(row.link.id) ?? []) : [])])];
  }
  return what.device ? (fabric.alertsOfDevice.get(what.device) ?? []) : [];
}
