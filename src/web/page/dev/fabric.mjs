// A leaf-spine that moves, for looking at the page without a network. Every reading is a function of the name and
// the time, so that what is now and what history tells agree, and two runs look alike.

const hash = (text) => {
  let h = 2166136261;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h >>> 0) / 2 ** 32;
};
const noise = (seed, at) => hash(`${seed}:${Math.floor(at)}`);
const smooth = (seed, at) => {
  const rest = at - Math.floor(at);
  return noise(seed, at) * (1 - rest) + noise(seed, at + 1) * rest;
};

const iso = (at_s) => new Date(at_s * 1000).toISOString();
const HOSTILE = '<img src=x onerror="alert(1)"> \u202egnp.exe';

/** Scenes: normal, calm, empty, none, discovering, nolinks. */
export class Fabric {
  constructor({ scene = "normal", links = 0, startedAt = Date.now() / 1000 } = {}) {
    this.scene = scene;
    this.startedAt = startedAt;
    const [spines, leaves] = links > 0 ? sides(links) : [4, 8];
    this.cables = [];
    this.names = [];
    const watch = (name, role) => this.names.push({ name, role });
    for (let s = 1; s <= spines; s += 1) watch(`spine${s}`, "spine");
    for (let l = 1; l <= leaves; l += 1) watch(`leaf${l}`, "leaf");
    for (let l = 1; l <= leaves; l += 1) {
      for (let s = 1; s <= spines; s += 1) {
        if (links > 0 && this.cables.length >= links) break;
        this.cable(`leaf${l}`, `Ethernet1/${s}`, `spine${s}`, `Ethernet1/${l}`, 10e9);
      }
    }
    if (links === 0) {
      // A second cable in parallel, a pair of peers, hosts on one or two leaves.
      this.cable("leaf1", "Ethernet1/5", "spine1", "Ethernet1/33", 10e9);
      this.cable("leaf7", "Ethernet1/49", "leaf8", "Ethernet1/49", 40e9);
      for (let h = 1; h <= 14; h += 1) {
        this.cable(`host${h}`, "eth0", `leaf${((h - 1) % leaves) + 1}`, `Ethernet1/${16 + h}`, 1e9, false);
        if (h % 3 === 0) this.cable(`host${h}`, "eth1", `leaf${(h % leaves) + 1}`, `Ethernet1/${16 + h}`, 1e9, false);
      }
    }
    if (scene === "empty" || scene === "none" || scene === "discovering") this.names = this.cables = [];
    if (scene === "nolinks") {
      this.cables = [];
      this.names = this.names.slice(0, 1);
    }
    this.trouble = scene === "normal";
    this.unreachable = this.trouble && links === 0 ? "leaf6" : null;
  }

  cable(d1, i1, d2, i2, speed, bothWatched = true) {
    const [a, b] = [
      { device: d1, interface: i1, watched: bothWatched || !d1.startsWith("host") },
      { device: d2, interface: i2, watched: true },
    ].sort((x, y) => (`${x.device}:${x.interface}` < `${y.device}:${y.interface}` ? -1 : 1));
    this.cables.push({ id: `${a.device}:${a.interface} - ${b.device}:${b.interface}`, a, b, speed, n: this.cables.length });
  }

  /** Utilisation that an end sends at a moment. */
  load(cable, from, at_s) {
    const seed = `${cable.id}${from}`;
    const base = 0.05 + 0.5 * hash(seed) ** 1.6;
    const wave = 0.5 + 0.5 * Math.sin(at_s / (900 + 2400 * hash(`w${seed}`)) + 6.3 * hash(`p${seed}`));
    let load = base * (0.35 + 0.65 * wave) + 0.14 * base * (smooth(seed, at_s / 7) - 0.5);
    if (this.trouble && cable.n === 9 && from === "a") load = 0.955 + 0.04 * smooth("hot", at_s / 5);
    if (this.trouble && cable.n === 14 && from === "b") load = 0.82 + 0.06 * smooth("warm", at_s / 9);
    return Math.min(0.999, Math.max(0.0004, load));
  }

  drops(cable, from, at_s) {
    if (this.trouble && cable.n === 9 && from === "a") return Math.round(1800 * smooth("d", at_s / 4)) / 10;
    if (this.trouble && cable.n === 21 && from === "b") return 0.4 + Math.round(10 * smooth("e", at_s / 6)) / 10;
    return 0;
  }

