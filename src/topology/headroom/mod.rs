//! What the links would carry after each single failure, and which of them could not.
//!
//! ```text
//!   Scene (links, loads, edges) --> Net (nodes, arcs) --> Fit (who sends what to whom) --> Reroute, failure by failure
//!                                         \--> groups: a lost member's load goes to the others by their measured split
//! ```
//!
//! What is said of a group rests on measured loads alone. Beyond it a traffic matrix is estimated ([`fit`]), and what it
//! does not explain is shown: each number has a bound made of the fit's residual on that link and on what fails. Nothing is
//! claimed of a link whose load or capacity is not known, nor where that bound is wide.

mod fit;
mod groups;
mod net;
mod reroute;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::fabric::{DeviceId, LinkId, Timestamp};
use crate::topology::ledger::{PartName, Scene};

use fit::Fit;
use net::{NONE, Net};
use reroute::{Failure, Reroute};

/// Failures that are listed at most, the worst first; the rest is counted.
const MOST_CASES: usize = 500;
/// Links that are named of each failure at most, the worst first; the rest is counted.
const MOST_LINKS: usize = 10;
/// Links that are listed for readers at most, the fullest first; the rest is counted.
const MOST_LISTED: usize = 500;
/// A failure that fills a link so far is remembered, that an alert of it does not come and go.
const NEAR: f64 = 0.95;
/// A link is too full by a failure only if that adds this share of its capacity.
const ADDS: f64 = 0.01;
/// A number that may be off by more than this share of the link's capacity is not claimed.
const WIDEST: f64 = 0.1;

/// Which loads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// As measured now.
    #[default]
    Now,
    /// What each link carries no more than for 99 % of the last day: as if all were at that at once.
    Busy,
}

/// How a number was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Measured loads of the members of one group.
    Split,
    /// The estimated traffic matrix.
    Estimate,
}

/// One direction of a link after a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// The link.
    pub link: LinkId,
    /// Who sends.
    pub from: DeviceId,
    /// Who receives.
    pub to: DeviceId,
    /// What it carries, bit/s.
    pub before_bps: f64,
    /// What it would have to carry.
    pub after_bps: f64,
    /// What it can.
    pub capacity_bps: f64,
    /// How far `after_bps` may be off by what the estimate does not explain.
    pub within_bps: f64,
    /// How it was come by.
    pub method: Method,
    /// Of which loads.
    pub basis: Basis,
}

impl After {
    /// Too full even if the estimate is off by what it may be.
    pub fn is_certain(&self) -> bool {
        self.after_bps - self.within_bps > self.capacity_bps
    }
}

/// A failure that would not be survived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What fails.
    #[serde(flatten)]
    pub part: PartName,
    /// Links that would pass their capacity, the worst first.
    pub over: Vec<After>,
    /// How many would.
    pub over_total: usize,
    /// Of what is measured, what would not fit, bit/s.
    pub lost_bps: f64,
    /// What would have no way at all, bit/s: the single points of failure say whose.
    pub stranded_bps: f64,
    /// Load of the failed part that the estimate does not explain, bit/s.
    pub untraced_bps: f64,
    /// In one sentence.
    pub summary: String,
}

/// One link after the failure that is worst for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// What would be the worst for it.
    pub without: PartName,
    /// How busy the busier direction would be, as a share of its capacity: more than 1 is too much.
    pub utilization: f64,
    /// With all numbers.
    pub after: After,
}

