// The frame around every view: name, search, where one can go, and whether what is shown is still true.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { AboutView } from "./about";
import { AlertsView } from "./alerts";
import { AuditView } from "./audit";
import { DeviceView, InterfaceView, LinkView } from "./details";
import type { Fabric } from "./fabric";
import { useLive, type Live } from "./live";
import { Empty, Mark, useTick } from "./parts";
import { Overview } from "./overview";
import { setParam, to, useRoute, type Route } from "./route";
import { choose, chosen, THEMES, type Theme } from "./theme";
import { count, duration } from "./units";

export function App(): JSX.Element {
  const live = useLive();
  const route = useRoute();
  const { fabric, connection } = live;
  useTitle(route, fabric);
  const main = useArrival(route);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>Skip to the content</a>
      <Header live={live} route={route} />
      {connection === "lost" && <LostBanner live={live} />}
      <main id="main" ref={main} tabIndex={-1} class={connection === "lost" && fabric ? "stale" : ""}>
        {fabric ? <View route={route} fabric={fabric} /> : <Waiting lost={connection === "lost"} />}
      </main>
    </>
  );
}

function View({ route, fabric }: { route: Route; fabric: Fabric }): JSX.Element {
  const [view, one, two] = route.path;
  if (view === undefined) return <Overview fabric={fabric} />;
  if (view === "link" && one !== undefined) return <LinkView key={one} fabric={fabric} id={one} />;
  if (view === "device" && one !== undefined) return <DeviceView key={one} fabric={fabric} name={one} />;
  if (view === "interface" && one !== undefined && two !== undefined) {
    return <InterfaceView key={`${one}\n${two}`} fabric={fabric} device={one} name={two} />;
  }
  if (view === "alerts") return <><h1 class="sr" tabIndex={-1}>Alerts</h1><AlertsView fabric={fabric} /></>;
  if (view === "audit") return <AuditView fabric={fabric} />;
  if (view === "about") return <AboutView status={fabric.state.status} />;
  return <Empty><h1 tabIndex={-1}>There is nothing here</h1><p><a href="#/">To the overview</a></p></Empty>;
}

const Waiting = ({ lost }: { lost: boolean }): JSX.Element => (
  <Empty>
    <h1>{lost ? "Selvedge does not answer" : "Connecting…"}</h1>
    <p>{lost ? "It may not be running, or still be starting. This page tries again by itself." : "Waiting for the first look at the fabric."}</p>
  </Empty>
);

function LostBanner({ live }: { live: Live }): JSX.Element {
  useTick();
  const ms = Date.now() - (live.lostAt ?? Date.now());
  return (
    <div class="banner" role="alert">
      <b>Selvedge does not answer</b>
      <span>{live.fabric ? ` What is below is what was last known, ${duration(Date.now() - (live.heardAt ?? Date.now()))} ago.` : ""} Reconnecting{ms > 3000 ? `, for ${duration(ms)}` : ""}…</span>
    </div>
  );
}

function Header({ live, route }: { live: Live; route: Route }): JSX.Element {
  const { fabric } = live;
  const [view] = route.path;
  const here = (name: string | undefined): "page" | undefined => (view === name ? "page" : undefined);
  const critical = fabric?.firing.some((alert) => alert.labels["severity"] === "critical");
  return (
    <header class="bar">
      <a class="brand" href="#/" aria-label="Selvedge, overview"><Mark /><span>Selvedge</span></a>
      <nav aria-label="Views">
        <a href="#/" aria-current={here(undefined)}>Overview</a>
        <a href={to(["alerts"])} aria-current={here("alerts")}>
          Alerts{fabric && fabric.firing.length > 0 && <span class={`n ${critical ? "critical" : ""}`}>{count(fabric.firing.length)}</span>}
        </a>
        <a href={to(["audit"])} aria-current={here("audit")}>Audit</a>
        <a href={to(["about"])} aria-current={here("about")}>About</a>
      </nav>
      {fabric && <Counts fabric={fabric} />}
      <Search route={route} />
      <Pulse live={live} />
      <ThemeButton />
    </header>
  );
}