  /** Why an end is not known at a moment, or null. */
  gap(end, at_s) {
    if (!end.watched) return "not watched";
    if (end.device === this.unreachable && at_s > this.startedAt - 340) return "stale";
    if (at_s < this.startedAt - 20_000) return "no reading";
    const minute = Math.floor(at_s / 60) % 97;
    return end.device.endsWith("3") && minute >= 40 && minute < 44 ? "discontinuity" : null;
  }

  down(cable) {
    return this.trouble && cable.n % 4000 === 2;
  }

  end(cable, side, at_s) {
    const end = cable[side];
    const gap = this.gap(end, at_s);
    const down = this.down(cable);
    const known = (value) => (gap ? null : value);
    return {
      ...end,
      oper_status: gap ? "unknown" : down ? "down" : "up",
      speed_bps: end.watched ? cable.speed : null,
      out_bps: known(down ? 0 : Math.round(this.load(cable, side, at_s) * cable.speed)),
      out_drops_pps: known(down ? 0 : this.drops(cable, side, at_s)),
      in_drops_pps: known(0),
    };
  }

  state(at_s = Date.now() / 1000) {
    const began = this.startedAt;
    const links = this.cables.map((cable) => {
      const [a, b] = [this.end(cable, "a", at_s), this.end(cable, "b", at_s)];
      const down = this.down(cable);
      const use = (side) => {
        const end = side === "a" ? a : b;
        if (end.out_bps !== null) return end.out_bps / cable.speed;
        const other = side === "a" ? b : a; // counted by the other end, where only that one is watched
        return other.out_bps !== null && !end.watched ? this.load(cable, side, at_s) : null;
      };
      const lose = (x, y) => {
        const counted = (x.out_drops_pps ?? 0) + (y.in_drops_pps ?? 0);
        const missing = (x.out_drops_pps === null && x.watched) || (y.in_drops_pps === null && y.watched);
        return counted > 0 || !missing ? counted : null;
      };
      const state = a.oper_status === "down" || b.oper_status === "down" ? "down" : a.oper_status === "up" || b.oper_status === "up" ? "up" : "unknown";
      return {
        id: cable.id, a, b, state,
        since: iso(down ? began - 204 : began - 86_000 - 9_000 * hash(cable.id)),
        heard_at: iso(at_s - 30 * hash(`h${cable.id}`)),
        groups: this.groupsOf(cable),
        utilization: { a_to_b: down ? 0 : use("a"), b_to_a: down ? 0 : use("b") },
        drops_pps: { a_to_b: lose(a, b), b_to_a: lose(b, a) },
      };
    });
    return {
      taken_at: iso(at_s),
      devices: this.names.map(({ name, role }) => this.device(name, role, at_s)),
      links,
      groups: this.groups(links),
      alerts: this.alerts(at_s),
      status: this.status(at_s),
    };
  }

  device(name, role, at_s) {
    const lost = name === this.unreachable;
    const nolinks = this.scene === "nolinks";
    return {
      name,
      address: nolinks ? null : `10.99.${role === "spine" ? 0 : 1}.${name.replace(/\D/g, "")}:161`,
      state: lost ? "unreachable" : "ok",
      why: lost ? "no answer to 3 requests in 6 s" : null,
      since: iso(lost ? this.startedAt - 340 : this.startedAt - 86_000),
      sysDescr: name === "leaf3" ? `Switch OS 4.2\nserial ${HOSTILE}` : `Example Networks ${role} switch, OS 4.31.2F`,
      sysObjectID: "1.3.6.1.4.1.8072.3.2.10",
      sysUpTime_ms: lost ? null : Math.round((at_s - 1_700_000_000 + 1e6 * hash(name)) % 9e6) * 1000,
      interfaces: Math.max(4, this.cables.filter((c) => c.a.device === name || c.b.device === name).length + 2),
      labels: { role, site: name.endsWith("1") ? "paris" : "london" },
    };
  }

  groupsOf(cable) {
    const leaf = [cable.a.device, cable.b.device].find((d) => d.startsWith("leaf"));
    const up = [cable.a.device, cable.b.device].some((d) => d.startsWith("spine"));
    return leaf && up ? [`${leaf} uplinks`] : [];
  }

  groups(links) {
    const byName = new Map();
    for (const link of links) for (const name of link.groups) byName.set(name, [...(byName.get(name) ?? []), link]);
    return [...byName].map(([name, members]) => {
      const ids = (state) => members.filter((link) => link.state === state).map((link) => link.id);
      const [working, unknown] = [ids("up"), ids("unknown")];
      const state = working.length === members.length ? "ok" : working.length + unknown.length < members.length ? (working.length ? "degraded" : "lost") : "unknown";
      return { name, kind: "uplinks", device: name.split(" ")[0], planned: members.map((l) => l.id), working, unknown, state };
    });
  }

