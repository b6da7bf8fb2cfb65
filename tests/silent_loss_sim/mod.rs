//! One link in virtual time: two devices that count, agents that answer late or from caches, and a cable that loses
//! what it is told to. Everything follows from a seed.
//!
//! Both ends see the very same frames; only when and how they tell of them differs.

#![allow(dead_code)] // the test and the bench each use their part of this

use std::sync::Arc;
use std::time::Duration;

use selvedge::detect::silent_loss::Look;
use selvedge::detect::{self, Detectors};
use selvedge::fabric::{
    AdminStatus, Counter, CounterWidth, Counters, EndState, FindingKind, InterfaceId, InterfaceInfo, InterfaceState,
    LinkEnd, LinkHealth, LinkId, LinkState, OperStatus, Rate, Rates, Timestamp, Unknown, Uptime, Verdict,
};
use selvedge::topology::{EndReport, LinkReport};

/// Traffic has one rate in each of these.
const STEP_S: f64 = 0.25;
const START_S: f64 = 1_795_498_200.0;

/// xorshift64*: small, seeded, good enough.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 0 to 1, neither included.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// How many of so many with this probability each.
    fn binomial(&mut self, of: f64, probability: f64) -> f64 {
        let mean = of * probability;
        if mean <= 0.0 {
            return 0.0;
        }
        if mean > 30.0 {
            return (mean + self.normal() * (mean * (1.0 - probability)).sqrt()).round().clamp(0.0, of);
        }
        let (mut count, mut product, floor) = (0.0, self.unit(), (-mean).exp());
        while product > floor {
            count += 1.0;
            product *= self.unit();
        }
        f64::min(count, of)
    }
}

/// How traffic changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// Always the same.
    Steady,
    /// Poisson: independent of each other.
    Smooth,
    /// Another rate every step: 0.5 to 1.5 of the mean.
    Rough,
    /// Bursts at three times the mean, and nothing between.
    Bursts,
    /// A slow tide with roughness on it.
    Tide,
}

/// How an agent answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cache {
    /// Always fresh.
    None,
    /// Refreshed by a timer of so many seconds.
    Timer(f64),
    /// Refreshed by the first question after so many seconds.
    OnDemand(f64),
}

/// What happens on the link.
#[derive(Clone, Debug)]
pub struct Scene {
    pub pps: f64,
    pub traffic: Traffic,
    pub poll_s: f64,
    pub caches: [Cache; 2],
    /// Mean of the exponential delay of an answer.
    pub jitter_s: f64,
    /// How fast each device's clock runs wrong, parts in a million.
    pub drift_ppm: [f64; 2],
    /// The agent tells its uptime.
    pub uptime: bool,
    /// Frames a second that only the sender, only the receiver counts.
    pub control_pps: [f64; 2],
    /// Of all sent so many are multicast; which ends count them apart from unicast, in a class of their own, or not at all.
    pub multicast: f64,
    pub classes: [Classes; 2],
    /// Of all sent frames so many are discarded by the sender before the wire, and whether it counts them as sent.
    pub discards: f64,
    pub discards_among_sent: bool,
    /// A device restarts that often, in seconds; 0 never.
    pub reset_s: f64,
    /// From when on, until when, how many of all frames are lost.
    pub loss: (f64, f64, f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Classes {
    Apart,
    AllUnicast,
    UnicastAlone,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            pps: 10_000.0,
            traffic: Traffic::Smooth,
            poll_s: 1.0,
            caches: [Cache::None; 2],
            jitter_s: 0.002,
            drift_ppm: [20.0, -30.0],
            uptime: true,
            control_pps: [0.03, 0.03],
            multicast: 0.01,
            classes: [Classes::Apart; 2],
            discards: 0.0,
            discards_among_sent: true,
            reset_s: 0.0,
            loss: (0.0, 0.0, 0.0),
        }
    }
}