function Counts({ fabric }: { fabric: Fabric }): JSX.Element {
  const { counts, state } = fabric;
  return (
    <p class="counts">
      <span title="Devices that answer, of all"><b>{count(counts.answering)}</b>/{count(state.devices.length)} devices</span>
      <span title="Links that pass packets, of all"><b>{count(counts.up)}</b>/{count(state.links.length)} links up</span>
    </p>
  );
}

/** `/` goes to it from anywhere, Esc clears it; on other views, Enter takes the search to the overview. */
function Search({ route }: { route: Route }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const text = route.params.get("q") ?? "";
  const onOverview = route.path.length === 0;
  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      const typing = (event.target as Element | null)?.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const take = (value: string): void => {
    if (onOverview) setParam("q", value);
    else location.hash = to([], value ? { q: value } : {});
  };
  return (
    <form class="search" role="search" onSubmit={(event) => (event.preventDefault(), take(field.current?.value ?? ""))}>
      <input
        ref={field}
        type="search"
        aria-label="Filter links, devices and groups"
        aria-keyshortcuts="/"
        placeholder="Filter: leaf1, spine, is:down"
        title="All words must occur, as in: leaf1: spine2. Also is:down is:unknown is:drops is:busy is:trouble"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => onOverview && take(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          if (event.currentTarget.value === "") event.currentTarget.blur();
          event.currentTarget.value = "";
          if (onOverview) take("");
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function Pulse({ live }: { live: Live }): JSX.Element {
  useTick();
  const age = live.heardAt === null ? null : Date.now() - live.heardAt;
  const word = live.connection === "live" ? "live" : live.connection === "lost" ? "reconnecting" : "connecting";
  return (
    <p class={`pulse ${live.connection}`} title="Selvedge sends what changed as it changes, at most once a second">
      <span class="dot" aria-hidden="true" />
      <span role="status">{word}</span>
      {age !== null && <span class="age">last update {age < 1500 ? "now" : `${duration(age)} ago`}</span>}
    </p>
  );
}

const SIGNS: Record<Theme, string> = { auto: "◐", light: "☀", dark: "☾" };

function ThemeButton(): JSX.Element {
  const [theme, set] = useState(chosen());
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
  return (
    <button
      type="button"
      class="theme"
      aria-label={`Colours: ${theme}. Change to ${next}`}
      title={`Colours: ${theme}`}
      onClick={() => {
        choose(next);
        set(next);
      }}
    >
      {SIGNS[theme]}
    </button>
  );
}

function useTitle({ path }: Route, fabric: Fabric | null): void {
  const firing = fabric?.firing.length ?? 0;
  const [view, one, two] = path;
  const where = view === undefined ? "" : view === "interface" ? `${one} ${two}` : (one ?? view);
  useEffect(() => {
    document.title = `${firing > 0 ? `(${firing}) ` : ""}${where ? `${where} – ` : ""}Selvedge`;
  }, [firing, where]);
}

/** Following a link starts at the top with the heading in focus; going back returns to where one was. */
function useArrival(route: Route): { current: HTMLElement | null } {
  const main = useRef<HTMLElement>(null);
  const places = useRef(new Map<string, number>());
  const followed = useRef(false);
  const path = route.path.join("/");
  const before = useRef(path);
  useEffect(() => {
    const scrolled = (): void => void places.current.set(before.current, scrollY);
    const clicked = (): void => {
      followed.current = true;
      setTimeout(() => (followed.current = false), 500);
    };
    addEventListener("scroll", scrolled, { passive: true });
    addEventListener("click", clicked, true);
    return () => {
      removeEventListener("scroll", scrolled);
      removeEventListener("click", clicked, true);
    };
  }, []);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    scrollTo(0, followed.current ? 0 : (places.current.get(path) ?? 0));
    main.current?.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true });
  }, [path]);
  return main;
}