  alerts(at_s) {
    if (!this.trouble || this.cables.length < 22) return [];
    const [cut, hot, warm, bad] = [this.cables[2], this.cables[9], this.cables[14], this.cables[21]];
    const alert = (name, severity, state, ago, labels, summary, cause, evidence, action) => ({
      labels: { alertname: name, severity, ...labels },
      annotations: { summary, cause, evidence, action },
      state,
      since: iso(this.startedAt - ago),
      fingerprint: Math.floor(hash(name + JSON.stringify(labels)) * 2 ** 32).toString(16).padStart(8, "0") + "9c1be04a",
    });
    const end = (cable, side) => ({ device: cable[side].device, interface: cable[side].interface });
    const pct = Math.round(this.load(hot, "a", at_s) * 1000) / 10;
    return [
      alert("LinkDown", "critical", "firing", 204, { link: cut.id, device: cut.a.device, interface: cut.a.interface }, `${cut.a.device} – ${cut.b.device} is down`, "Both ends report no signal at the same second: the cable or one optic, not the port's configuration.", `${cut.a.device} ${cut.a.interface} ifOperStatus down by trap linkDown, confirmed by a poll 180 ms later; ${cut.b.device} ${cut.b.interface} down too.`, `Look at the cable between ${cut.a.device} ${cut.a.interface} and ${cut.b.device} ${cut.b.interface}.`),
      alert("DeviceUnreachable", "critical", "firing", 340, { device: "leaf6" }, "leaf6 does not answer SNMP", "Its neighbours still hear it by LLDP: it is up, and its agent or management path is not.", "3 requests without answer in 6 s; last answer 5 min 40 s ago; 4 of 4 neighbours hear it.", "Ask it by ping and by console; its links are shown as unknown until it answers."),
      alert("Saturation", "warning", "firing", 410, { ...end(hot, "a"), direction: "out", link: hot.id }, `${hot.a.device} sends at ${pct} % of 10 Gbit/s to ${hot.b.device}`, "Most of it came within one minute; the parallel paths stay under 40 %: one large flow, not more traffic.", `${(pct / 10).toFixed(2)} Gbit/s over 10 s, above 95 % for 2 min; queue drops began 40 s later.`, "Find the flow on this port, or spread it over the parallel paths."),
      alert("DropsCongestion", "warning", "firing", 370, { ...end(hot, "a"), class: "congestion", direction: "out" }, `${hot.a.device} drops packets towards ${hot.b.device}`, "The port is full: more arrives than 10 Gbit/s can leave.", `ifOutDiscards ${Math.round(this.drops(hot, "a", at_s))} a second, 0.02 % of packets sent.`, "Relieve the link; see its Saturation alert."),
      alert("RedundancyDegraded", "warning", "firing", 204, { device: "leaf1", group: "leaf1 uplinks" }, "leaf1 has 4 of 5 uplinks", `The link ${cut.id} is down.`, "4 of 5 planned paths pass packets.", "Mend the link; one more failure leaves 3."),
      alert("DropsCorruption", "info", "firing", 1900, { ...end(bad, "b"), class: "corruption", direction: "in" }, `Damaged packets on ${bad.b.device} ${bad.b.interface}`, HOSTILE, "ifInErrors 0.9 a second.", "Clean or replace the optic."),
      alert("Saturation", "warning", "pending", 20, { ...end(warm, "b"), direction: "out" }, `${warm.b.device} sends at 84 % of 10 Gbit/s`, "Rising for ten minutes.", "8.4 Gbit/s over 10 s.", "Watch it."),
      alert("LinkFlapping", "warning", "resolved", 5000, { link: this.cables[30 % this.cables.length].id }, "The link was up and down 6 times in 10 minutes", "", "6 changes.", "Check the optic."),
      alert("DeviceRestarted", "info", "resolved", 9000, { device: "spine2" }, "spine2 started anew", "sysUpTime fell.", "sysUpTime 12 s.", "None."),
    ];
  }

  status(at_s) {
    const targets = { total: this.names.length, answered: this.names.length - (this.unreachable ? 1 : 0), failed: this.unreachable ? 1 : 0 };
    if (this.scene === "discovering") Object.assign(targets, { total: 4, answered: 2, failed: 1 });
    if (this.scene === "none") Object.assign(targets, { total: 3, answered: 0, failed: 3 });
    return {
      version: "0.1.0",
      started_at: iso(this.startedAt - 20_000),
      targets,
      polling: { interval_s: 10, polls: Math.round(at_s - this.startedAt) * 12 + 1200, timeouts: 31, latency_p50_ms: 3.2, latency_p99_ms: 41 },
      queue: { capacity: 65536, length: 3, dropped: 0 },
      memory_bytes: 31_400_000,
      receivers: [{ name: "oncall", kind: "webhook", waiting: 0, delivered: 14, last_error: null }],
    };
  }