/// What was asked of every part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    /// When it was so.
    pub taken_at: Timestamp,
    /// Which loads.
    pub basis: Basis,
    /// How many failures were looked at.
    pub failures: usize,
    /// Those that would not be survived, the worst first.
    pub cases: Vec<Case>,
    /// How many more there are.
    pub cases_left_out: usize,
    /// Each link after the worst failure; without those of which nothing can be claimed. Sorted by link, but for readers
    /// the fullest first.
    pub links: Vec<Worst>,
    /// How many more there are.
    pub links_left_out: usize,
    /// Failures that fill a link to almost all that it can carry.
    #[serde(skip)]
    pub near: Vec<PartName>,
    /// Failures of which nothing can be said, since what fails is not measured.
    #[serde(skip)]
    pub dark: Vec<PartName>,
    /// Why there are no numbers beyond groups, or of how many links nothing is claimed.
    pub notes: Vec<String>,
    /// Mean difference between estimate and measurement, as a share of the load; none where there is no estimate.
    pub residual: Option<f64>,
}

impl Headroom {
    /// Now and, where it is known, in the busy hour: of each failure and each link the worse.
    pub fn of_scene(scene: &Scene) -> Self {
        let now = Study::new(scene, Basis::Now).all();
        if !is_busy_known(scene) {
            return now;
        }
        now.or_worse(Study::new(scene, Basis::Busy).all())
    }

    fn or_worse(mut self, busy: Self) -> Self {
        let mut cases: BTreeMap<PartName, Case> = BTreeMap::new();
        for case in self.cases.into_iter().chain(busy.cases) {
            match cases.get_mut(&case.part) {
                Some(known) if known.lost_bps >= case.lost_bps => {}
                Some(known) => *known = case,
                None => drop(cases.insert(case.part.clone(), case)),
            }
        }
        self.cases = cases.into_values().collect();
        self.cases.sort_by(worse_first);
        self.cases_left_out =
            self.cases_left_out.max(busy.cases_left_out) + self.cases.len().saturating_sub(MOST_CASES);
        self.cases.truncate(MOST_CASES);
        self.links.extend(busy.links);
        self.links.sort_by(|one, other| {
            one.after.link.cmp(&other.after.link).then(other.utilization.total_cmp(&one.utilization))
        });
        self.links.dedup_by(|other, one| one.after.link == other.after.link);
        self.near.extend(busy.near);
        self.dark.extend(busy.dark);
        self.failures = self.failures.max(busy.failures);
        self
    }

    /// For readers: the fullest links alone.
    #[must_use]
    pub fn listed(mut self) -> Self {
        self.links.sort_by(|one, other| {
            other.utilization.total_cmp(&one.utilization).then_with(|| one.after.link.cmp(&other.after.link))
        });
        self.links_left_out = self.links.len().saturating_sub(MOST_LISTED);
        self.links.truncate(MOST_LISTED);
        self
    }

    /// What is known of a link.
    pub fn of(&self, link: &LinkId) -> Option<&Worst> {
        self.links.binary_search_by(|worst| worst.after.link.cmp(link)).ok().map(|at| &self.links[at])
    }
}

fn is_busy_known(scene: &Scene) -> bool {
    scene.loads.iter().any(|load| load.busy_bps.iter().any(Option::is_some))
}

fn worse_first(one: &Case, other: &Case) -> std::cmp::Ordering {
    other.lost_bps.total_cmp(&one.lost_bps).then_with(|| one.part.cmp(&other.part))
}

/// What would be too full if all this were lost at once; nothing where all would fit. The worse of now and the busy hour.
pub fn without(scene: &Scene, part: &PartName, devices: &[DeviceId], links: &[LinkId]) -> Option<Case> {
    let case = |basis| Study::new(scene, basis).without(part, devices, links);
    let (now, busy) = (case(Basis::Now), if is_busy_known(scene) { case(Basis::Busy) } else { None });
    now.into_iter().chain(busy).min_by(worse_first)
}

/// A scene that was measured, routed and fitted: failures are asked of it.
pub struct Study<'s> {
    scene: &'s Scene,
    basis: Basis,
    net: Net,
    fit: Option<Fit>,
    groups: groups::Groups,
}

/// What one failure does to one direction of a link.
#[derive(Clone, Copy, Debug)]
struct Effect {
    link: u32,
    way: u8,
    after_bps: f64,
    within_bps: f64,
    method: Method,
}

