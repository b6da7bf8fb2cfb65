// Where the reader is: a path of segments and parameters, all in the hash, so that every view is a URL that can
// be kept or sent. `#/link/leaf1%3Aspine1%20-%20spine1%3Aleaf1?range=1h`

import { useEffect, useState } from "preact/hooks";

export interface Route {
  path: string[];
  params: URLSearchParams;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // half an escape, typed by hand: take it as it stands
  }
}

export function parse(hash: string): Route {
  const [path = "", params = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decode), params: new URLSearchParams(params) };
}

/** The address of a view, for `href`. */
export function to(path: string[], params: Record<string, string> = {}): string {
  const search = new URLSearchParams(params).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

export const toLink = (id: string): string => to(["link", id]);
export const toDevice = (name: string): string => to(["device", name]);
export const toInterface = (device: string, name: string): string => to(["interface", device, name]);
/** The audit, as if these were gone. */
export const toAudit = (without: string[] = []): string =>
  `#/audit${without.length > 0 ? `?${new URLSearchParams(without.map((what) => ["without", what]))}` : ""}`;

let current = parse(location.hash);
const watchers = new Set<(route: Route) => void>();

function changed(): void {
  current = parse(location.hash);
  for (const watcher of watchers) watcher(current);
}
addEventListener("hashchange", changed);

/** Set or drop one parameter of the view we are in, without a step in the browser's history. */
export function setParam(key: string, value: string | null): void {
  const params = new URLSearchParams(current.params);
  if (value) params.set(key, value);
  else params.delete(key);
  const search = params.toString();
  history.replaceState(history.state, "", to(current.path) + (search ? `?${search}` : ""));
  changed();
}

export function useRoute(): Route {
  const [route, set] = useState(current);
  useEffect(() => {
    watchers.add(set);
    set(current);
    return () => void watchers.delete(set);
  }, []);
  return route;
}