  interfaces(device, at_s = Date.now() / 1000) {
    const known = this.names.find(({ name }) => name === device);
    if (!known) return [];
    const ports = this.cables
      .filter((c) => c.a.device === device || c.b.device === device)
      .map((cable) => ({ cable, side: cable.a.device === device ? "a" : "b", name: (cable.a.device === device ? cable.a : cable.b).interface }));
    const rows = ports.map(({ cable, side, name }, at) => this.port(device, name, cable, side, at, at_s));
    const spare = { id: `${device} spare`, a: { device, interface: "Ethernet1/48", watched: true }, b: {}, speed: 10e9, n: -1 };
    rows.push({ ...this.port(device, "Ethernet1/48", spare, "a", rows.length, at_s), ifOperStatus: "down", ifAdminStatus: "down", ifAlias: device === "leaf2" ? HOSTILE : "spare" });
    rows.push({ ...this.port(device, "Management1", spare, "a", rows.length, at_s), utilization: { in: null, out: null }, speed_bps: null, unknown: { "utilization.in": "no speed", "utilization.out": "no speed", speed_bps: "missing", ifInErrors: "missing" } });
    return rows;
  }

  port(device, name, cable, side, at, at_s) {
    const gap = this.gap(cable[side], at_s);
    const down = this.down(cable);
    const other = side === "a" ? "b" : "a";
    const [out, into] = [this.load(cable, side, at_s), this.load(cable, other, at_s)].map((load) => (gap ? null : down ? 0 : load));
    const rate = (load, per) => (load === null ? null : (load * cable.speed) / per);
    return {
      device, interface: name, ifIndex: 10 + at, ifDescr: name, ifAlias: cable.n >= 0 ? `to ${cable[other].device}` : "", ifType: 6,
      speed_bps: cable.speed, ifOperStatus: gap ? "unknown" : down ? "down" : "up", ifAdminStatus: "up",
      since: down ? iso(this.startedAt - 204) : null,
      counters: { ifHCInOctets: Math.round(1e14 * hash(name) + at_s * 1e6), ifHCOutOctets: Math.round(3e14 * hash(`o${name}`)), ifInDiscards: 0, ifOutDiscards: 4711, ifInErrors: 12, ifOutErrors: 0 },
      rates: {
        in_bps: rate(into, 1), out_bps: rate(out, 1), in_pps: rate(into, 6400), out_pps: rate(out, 6400),
        in_drops_pps: gap ? null : 0, out_drops_pps: gap ? null : this.drops(cable, side, at_s),
      },
      utilization: { in: into, out },
      unknown: gap ? { in_bps: gap, out_bps: gap } : {},
    };
  }

  history(device, name, from, to, step) {
    const cable = this.cables.find((c) => [c.a, c.b].some((end) => end.device === device && end.interface === name));
    const result = { t: [], in_bps: [], out_bps: [], in_pps: [], out_pps: [], in_drops_pps: [], out_drops_pps: [], step_s: step };
    if (!cable) return result;
    const side = cable.a.device === device && cable.a.interface === name ? "a" : "b";
    const other = side === "a" ? "b" : "a";
    const now = Date.now() / 1000;
    for (let t = from; t <= Math.min(to, now); t += step) {
      const gap = this.gap(cable[side], t);
      const down = this.down(cable) && t > this.startedAt - 204;
      const out = gap ? null : down ? 0 : this.load(cable, side, t) * cable.speed;
      const into = gap ? null : down ? 0 : this.load(cable, other, t) * cable.speed;
      result.t.push(t);
      result.out_bps.push(out);
      result.in_bps.push(into);
      result.out_pps.push(out === null ? null : out / 6400);
      result.in_pps.push(into === null ? null : into / 6400);
      result.out_drops_pps.push(gap ? null : t > now - 410 ? this.drops(cable, side, t) : 0);
      result.in_drops_pps.push(gap ? null : 0);
    }
    return result;
  }
}

/** Spines and leaves that give about so many links. */
function sides(links) {
  const spines = Math.max(2, Math.min(32, Math.round(Math.sqrt(links / 10))));
  return [spines, Math.ceil(links / spines)];
}