impl Scene {
    /// Any healthy link.
    pub fn healthy(random: &mut Random) -> Self {
        let of = |random: &mut Random, n: f64| (random.unit() * n) as usize;
        let cache = |random: &mut Random| match of(random, 4.0) {
            0 | 1 => Cache::None,
            2 => Cache::Timer(random.between(2.9, 3.1)),
            _ => Cache::OnDemand(3.0),
        };
        let poll_s = [1.0, 1.0, 5.0, 10.0, 30.0][of(random, 5.0)];
        let classes = |random: &mut Random| {
            [Classes::Apart, Classes::Apart, Classes::AllUnicast, Classes::UnicastAlone][of(random, 4.0)]
        };
        Self {
            pps: 10f64.powf(random.between(0.0, 6.5)),
            traffic: [Traffic::Steady, Traffic::Smooth, Traffic::Rough, Traffic::Bursts, Traffic::Tide]
                [of(random, 5.0)],
            poll_s,
            caches: [cache(random), cache(random)],
            jitter_s: 10f64.powf(random.between(-4.0, -1.5)),
            drift_ppm: [random.between(-60.0, 60.0), random.between(-60.0, 60.0)],
            uptime: random.unit() < 0.8,
            control_pps: [random.between(0.0, 0.9), random.between(0.0, 0.9)],
            multicast: random.between(0.0, 0.1),
            classes: [classes(random), classes(random)],
            discards: if random.unit() < 0.3 { random.between(0.0, 1e-3) } else { 0.0 },
            discards_among_sent: random.unit() < 0.5,
            reset_s: if random.unit() < 0.3 { 3000.0 } else { 0.0 },
            loss: (0.0, 0.0, 0.0),
        }
    }
}

/// Cumulative truth at the end of each step.
struct Truth {
    sent: Vec<f64>,
    lost: Vec<f64>,
}

impl Truth {
    fn new(scene: &Scene, random: &mut Random, hours: f64) -> Self {
        let steps = (hours * 3600.0 / STEP_S) as usize + 8;
        let (mut sent, mut lost) = (vec![0.0], vec![0.0]);
        let mut burst = (0, 0.0);
        for step in 0..steps {
            let at_s = step as f64 * STEP_S;
            let rough = random.between(0.5, 1.5);
            let share = match scene.traffic {
                Traffic::Steady => 1.0,
                Traffic::Smooth => (1.0 + random.normal() / (scene.pps * STEP_S).max(1.0).sqrt()).max(0.0),
                Traffic::Rough => rough,
                Traffic::Bursts => {
                    if burst.0 == 0 {
                        let on = burst.1 == 0.0;
                        burst = (
                            (random.exponential(if on { 20.0 } else { 40.0 }) as usize) + 1,
                            if on { 3.0 } else { 0.0 },
                        );
                    }
                    burst.0 -= 1;
                    burst.1
                }
                Traffic::Tide => rough * (1.0 + 0.9 * (at_s / 2000.0).sin()),
            };
            let frames = (scene.pps * share * STEP_S).floor();
            let (from, until, ratio) = scene.loss;
            let loses = at_s >= from && at_s < until;
            sent.push(sent[step] + frames);
            lost.push(lost[step] + if loses { random.binomial(frames, ratio) } else { 0.0 });
        }
        Self { sent, lost }
    }

    fn at(of: &[f64], at_s: f64) -> f64 {
        let place = (at_s / STEP_S).max(0.0);
        let step = (place as usize).min(of.len() - 2);
        of[step] + (of[step + 1] - of[step]) * (place - step as f64).min(1.0)
    }
}

struct Agent {
    cache: Cache,
    phase_s: f64,
    counted_at_s: f64,
    started_s: f64,
    drift: f64,
}

impl Agent {
    /// The moment whose counters it answers with.
    fn counted_at(&mut self, at_s: f64) -> f64 {
        self.counted_at_s = match self.cache {
            Cache::None => at_s,
            Cache::Timer(period_s) => ((at_s - self.phase_s) / period_s).floor() * period_s + self.phase_s,
            Cache::OnDemand(ttl_s) if at_s - self.counted_at_s >= ttl_s => at_s,
            Cache::OnDemand(_) => self.counted_at_s,
        };
        self.counted_at_s.max(self.started_s)
    }
}