/// The worst for one direction of a link, so far.
#[derive(Clone, Copy, Debug)]
struct Peak {
    share: f64,
    failure: u32,
    effect: Effect,
}

impl<'s> Study<'s> {
    /// Fit the scene's loads.
    pub fn new(scene: &'s Scene, basis: Basis) -> Self {
        Self::from_net(scene, basis, Net::new(scene, basis))
    }

    fn from_net(scene: &'s Scene, basis: Basis, net: Net) -> Self {
        let groups = groups::Groups::of(scene);
        let fit = Fit::of(&net);
        Self { scene, basis, net, fit, groups }
    }

    /// Every single failure.
    pub fn all(&self) -> Headroom {
        let failures = self.failures();
        let mut run = Run::new(self);
        let mut cases = Vec::new();
        for (number, (part, failure)) in failures.iter().enumerate() {
            if let Some(case) = run.case(number as u32, part, failure) {
                cases.push(case);
            }
        }
        let (near, dark) = (std::mem::take(&mut run.near), std::mem::take(&mut run.dark));
        let links = run.worst(&failures);
        cases.sort_by(worse_first);
        let cases_left_out = cases.len().saturating_sub(MOST_CASES);
        cases.truncate(MOST_CASES);
        Headroom {
            taken_at: self.scene.taken_at,
            basis: self.basis,
            failures: failures.len(),
            cases,
            cases_left_out,
            links_left_out: 0,
            near,
            dark,
            notes: self.notes(links.len()),
            links,
            residual: self.residual(),
        }
    }

    /// Whatever is named is lost at once; nothing where all would fit.
    pub fn without(&self, part: &PartName, devices: &[DeviceId], links: &[LinkId]) -> Option<Case> {
        let failure = self.failure(devices, links);
        Run::new(self).case(0, part, &failure)
    }

    /// The fit's mean residual.
    pub fn residual(&self) -> Option<f64> {
        Some(self.fit.as_ref()?.residual(&self.net))
    }

    fn notes(&self, claimed: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.fit.is_none() {
            notes.push(
                "No traffic matrix is estimated: nothing that leaves the fabric is measured, or it is too large. Only groups are looked at."
                    .to_owned(),
            );
        }
        let routed = self.net.arc_of.iter().filter(|arcs| arcs[0] != NONE).count();
        if claimed < routed {
            notes.push(format!(
                "Nothing is claimed of {} of {routed} links: no failure moves load there, or it cannot be traced.",
                routed - claimed
            ));
        }
        let unknown = self.net.edge_bps.iter().filter(|edge| edge.iter().any(|bps| bps.is_nan())).count();
        if unknown > 0 {
            notes.push(format!("Of {unknown} devices it is not known what enters or leaves the fabric there."));
        }
        notes
    }

    /// All parts that could fail: devices, links, shared risks.
    fn failures(&self) -> Vec<(PartName, Failure)> {
        let scene = self.scene;
        let used = |link: &u32| self.net.arc_of[*link as usize][0] != NONE;
        let mut failures = Vec::with_capacity(scene.devices.len() + scene.links.len() + scene.risks.len());
        let mut beside: Vec<Vec<u32>> = vec![Vec::new(); scene.devices.len()];
        for link in (0..scene.links.len() as u32).filter(used) {
            for device in self.net.ends[link as usize].into_iter().flatten() {
                beside[device as usize].push(link);
            }
        }
        for (at, links) in beside.into_iter().enumerate().filter(|(_, links)| !links.is_empty()) {
            let part = PartName::Device { name: scene.devices[at].name.clone() };
            failures.push((part, Failure { links, devices: vec![at as u32] }));
        }
        for link in (0..scene.links.len() as u32).filter(used) {
            failures.push((self.link_part(link), Failure { links: vec![link], devices: Vec::new() }));
        }
        for risk in &scene.risks {
            let failure = self.failure(&risk.devices, &risk.links);
            failures.push((PartName::Risk { name: risk.name.clone() }, failure));
        }
        failures
    }

