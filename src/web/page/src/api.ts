// The shapes that the HTTP API speaks. Names are those of the API; units trail them. A number that is null is
// not known, which is never the same as zero.

export type Known = number | null;
export type LinkHealth = "up" | "down" | "unknown";
export type DeviceHealth = "ok" | "unreachable" | "unknown";
export type GroupHealth = "ok" | "degraded" | "lost" | "unknown";
export type Severity = "info" | "warning" | "critical";
export type AlertState = "pending" | "firing" | "resolved";

export interface Device {
  name: string;
  address: string | null;
  state: DeviceHealth;
  why: string | null;
  since: string | null;
  sysDescr?: string | null;
  sysObjectID?: string | null;
  sysUpTime_ms?: Known;
  interfaces: number;
  labels?: Record<string, string>;
}

export interface LinkEnd {
  device: string;
  interface: string;
  /** We poll this end; where false its names are what the neighbour announced. */
  watched: boolean;
  oper_status: string;
  speed_bps: Known;
  speed_source?: "stated" | "declared" | "members" | "assumed" | null;
  /** Bit/s this end sends into the link. */
  out_bps: Known;
  out_drops_pps: Known;
  in_drops_pps: Known;
  unknown?: Record<string, string>;
}

export interface BothWays {
  a_to_b: Known;
  b_to_a: Known;
}

/** Frames that vanish although both ends count everything as fine; ratios with 95 % confidence. */
export interface Loss {
  ratio: number;
  low: number;
  high: number;
  lost: number;
  sent: number;
  since: string;
  until: string;
}

export interface After {
  link: string;
  from: string;
  to: string;
  before_bps: number;
  after_bps: number;
  capacity_bps: number;
  within_bps: number;
  method: "split" | "estimate";
  basis: "now" | "busy";
}

export interface Worst {
  without: { kind: "device" | "link" | "risk"; name: string };
  utilization: number;
  after: After;
}

export interface Link {
  id: string;
  a: LinkEnd;
  b: LinkEnd;
  state: LinkHealth;
  since: string | null;
  heard_at: string | null;
  groups: string[];
  /** 0 to 1, against the slower of both ends. */
  utilization: BothWays;
  drops_pps?: BothWays;
  /** After the failure that is worst for it; null where nothing can be claimed. */
  headroom?: Worst | null;
  loss_ratio?: { a_to_b: Loss | null; b_to_a: Loss | null; why?: { a_to_b?: string; b_to_a?: string } };
  unknown?: Record<string, string>;
}

export interface Group {
  name: string;
  kind: "parallel" | "uplinks" | "lag" | "ecmp" | "gateways" | "declared";
  device: string | null;
  planned: string[];
  working: string[];
  unknown: string[];
  state: GroupHealth;
}

export interface Alert {
  labels: Record<string, string>;
  annotations: { summary?: string; cause?: string; evidence?: string; action?: string };
  state: AlertState;
  since: string;
  fingerprint: string;
}

/** What Selvedge says of itself: free-form but for what the page needs while it discovers. */
export interface Status {
  version?: string;
  started_at?: string;
  targets?: { total?: number; answered?: number; failed?: number };
  [more: string]: unknown;
}

/** The data of a `state` event: everything that is known, at one moment. */
export interface State {
  taken_at: string;
  devices: Device[];
  links: Link[];
  groups: Group[];
  alerts: Alert[];
  status: Status;
}

export interface Interface {
  device: string;
  interface: string;
  ifIndex: number | null;
  ifDescr?: string | null;
  ifAlias?: string | null;
  ifType?: number | string | null;
  speed_bps: Known;
  speed_source?: "stated" | "declared" | "members" | "assumed" | null;
  ifOperStatus: string;
  ifAdminStatus: string;
  since: string | null;
  counters: Record<string, Known>;
  rates: Record<string, Known>;
  utilization: { in: Known; out: Known };
  unknown?: Record<string, string>;
}

export interface History {
  /** Unix seconds, rising. */
  t: number[];
  in_bps: Known[];
  out_bps: Known[];
  in_pps: Known[];
  out_pps: Known[];
  in_drops_pps: Known[];
  out_drops_pps: Known[];
  step_s: number;
}

/** Whom a single point of failure would cut off from what. */
export interface Effect {
  from: string;
  to: string;
  /** Some of them by name; `total` are meant. */
  cut_off: string[];
  total: number;
}

/** A device, a link or a shared risk whose loss alone cuts somebody off. */
export interface Point {
  kind: "device" | "link" | "risk";
  name: string;
  /** It would be one even if all that is planned worked. */
  planned: boolean;
  /** `[[protect]]` asks for what it breaks. */
  protected: boolean;
  effects: Effect[];
  /** Links whose failure made it one, the latest first. */
  because: string[];
  since: string | null;
  /** The device that tells of it. */
  told_by: string | null;
  summary: string;
}

export interface CutOff {
  name: string;
  to: string;
  protected: boolean;
}

export type Standing = "ok" | "degraded" | "critical" | "lost" | "unknown";

export interface GroupLine extends Omit<Group, "state"> {
  state: Standing;
  /** What the next failure would do. */
  next: string;
}

export interface Ways {
  name: string;
  to: string;
  /** Ways that share no link, and those that share no device; null where they were not counted. */
  by_links: Known;
  by_devices: Known;
}

/** `/api/audit`: what is doubled and what is not, as it is or as it would be. */
export interface Ledger {
  taken_at: string;
  findings: number;
  what_if: {
    without: string[];
    cut_off: CutOff[];
    groups: { name: string; planned: number; before: number; after: number; state: Standing }[];
    points: string[];
    headroom?: HeadroomCase;
  } | null;
  cut_off: CutOff[];
  points: Point[];
  points_left_out: number;
  groups: GroupLine[];
  ways: Ways[];
  ways_bound: number;
  unmatched: string[];
  risks: string[];
  headroom?: { cases: HeadroomCase[]; cases_left_out: number; links: Worst[]; links_left_out: number; notes: string[] };
}

/** A failure that would not be survived. */
export interface HeadroomCase {
  kind: "device" | "link" | "risk";
  name: string;
  over: After[];
  over_total: number;
  lost_bps: number;
  summary: string;
}

/** A request that was not answered with what it asked for. */
export class ApiError extends Error {}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(10_000);
  const response = await fetch(path, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  if (!response.ok) throw new ApiError(await reason(response));
  return (await response.json()) as T;
}

/** What the server says of its refusal, else the bare status. */
async function reason(response: Response): Promise<string> {
  const status = `${response.status} ${response.statusText}`.trim();
  const body: unknown = await response.json().catch(() => null);
  return body !== null && typeof body === "object" && "error" in body ? String(body.error) : status;
}

const query = (fields: Record<string, string | number>): string =>
  Object.entries(fields)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join("&");

export const fetchInterfaces = (device: string, signal?: AbortSignal): Promise<Interface[]> =>
  get(`api/interfaces?${query({ device })}`, signal);

export const fetchHistory = (
  end: { device: string; interface: string },
  span: { from: number; to: number; step: number },
  signal?: AbortSignal,
): Promise<History> => get(`api/history?${query({ device: end.device, interface: end.interface, ...span })}`, signal);

export const fetchStatus = (signal?: AbortSignal): Promise<Status> => get("api/status", signal);

export const fetchLedger = (without: string[], ways: boolean, signal?: AbortSignal): Promise<Ledger> =>
  get(`api/audit?${new URLSearchParams([...without.map((what) => ["without", what]), ["ways", ways ? "yes" : "no"]]).toString()}`, signal);