/// What was said in a scene.
#[derive(Debug, Default)]
pub struct Said {
    /// When loss was first told in the direction that loses, seconds from the start; with the finding's evidence.
    pub lost: Option<(f64, String)>,
    /// Told in the direction that does not lose, or told where there is no loss at all.
    pub falsely: Vec<(f64, FindingKind, String)>,
    pub black_hole_s: Option<f64>,
    pub resolved_s: Option<f64>,
    /// The last estimates: a to b, b to a, as bounds.
    pub bounds: [Option<(f64, f64, f64)>; 2],
    /// True loss and frames of a to b.
    pub truth: (f64, f64),
}

fn interface(device: &str) -> InterfaceState {
    InterfaceState {
        id: InterfaceId::new(device, "p1"),
        info: Arc::new(InterfaceInfo {
            if_name: "p1".into(),
            if_index: 1,
            if_type: 6,
            speed_bps: Some(100_000_000_000),
            ..InterfaceInfo::default()
        }),
        speed_bps: Some(100_000_000_000),
        speed_source: None,
        oper_status: OperStatus::Up,
        admin_status: AdminStatus::Up,
        oper_changed_at: None,
        seen_up: true,
        polled_at: None,
        counters: Counters::default(),
        rates: Rates::default(),
        utilization_in: Rate::Unknown(Unknown::FirstSample),
        utilization_out: Rate::Unknown(Unknown::FirstSample),
    }
}

fn report(ends: &[InterfaceState; 2]) -> LinkReport {
    let end = |state: &InterfaceState| EndState {
        end: LinkEnd { interface: state.id.clone(), watched: true },
        oper_status: OperStatus::Up,
        speed_bps: state.speed_bps,
        speed_source: None,
        out_bps: Rate::Known(0.0),
        utilization_out: Rate::Known(0.0),
        out_drops_pps: Rate::Known(0.0),
        in_drops_pps: Rate::Known(0.0),
    };
    let state = LinkState {
        id: LinkId::new(&ends[0].id, &ends[1].id),
        a: end(&ends[0]),
        b: end(&ends[1]),
        health: LinkHealth::Up,
        since: Timestamp::default(),
        heard_at: Some(Timestamp::default()),
        groups: Vec::new(),
        stands_by: false,
    };
    LinkReport { state, a: EndReport::default(), b: EndReport::default(), missing: false }
}

/// What an end counts of what it sends: (unicast, multicast and broadcast if counted).
fn classed(classes: Classes, frames: f64, multicast: f64) -> (f64, Option<f64>) {
    match classes {
        Classes::Apart => (frames - (frames * multicast).floor(), Some((frames * multicast).floor())),
        Classes::AllUnicast => (frames, Some(0.0)),
        Classes::UnicastAlone => (frames - (frames * multicast).floor(), None),
    }
}