    fn failure(&self, devices: &[DeviceId], links: &[LinkId]) -> Failure {
        let scene = self.scene;
        let device = |name: &DeviceId| scene.devices.binary_search_by(|device| device.name.cmp(name)).ok();
        let devices: Vec<u32> = devices.iter().filter_map(device).map(|at| at as u32).collect();
        let link = |id: &LinkId| scene.links.binary_search_by(|link| link.id.cmp(id)).ok();
        let mut links: Vec<u32> = links.iter().filter_map(link).map(|at| at as u32).collect();
        for (at, ends) in self.net.ends.iter().enumerate() {
            if ends.is_some_and(|ends| ends.iter().any(|device| devices.contains(device))) {
                links.push(at as u32);
            }
        }
        links.sort_unstable();
        links.dedup();
        links.retain(|link| self.net.arc_of[*link as usize][0] != NONE);
        Failure { links, devices }
    }

    fn link_part(&self, link: u32) -> PartName {
        let link = &self.scene.links[link as usize];
        PartName::Link { name: link.id.clone(), a: link.a.interface.clone(), b: link.b.interface.clone() }
    }

    fn after(&self, effect: Effect) -> After {
        let link = &self.scene.links[effect.link as usize];
        let (a, b) = (link.a.interface.device.clone(), link.b.interface.device.clone());
        let (from, to) = if effect.way == 0 { (a, b) } else { (b, a) };
        After {
            link: link.id.clone(),
            from,
            to,
            before_bps: self.net.load_bps[effect.link as usize][usize::from(effect.way)],
            after_bps: effect.after_bps,
            capacity_bps: self.net.capacity_bps[effect.link as usize],
            within_bps: effect.within_bps,
            method: effect.method,
            basis: self.basis,
        }
    }
}

/// Failure after failure, with the worst of each link kept.
struct Run<'r> {
    study: &'r Study<'r>,
    reroute: Option<Reroute<'r>>,
    peaks: HashMap<(u32, u8), Peak>,
    /// Of cables that twins have in one place the worst is the same share more: by arc.
    twins: HashMap<u32, (f64, f64, u32)>,
    near: Vec<PartName>,
    dark: Vec<PartName>,
}

impl<'r> Run<'r> {
    fn new(study: &'r Study<'r>) -> Self {
        let reroute = study.fit.as_ref().map(|fit| Reroute::new(&study.net, fit));
        Self { study, reroute, peaks: HashMap::new(), twins: HashMap::new(), near: Vec::new(), dark: Vec::new() }
    }