/// Play a scene for so many hours; stop early when `until_told` and loss is told.
pub fn play(scene: &Scene, seed: u64, hours: f64, until_told: bool) -> Said {
    let mut random = Random::new(seed);
    let ways = [0, 1].map(|way| {
        let loss = if way == 0 { scene.loss } else { (0.0, 0.0, 0.0) };
        Truth::new(&Scene { loss, ..scene.clone() }, &mut random, hours)
    });
    let mut agents = [0, 1].map(|at| Agent {
        cache: scene.caches[at],
        phase_s: random.between(0.0, 3.0),
        counted_at_s: -1e9,
        started_s: -random.between(1e4, 1e6),
        drift: 1.0 + scene.drift_ppm[at] * 1e-6,
    });
    let mut ends = ["a", "b"].map(interface);
    let report = report(&ends);
    let mut settings = detect::Settings::default();
    (settings.silent_loss.enabled, settings.black_hole.enabled) = (true, true);
    let mut detectors = Detectors::new(settings);
    let mut said = Said::default();
    let mut next = [random.between(1.0, 1.0 + scene.poll_s), random.between(1.0, 1.0 + scene.poll_s)];
    let mut restarted_s = [f64::MIN, f64::MIN];
    let (mut received_at, mut told_hole) = ([0.0_f64; 2], false);
    while next[0].min(next[1]) < hours * 3600.0 - 2.0 {
        let at = usize::from(next[1] < next[0]);
        let asked_s = next[at];
        next[at] += scene.poll_s * random.between(0.99, 1.01);
        let read_s = asked_s + random.exponential(scene.jitter_s / 4.0);
        let answered_s = (read_s + random.exponential(scene.jitter_s)).max(received_at[at] + 1e-4);
        received_at[at] = answered_s;
        if scene.reset_s > 0.0 && random.unit() < scene.poll_s / scene.reset_s {
            agents[at].started_s = read_s - 0.5;
            restarted_s[at] = read_s - 0.5;
        }
        let counted_s = agents[at].counted_at(read_s);
        let from_s = restarted_s[at].max(0.0);
        let (out, into) = (&ways[at], &ways[1 - at]);
        let since = |of: &[f64]| Truth::at(of, counted_s) - Truth::at(of, from_s);
        let control = |pps: f64| ((counted_s - from_s) * pps).max(0.0);
        let sent = since(&out.sent);
        let discarded = (sent * scene.discards).floor();
        let on_wire_in = since(&into.sent);
        let received = on_wire_in - since(&into.lost);
        let sent_counted =
            sent + control(scene.control_pps[0]) + if scene.discards_among_sent { discarded } else { 0.0 };
        let (out_ucast, out_others) = classed(scene.classes[at], sent_counted.floor(), scene.multicast);
        let (in_ucast, in_others) =
            classed(scene.classes[at], (received + control(scene.control_pps[1]) + 1e-3).floor(), scene.multicast);
        let mut counters = Counters::default();
        let mut set = |counter, value: f64| counters.set(counter, value.max(0.0) as u64, CounterWidth::Bits64);
        set(Counter::OutUcastPkts, out_ucast);
        set(Counter::InUcastPkts, in_ucast);
        if let (Some(out_others), Some(in_others)) = (out_others, in_others) {
            set(Counter::OutMulticastPkts, out_others);
            set(Counter::OutBroadcastPkts, 0.0);
            set(Counter::InMulticastPkts, in_others);
            set(Counter::InBroadcastPkts, 0.0);
        }
        set(Counter::OutDiscards, discarded);
        set(Counter::OutErrors, 0.0);
        set(Counter::InDiscards, 0.0);
        set(Counter::InErrors, 0.0);
        set(Counter::OutOctets, out_ucast * 800.0);
        set(Counter::InOctets, in_ucast * 800.0);
        ends[at].counters = counters;
        let now = Timestamp::from_micros(((START_S + answered_s) * 1e6) as i64);
        let hundredths = (read_s - agents[at].started_s) * agents[at].drift * 100.0;
        let uptime = scene.uptime.then_some(Uptime(hundredths as u32));
        let look = Look { now, uptime, discontinuity: None, state: &ends[at], local: false, report: &report };
        for (key, verdict) in detectors.compare(look) {
            match (key.kind, verdict) {
                (FindingKind::BlackHole, Verdict::Present(_)) if !told_hole => {
                    told_hole = true;
                    said.black_hole_s = Some(answered_s);
                    if scene.loss.2 < 1.0 || answered_s < scene.loss.0 {
                        said.falsely.push((answered_s, key.kind, String::new()));
                    }
                }
                (FindingKind::BlackHole, Verdict::Absent) => {
                    told_hole = false;
                    said.resolved_s = Some(answered_s);
                }
                (FindingKind::SilentLoss, Verdict::Present(finding)) => {
                    let loses = key.direction == Some(selvedge::fabric::Direction::Out)
                        && scene.loss.2 > 0.0
                        && answered_s > scene.loss.0;
                    let words = format!("{} {}", finding.evidence.summary, finding.evidence.evidence);
                    if !loses {
                        said.falsely.push((answered_s, key.kind, words));
                        return said;
                    }
                    said.lost.get_or_insert((answered_s - scene.loss.0, words));
                }
                (FindingKind::SilentLoss, Verdict::Absent) => said.resolved_s = Some(answered_s),
                _ => {}
            }
        }
        if until_told && said.lost.is_some() {
            break;
        }
    }
    let bounds = |loss: Result<selvedge::fabric::LossEstimate, _>| loss.ok().map(|of| (of.low, of.ratio, of.high));
    if let Some(loss) = detectors.losses().into_iter().next() {
        said.bounds = [bounds(loss.a_to_b), bounds(loss.b_to_a)];
    }
    said.truth = (ways[0].lost.last().copied().unwrap_or(0.0), ways[0].sent.last().copied().unwrap_or(0.0));
    said
}

/// A span in words.
pub fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