    fn case(&mut self, number: u32, part: &PartName, failure: &Failure) -> Option<Case> {
        let (net, study) = (&self.study.net, self.study);
        let mut effects: HashMap<(u32, u8), Effect> = HashMap::new();
        let (mut stranded_bps, mut untraced_bps) = (0.0, 0.0);
        let split = study.groups.without(net, failure);
        let within_lag = split.iter().any(|split| split.holds);
        if let Some(reroute) = self.reroute.as_mut().filter(|_| !within_lag) {
            let fit = study.fit.as_ref()?;
            reroute.fail(failure);
            stranded_bps = reroute.stranded_bps;
            // How far the estimate is off on what fails.
            let (mut measured, mut off) = (0.0, 0.0);
            for link in &failure.links {
                for (way, arc) in net.arc_of[*link as usize].iter().enumerate() {
                    let load = net.load_bps[*link as usize][way];
                    let arc = &net.arcs[*arc as usize];
                    let guess = fit.predicted_bps[net.arc_of[*link as usize][way] as usize];
                    if load.is_finite() {
                        let whole = if arc.load_bps > 0.0 { load / arc.load_bps } else { 0.0 };
                        measured += load;
                        off += (load - guess * whole).abs();
                    } else {
                        off = f64::NAN;
                    }
                }
            }
            untraced_bps = off;
            if off.is_nan() {
                self.dark.push(part.clone());
            }
            let unsure = if measured > 0.0 { off / measured } else { off };
            let own: HashMap<(u32, u8), f64> = reroute.cables.iter().map(|(cable, bps)| (*cable, *bps)).collect();
            for (cable, added) in &own {
                let load = net.load_bps[cable.0 as usize][usize::from(cable.1)];
                let effect = Effect {
                    link: cable.0,
                    way: cable.1,
                    after_bps: (load + added).max(0.0),
                    within_bps: added.abs() * unsure,
                    method: Method::Estimate,
                };
                effects.insert(*cable, effect);
            }
            for (arc, added) in reroute.touched() {
                if reroute.dead_arc[arc as usize] {
                    continue;
                }
                let on = &net.arcs[arc as usize];
                let residual = (fit.predicted_bps[arc as usize] - on.load_bps).abs();
                let within = residual + added.abs() * unsure;
                if let [(link, way)] = on.cables[..] {
                    let effect = Effect {
                        link,
                        way,
                        after_bps: (on.load_bps + added).max(0.0),
                        within_bps: within,
                        method: Method::Estimate,
                    };
                    effects.entry((link, way)).or_insert(effect);
                    continue;
                }
                let near = reroute.dead_arcs().iter().any(|dead| {
                    let dead = &net.arcs[*dead as usize];
                    dead.from == on.from && dead.cables.len() > 1 || dead.to == on.to && dead.cables.len() > 1
                });
                if near {
                    self::twins(net, reroute.dead_arcs(), arc, added, within, &mut effects);
                    continue;
                }
                // As its share of the load: no cable of them needs a look unless the fullest would be too full.
                let more = if on.load_bps > 0.0 { added / on.load_bps } else { 0.0 };
                let off = if on.load_bps > 0.0 { within / on.load_bps } else { f64::NAN };
                let known = self.twins.entry(arc).or_insert((f64::NEG_INFINITY, 0.0, number));
                if more > known.0 {
                    *known = (more, off, number);
                }
                if on.fullest * (1.0 + more) > NEAR && more > 0.0 {
                    for (link, way) in &on.cables {
                        let load = net.load_bps[*link as usize][usize::from(*way)];
                        let effect = Effect {
                            link: *link,
                            way: *way,
                            after_bps: load * (1.0 + more),
                            within_bps: load * off,
                            method: Method::Estimate,
                        };
                        effects.entry((*link, *way)).or_insert(effect);
                    }
                }
            }
        }
        for split in split {
            for (link, way, after_bps) in split.after {
                let effect = Effect { link, way, after_bps, within_bps: 0.0, method: Method::Split };
                effects.insert((link, way), effect);
            }
        }
        for link in &failure.links {
            for way in [0, 1] {
                effects.remove(&(*link, way));
            }
        }
        let mut over: Vec<Effect> = Vec::new();
        let mut is_near = false;
        for (at, effect) in effects {
            let capacity = net.capacity_bps[at.0 as usize];
            let share = effect.after_bps / capacity;
            // Not finite where load, capacity or what fails is not known.
            if !share.is_finite() || !effect.within_bps.is_finite() || effect.within_bps > WIDEST * capacity {
                continue;
            }
            let peak = self.peaks.entry(at).or_insert(Peak { share, failure: number, effect });
            if share > peak.share {
                *peak = Peak { share, failure: number, effect };
            }
            let load = net.load_bps[at.0 as usize][usize::from(at.1)];
            if effect.after_bps - load > ADDS * capacity {
                is_near |= share > NEAR;
                if share > 1.0 {
                    over.push(effect);
                }
            }
        }
        if over.is_empty() {
            if is_near {
                self.near.push(part.clone());
            }
            return None;
        }
        let share = |effect: &Effect| effect.after_bps / net.capacity_bps[effect.link as usize];
        over.sort_by(|one, other| {
            share(other).total_cmp(&share(one)).then_with(|| (one.link, one.way).cmp(&(other.link, other.way)))
        });
        let lost_bps = over.iter().map(|effect| effect.after_bps - net.capacity_bps[effect.link as usize]).sum();
        let mut case = Case {
            part: part.clone(),
            over_total: over.len(),
            over: over.into_iter().take(MOST_LINKS).map(|effect| study.after(effect)).collect(),
            lost_bps,
            stranded_bps,
            untraced_bps: if untraced_bps.is_finite() { untraced_bps } else { 0.0 },
            summary: String::new(),
        };
        case.summary = words::summary(&case);
        Some(case)
    }

    /// Each link after the worst failure.
    fn worst(mut self, failures: &[(PartName, Failure)]) -> Vec<Worst> {
        let (study, net) = (self.study, &self.study.net);
        for (arc, (more, off, failure)) in self.twins {
            for (link, way) in &net.arcs[arc as usize].cables {
                let load = net.load_bps[*link as usize][usize::from(*way)];
                let share = load * (1.0 + more) / net.capacity_bps[*link as usize];
                let within_bps = load * off;
                if !share.is_finite()
                    || !within_bps.is_finite()
                    || within_bps > WIDEST * net.capacity_bps[*link as usize]
                {
                    continue;
                }
                let effect = Effect {
                    link: *link,
                    way: *way,
                    after_bps: load * (1.0 + more),
                    within_bps,
                    method: Method::Estimate,
                };
                let peak = self.peaks.entry((*link, *way)).or_insert(Peak { share, failure, effect });
                if share > peak.share {
                    *peak = Peak { share, failure, effect };
                }
            }
        }
        let mut peaks: Vec<Peak> = self.peaks.into_values().collect();
        // The scene's links are sorted by id; of both directions the busier.
        peaks.sort_by(|one, other| (one.effect.link).cmp(&other.effect.link).then(other.share.total_cmp(&one.share)));
        peaks.dedup_by_key(|peak| peak.effect.link);
        let worst = |peak: Peak| Worst {
            without: failures[peak.failure as usize].0.clone(),
            utilization: peak.share,
            after: study.after(peak.effect),
        };
        peaks.into_iter().map(worst).collect()
    }
}

/// What is added to the cables of twins that lost one each: by what each of them lost.
fn twins(net: &Net, dead: &[u32], arc: u32, added: f64, within: f64, effects: &mut HashMap<(u32, u8), Effect>) {
    let on = &net.arcs[arc as usize];
    let load = |(link, way): (u32, u8)| net.load_bps[link as usize][usize::from(way)];
    let up = |other: &&u32| net.arcs[**other as usize].from == on.from && net.arcs[**other as usize].cables.len() > 1;
    let down = |other: &&u32| net.arcs[**other as usize].to == on.to && net.arcs[**other as usize].cables.len() > 1;
    let is_up = dead.iter().any(|other| up(&other));
    let weight = |place: usize| -> f64 {
        let of = |other: &u32| load(net.arcs[*other as usize].cables[place]);
        if !is_up {
            return dead.iter().filter(down).map(of).sum();
        }
        let lost: f64 = dead.iter().filter(up).map(of).sum();
        let left: f64 = net.out[on.from as usize].iter().filter(|other| !dead.contains(other)).map(of).sum();
        lost * load(on.cables[place]) / left.max(1.0)
    };
    let weights: Vec<f64> = (0..on.cables.len()).map(weight).collect();
    let all: f64 = weights.iter().sum();
    for ((link, way), weight) in on.cables.iter().zip(&weights) {
        let share = if all > 0.0 { weight / all } else { 1.0 / on.cables.len() as f64 };
        let effect = Effect {
            link: *link,
            way: *way,
            after_bps: (load((*link, *way)) + added * share).max(0.0),
            within_bps: within * share,
            method: Method::Estimate,
        };
        effects.entry((*link, *way)).or_insert(effect);
    }
}
