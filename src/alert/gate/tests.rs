//! The whole table of causes, silences and windows in virtual time: in both orders of arrival, with a restart in between.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::alert::{Maintenance, Saved, Silence};
use crate::fabric::{Evidence, Finding, Verdict};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

fn port(device: &str, name: &str) -> InterfaceId {
    InterfaceId::new(device, name)
}

/// The link between two devices, each of whose ports has the other's name.
fn link(one: &str, other: &str) -> Subject {
    let (a, b) = (port(one, other), port(other, one));
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    Subject::Link { id: LinkId::new(&a, &b), a, b }
}

fn device(name: &str) -> Subject {
    Subject::Device(name.into())
}

fn uplinks(of: &str) -> Subject {
    Subject::Group { name: format!("{of} uplinks").into(), device: Some(of.into()) }
}

fn key(kind: FindingKind, subject: Subject) -> FindingKey {
    FindingKey { kind, subject, direction: None }
}

/// A fabric, what is known of its devices, the book and the gate; and what people heard, as `second: word alert`.
struct World {
    book: Book,
    gate: Gate,
    answered: RefCell<BTreeMap<DeviceId, Timestamp>>,
    /// Ends that said themselves that their link is down.
    said: RefCell<BTreeSet<InterfaceId>>,
    missing: RefCell<BTreeMap<String, Vec<Subject>>>,
    because: RefCell<BTreeMap<FindingKey, Vec<Subject>>>,
    labels: RefCell<BTreeMap<DeviceId, Labels>>,
    /// The last word on every alert that is stored.
    stored: BTreeMap<FindingKey, Alert>,
    heard: Vec<String>,
}

macro_rules! with_view {
    ($world:ident, $view:ident => $call:expr) => {{
        let labels = |id: &DeviceId| $world.labels.borrow().get(id).cloned();
        let link_at = |port: &InterfaceId| Some(link(port.device.as_str(), &port.if_name));
        let missing = |name: &str| $world.missing.borrow().get(name).cloned().unwrap_or_default();
        let because = |key: &FindingKey| $world.because.borrow().get(key).cloned();
        let silent = |id: &LinkId, since: Timestamp| {
            let ends = id.as_str().split(" - ").map(|end| end.split_once(':').unwrap());
            let ends = ends.map(|(device, name)| port(device, name)).filter(|end| !$world.said.borrow().contains(end));
            let answered = $world.answered.borrow();
            let silent = ends.filter(|end| answered.get(&end.device).is_none_or(|at| *at <= since));
            silent.map(|end| end.device).collect()
        };
        let $view = View { labels: &labels, link_at: &link_at, missing: &missing, because: &because, silent: &silent };
        $call
    }};
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let silences = Silences::default();
        Self {
            book: Book::new(),
            gate: Gate::new(settings, silences),
            answered: RefCell::default(),
            said: RefCell::default(),
            missing: RefCell::default(),
            because: RefCell::default(),
            labels: RefCell::default(),
            stored: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    fn observe(&mut self, secs: i64, key: &FindingKey, verdict: Verdict) {
        let steps = self.book.observe(at(secs), key, verdict).into_iter().collect();
        let steps = with_view!(self, view => self.gate.pass(at(secs), &mut self.book, steps, view));
        self.hear(secs, steps);
    }

    fn wrong_as(&mut self, secs: i64, kind: FindingKind, subject: Subject, severity: Severity, pending: u64) {
        let key = key(kind, subject);
        let finding = Finding {
            key: key.clone(),
            severity,
            class: None,
            evidence: Evidence::default(),
            observed_at: at(secs),
            pending_for: Duration::from_secs(pending),
            keep_firing_for: Duration::ZERO,
        };
        self.observe(secs, &key, Verdict::Present(Box::new(finding)));
    }

    fn wrong(&mut self, secs: i64, kind: FindingKind, subject: Subject) {
        self.wrong_as(secs, kind, subject, Severity::Critical, 0);
    }

    /// A device that is silent for five seconds before it counts as dead.
    fn silent(&mut self, secs: i64, name: &str) {
        self.wrong_as(secs, FindingKind::DeviceUnreachable, device(name), Severity::Critical, 5);
    }

    fn fine(&mut self, secs: i64, kind: FindingKind, subject: Subject) {
        self.observe(secs, &key(kind, subject), Verdict::Absent);
    }

    fn answers(&mut self, secs: i64, name: &str) {
        self.answered.borrow_mut().insert(name.into(), at(secs));
        let steps = with_view!(self, view => self.gate.heard(at(secs), &name.into(), &mut self.book, view));
        self.hear(secs, steps);
    }

    fn tick(&mut self, secs: i64) {
        let steps = self.book.tick(at(secs));
        let steps = with_view!(self, view => self.gate.pass(at(secs), &mut self.book, steps, view));
        self.hear(secs, steps);
        let steps = with_view!(self, view => self.gate.tick(at(secs), &mut self.book, view));
        self.hear(secs, steps);
    }

    /// Every second from one to another.
    fn wait(&mut self, from: i64, to: i64) {
        (from..=to).for_each(|secs| self.tick(secs));
    }

    fn hear(&mut self, secs: i64, steps: Vec<Transition>) {
        for step in steps {
            match step.change.is_end() {
                true => drop(self.stored.remove(step.alert.key())),
                false => drop(self.stored.insert(step.alert.key().clone(), step.alert.clone())),
            }
            let word = match step.tell {
                Some(Tell::Began) => "fires",
                Some(Tell::Worse) => "is worse",
                Some(Tell::Over) => "is over",
                None => continue,
            };
            self.heard.push(format!("{secs}: {} {word}", Reference::to(&step.alert).name));
        }
    }

    /// Killed and started again: what was stored is all there is.
    fn restart(&mut self) {
        let alerts = self.stored.values().cloned().collect();
        self.book = Book::new();
        self.book.restore(Saved { alerts, sequence: 10_000 });
        let (settings, silences) = (self.gate.settings.clone(), self.gate.silences.clone());
        self.gate = Gate::new(settings, silences);
        self.labels.borrow_mut().clear();
        self.answered.borrow_mut().clear();
        with_view!(self, view => self.gate.restore(&self.book, view));
    }

    fn quiet(&self, kind: FindingKind, subject: Subject) -> Option<Quiet> {
        self.book.get(&key(kind, subject)).unwrap().standing.quiet
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    fn silence(&mut self, condition: &str, from: i64, to: i64) {
        let silence = Silence {
            id: condition.into(),
            matchers: vec![condition.parse().unwrap()],
            starts_at: at(from),
            ends_at: at(to),
            created_at: at(from),
            created_by: "ada".into(),
            comment: "known".into(),
        };
        self.gate.silences_mut().add(at(from), silence).unwrap();
    }
}

use FindingKind::{
    DeviceRestarted, DeviceUnreachable, LinkDown, LinkFlapping, OpticsOutOfRange, RedundancyDegraded, Saturation,
};

#[test]
fn a_cut_cable_is_told_as_soon_as_its_far_end_is_heard() {
    let mut world = World::new();
    world.said.borrow_mut().insert(port("leaf1", "spine1"));
    world.missing.borrow_mut().insert("leaf1 uplinks".into(), vec![link("leaf1", "spine1")]);
    world.wrong(0, LinkDown, link("leaf1", "spine1"));
    world.wrong(0, RedundancyDegraded, uplinks("leaf1"));
    assert_eq!(world.heard(), [""; 0]);
    assert_eq!(world.quiet(LinkDown, link("leaf1", "spine1")), Some(Quiet::Held));
    assert_eq!(world.gate.asks(), ["spine1".into()], "asked once for both");
    world.answers(1, "spine1");
    assert_eq!(
        world.heard(),
        ["1: LinkDown leaf1:spine1 - spine1:leaf1 fires", "1: RedundancyDegraded leaf1 uplinks fires"]
    );
    world.wait(2, 30);
    world.fine(31, LinkDown, link("leaf1", "spine1"));
    world.fine(31, RedundancyDegraded, uplinks("leaf1"));
    assert_eq!(
        world.heard(),
        ["31: LinkDown leaf1:spine1 - spine1:leaf1 is over", "31: RedundancyDegraded leaf1 uplinks is over"]
    );
}

#[test]
fn both_ends_that_say_it_themselves_need_no_question() {
    let mut world = World::new();
    world.said.borrow_mut().extend([port("leaf1", "spine1"), port("spine1", "leaf1")]);
    world.wrong(0, LinkDown, link("leaf1", "spine1"));
    assert_eq!(world.heard(), ["0: LinkDown leaf1:spine1 - spine1:leaf1 fires"]);
    assert_eq!(world.gate.asks(), []);
}

#[test]
fn a_hold_ends_by_itself_and_none_is_none() {
    let mut world = World::new();
    world.said.borrow_mut().insert(port("leaf1", "spine1"));
    world.wrong(0, LinkDown, link("leaf1", "spine1"));
    world.wait(1, 9);
    assert_eq!(world.heard(), [""; 0]);
    world.tick(10);
    assert_eq!(world.heard(), ["10: LinkDown leaf1:spine1 - spine1:leaf1 fires"]);

    let mut at_once = World::with(Settings { hold: Duration::ZERO, ..Settings::default() });
    at_once.wrong(0, LinkDown, link("leaf1", "spine1"));
    assert_eq!(at_once.heard(), ["0: LinkDown leaf1:spine1 - spine1:leaf1 fires"]);
}

/// 48 leaves lose a spine: the links are seen first, the device's silence later.
fn dead_spine(world: &mut World) {
    for leaf in 0..48 {
        let name = format!("leaf{leaf:02}");
        world.said.borrow_mut().insert(port(&name, "spine1"));
        world.missing.borrow_mut().insert(format!("{name} uplinks"), vec![link(&name, "spine1")]);
        world.wrong(leaf % 3, LinkDown, link(&name, "spine1"));
        world.wrong(leaf % 3, RedundancyDegraded, uplinks(&name));
    }
}

#[test]
fn a_dead_device_with_48_links_is_one_page() {
    let mut world = World::new();
    dead_spine(&mut world);
    assert_eq!(world.gate.asks(), ["spine1".into()]);
    world.wait(3, 5);
    world.silent(6, "spine1");
    world.wait(7, 60);
    assert_eq!(world.heard(), ["11: DeviceUnreachable spine1 fires"]);
    let cause = world.book.get(&key(DeviceUnreachable, device("spine1"))).unwrap();
    assert_eq!((cause.standing.explains.count, cause.standing.explains.alerts.len()), (96, NAMED));
    assert!(cause.annotations()["explains"].starts_with("It explains 96 more alerts: LinkDown leaf00:spine1"));
    assert!(cause.annotations()["explains"].ends_with("and 86 others."));
    let link_alert = world.book.get(&key(LinkDown, link("leaf07", "spine1"))).unwrap();
    assert_eq!(link_alert.standing.explained_by, [Reference::to(cause)]);
    assert_eq!(link_alert.standing.quiet, Some(Quiet::Explained));

    // It comes back, and all but one cable with it: that one is told, a hold after the cause is over.
    world.answers(100, "spine1");
    world.fine(100, DeviceUnreachable, device("spine1"));
    assert_eq!(world.heard(), ["100: DeviceUnreachable spine1 is over"]);
    for leaf in 0..48 {
        let name = format!("leaf{leaf:02}");
        if leaf != 7 {
            world.fine(102, LinkDown, link(&name, "spine1"));
            world.fine(102, RedundancyDegraded, uplinks(&name));
        }
    }
    world.wait(102, 200);
    assert_eq!(
        world.heard(),
        ["110: LinkDown leaf07:spine1 - spine1:leaf07 fires", "110: RedundancyDegraded leaf07 uplinks fires"]
    );
}

#[test]
fn the_other_order_is_one_page_too() {
    let mut world = World::new();
    world.silent(0, "spine1");
    world.wait(1, 5);
    dead_spine(&mut world);
    world.wait(6, 60);
    assert_eq!(world.heard(), ["5: DeviceUnreachable spine1 fires"]);
    assert_eq!(world.gate.asks(), [], "nobody is asked who is known to be dead");
}

#[test]
fn a_restart_of_ours_in_between_repeats_nothing_and_forgets_nothing() {
    for killed in [0, 4, 7, 20] {
        let mut world = World::new();
        dead_spine(&mut world);
        for secs in 3..60 {
            if secs == 6 {
                world.silent(6, "spine1");
            }
            if secs - 3 == killed {
                world.restart();
                if killed >= 4 {
                    // Its detector speaks again: what is unknown does not fire by itself.
                    world.silent(secs, "spine1");
                }
            }
            world.tick(secs);
        }
        assert_eq!(world.heard().len(), 1, "killed after {killed} s");
        world.fine(100, DeviceUnreachable, device("spine1"));
        world.wait(100, 110);
        let heard = world.heard();
        assert_eq!(heard.len(), 1 + 96, "what still stands: {heard:?}");
        world.restart();
        world.wait(111, 130);
        assert_eq!(world.heard(), [""; 0]);
    }
}

#[test]
fn a_cause_that_proves_none_releases_what_waited_for_it() {
    let mut world = World::new();
    world.said.borrow_mut().insert(port("leaf1", "spine1"));
    world.wrong(0, LinkDown, link("leaf1", "spine1"));
    world.silent(6, "spine1");
    world.wait(7, 9);
    world.answers(9, "spine1");
    world.fine(9, DeviceUnreachable, device("spine1"));
    assert_eq!(world.heard(), ["9: LinkDown leaf1:spine1 - spine1:leaf1 fires"], "withdrawn, and heard");
}

#[test]
fn a_device_that_cannot_be_read_explains_nothing() {
    let mut world = World::new();
    world.wrong_as(0, DeviceUnreachable, device("spine1"), Severity::Warning, 0);
    world.said.borrow_mut().extend([port("leaf1", "spine1"), port("spine1", "leaf1")]);
    world.wrong(1, LinkDown, link("leaf1", "spine1"));
    assert_eq!(world.heard().len(), 2);
}

#[test]
fn a_restarted_device_is_given_a_while() {
    let mut world = World::new();
    world.said.borrow_mut().extend([
        port("leaf1", "spine1"),
        port("spine1", "leaf1"),
        port("leaf2", "spine1"),
        port("spine1", "leaf2"),
    ]);
    world.wrong_as(0, DeviceRestarted, device("spine1"), Severity::Info, 0);
    world.wrong(1, LinkDown, link("leaf1", "spine1"));
    world.wrong(1, LinkDown, link("leaf2", "spine1"));
    world.fine(40, LinkDown, link("leaf2", "spine1"));
    world.wait(41, 179);
    assert_eq!(world.heard(), ["0: DeviceRestarted spine1 fires"]);
    world.tick(180);
    assert_eq!(world.heard(), ["180: LinkDown leaf1:spine1 - spine1:leaf1 fires"]);
}

#[test]
fn a_link_that_is_down_explains_its_ports_but_neither_optics_nor_what_is_more_urgent() {
    for (kind, subject, link_severity, explained) in [
        (Saturation, Subject::Interface(port("leaf1", "spine1")), Severity::Critical, true),
        (Saturation, Subject::Interface(port("spine1", "leaf1")), Severity::Critical, true),
        (LinkFlapping, link("leaf1", "spine1"), Severity::Critical, true),
        (LinkFlapping, link("leaf1", "spine1"), Severity::Warning, false),
        (OpticsOutOfRange, Subject::Interface(port("leaf1", "spine1")), Severity::Critical, false),
        (Saturation, Subject::Interface(port("leaf1", "spine2")), Severity::Critical, false),
        (RedundancyDegraded, uplinks("leaf1"), Severity::Critical, false),
    ] {
        for link_first in [true, false] {
            let mut world = World::new();
            world.said.borrow_mut().extend([port("leaf1", "spine1"), port("spine1", "leaf1")]);
            world.missing.borrow_mut().insert("leaf1 uplinks".into(), vec![link("leaf1", "spine1")]);
            if link_first {
                world.wrong_as(0, LinkDown, link("leaf1", "spine1"), link_severity, 0);
            }
            world.wrong(1, kind, subject.clone());
            if !link_first {
                world.wrong_as(2, LinkDown, link("leaf1", "spine1"), link_severity, 0);
            }
            let quiet = world.quiet(kind, subject.clone()) == Some(Quiet::Explained);
            assert_eq!(quiet, explained, "{kind:?} {subject}");
            assert_eq!(
                world.heard().len(),
                2 - usize::from(explained && link_first),
                "{kind:?} {subject} {link_first}"
            );
            // What was told before its cause came is told to be over as well; what was not is not.
            world.fine(5, kind, subject.clone());
            assert_eq!(world.heard().len(), usize::from(!explained || !link_first), "{kind:?} {subject} {link_first}");
        }
    }
}

#[test]
fn a_group_is_explained_only_where_all_that_it_misses_is() {
    let mut world = World::new();
    world.said.borrow_mut().extend([port("leaf1", "spine1"), port("leaf1", "spine2"), port("spine2", "leaf1")]);
    world.missing.borrow_mut().insert("leaf1 uplinks".into(), vec![link("leaf1", "spine1"), link("leaf1", "spine2")]);
    world.wrong(0, DeviceUnreachable, device("spine1"));
    world.wrong(1, RedundancyDegraded, uplinks("leaf1"));
    assert_eq!(world.heard(), ["0: DeviceUnreachable spine1 fires", "1: RedundancyDegraded leaf1 uplinks fires"]);
}

#[test]
fn a_single_point_that_a_dead_device_leaves_is_on_its_page_and_one_that_a_cut_leaves_is_told() {
    let (kind, subject) = (FindingKind::SinglePointOfFailure, device("spine1"));
    let key = FindingKey { kind, subject: subject.clone(), direction: None };
    let mut world = World::new();
    world.said.borrow_mut().extend([port("leaf1", "spine2"), port("leaf2", "spine2"), port("spine2", "leaf2")]);
    world.because.borrow_mut().insert(key.clone(), vec![link("leaf1", "spine2"), link("leaf2", "spine2")]);
    world.wrong(0, DeviceUnreachable, device("spine2"));
    world.wrong(5, kind, subject.clone());
    assert_eq!(world.heard(), ["0: DeviceUnreachable spine2 fires"]);
    assert_eq!(world.quiet(kind, subject.clone()), Some(Quiet::Explained));

    let mut world = World::new();
    world.said.borrow_mut().insert(port("leaf1", "spine2"));
    world.wrong(4, kind, subject.clone());
    assert_eq!(world.quiet(kind, subject.clone()), Some(Quiet::Held), "the ledger does not know it yet");
    world.because.borrow_mut().insert(key, vec![link("leaf1", "spine2")]);
    world.tick(5);
    assert_eq!((world.heard(), world.gate.asks()), (vec![], vec!["spine2".into()]));
    world.answers(6, "spine2");
    assert_eq!(world.heard(), ["6: SinglePointOfFailure spine1 fires"]);
}

#[test]
fn another_cut_beside_a_dead_device_is_told() {
    let mut world = World::new();
    world.said.borrow_mut().extend([port("leaf1", "spine1"), port("leaf1", "spine2"), port("spine2", "leaf1")]);
    world.missing.borrow_mut().insert("leaf1 uplinks".into(), vec![link("leaf1", "spine1")]);
    world.wrong(0, DeviceUnreachable, device("spine1"));
    world.wrong(1, LinkDown, link("leaf1", "spine1"));
    world.wrong(1, RedundancyDegraded, uplinks("leaf1"));
    assert_eq!(world.heard().len(), 1);
    world.missing.borrow_mut().get_mut("leaf1 uplinks").unwrap().push(link("leaf1", "spine2"));
    world.wrong(2, LinkDown, link("leaf1", "spine2"));
    assert_eq!(
        world.heard(),
        ["2: LinkDown leaf1:spine2 - spine2:leaf1 fires", "2: RedundancyDegraded leaf1 uplinks fires"]
    );
}

#[test]
fn a_silenced_alert_is_told_when_the_silence_ends_and_it_still_stands() {
    let mut world = World::new();
    world.silence("device=spine1", 0, 100);
    world.wrong(1, DeviceUnreachable, device("spine1"));
    world.wrong(1, DeviceUnreachable, device("spine2"));
    assert_eq!(world.heard(), ["1: DeviceUnreachable spine2 fires"]);
    assert_eq!(world.quiet(DeviceUnreachable, device("spine1")), Some(Quiet::Silenced));
    world.restart();
    world.wait(2, 99);
    assert_eq!(world.heard(), [""; 0]);
    world.wait(100, 120);
    assert_eq!(world.heard(), ["100: DeviceUnreachable spine1 fires"]);
}

#[test]
fn a_silence_takes_nothing_back_and_what_was_told_is_told_to_be_over() {
    let mut world = World::new();
    world.wrong_as(0, Saturation, Subject::Interface(port("leaf1", "x")), Severity::Warning, 0);
    world.silence("alertname=Saturation", 1, 1_000);
    world.tick(1);
    world.wrong_as(2, Saturation, Subject::Interface(port("leaf1", "x")), Severity::Critical, 0);
    world.wrong_as(2, Saturation, Subject::Interface(port("leaf1", "y")), Severity::Critical, 0);
    assert_eq!(world.heard(), ["0: Saturation leaf1:x fires"]);
    world.fine(3, Saturation, Subject::Interface(port("leaf1", "x")));
    world.fine(3, Saturation, Subject::Interface(port("leaf1", "y")));
    assert_eq!(world.heard(), ["3: Saturation leaf1:x is over"], "of the other nobody was told");
}

#[test]
fn what_became_worse_under_a_silence_is_told_as_that() {
    let mut world = World::new();
    let subject = Subject::Interface(port("leaf1", "x"));
    world.wrong_as(0, Saturation, subject.clone(), Severity::Warning, 0);
    world.silence("interface=x", 1, 10);
    world.tick(1);
    world.wrong_as(2, Saturation, subject.clone(), Severity::Critical, 0);
    world.wait(3, 9);
    assert_eq!(world.heard(), ["0: Saturation leaf1:x fires"]);
    world.tick(10);
    assert_eq!(world.heard(), ["10: Saturation leaf1:x is worse"]);
    world.wrong_as(11, Saturation, subject.clone(), Severity::Warning, 0);
    world.wrong_as(12, Saturation, subject, Severity::Critical, 0);
    assert_eq!(world.heard(), ["12: Saturation leaf1:x is worse"]);
}

#[test]
fn an_ended_silence_and_one_by_a_configured_label() {
    let mut world = World::new();
    world.labels.borrow_mut().insert("leaf1".into(), Labels::from([("role".into(), "leaf".into())]));
    world.silence("role=leaf", 0, 1_000);
    world.wrong(1, DeviceUnreachable, device("leaf1"));
    world.restart();
    world.wait(2, 5);
    assert_eq!(world.heard(), [""; 0], "the label is remembered while the device is not read yet");
    world.gate.silences_mut().end(at(6), "role=leaf").unwrap();
    world.tick(6);
    assert_eq!(world.heard(), ["6: DeviceUnreachable leaf1 fires"]);
}

#[test]
fn work_on_a_device_or_a_line_covers_what_rests_on_it() {
    let window = |condition: &str| Maintenance {
        name: condition.into(),
        matchers: vec![condition.parse().unwrap()],
        start: "2027-01-15T08:00:00".parse().unwrap(),
        duration: Duration::from_secs(100),
        zone: jiff::tz::TimeZone::UTC,
        repeat: None,
    };
    let circuits =
        vec![super::super::Circuit { device: "leaf*".into(), interface: "spine1".into(), name: "C-4711".into() }];
    for condition in ["device=spine1", "circuit=C-4711", "link=~*spine1:leaf1"] {
        let settings =
            Settings { maintenance: vec![window(condition)], circuits: circuits.clone(), ..Settings::default() };
        let mut world = World::with(settings);
        world.said.borrow_mut().extend([port("leaf1", "spine1"), port("spine1", "leaf1")]);
        world.missing.borrow_mut().insert("leaf1 uplinks".into(), vec![link("leaf1", "spine1")]);
        // 2027-01-15T08:00:00Z is 1,800,000,000 seconds.
        world.wrong(1, LinkDown, link("leaf1", "spine1"));
        world.wrong(1, RedundancyDegraded, uplinks("leaf1"));
        world.wait(2, 99);
        assert_eq!(world.heard(), [""; 0], "{condition}");
        assert_eq!(world.quiet(RedundancyDegraded, uplinks("leaf1")), Some(Quiet::Maintenance));
        let alert = world.book.get(&key(LinkDown, link("leaf1", "spine1"))).unwrap();
        assert_eq!(alert.labels(&Labels::new())["circuit"], "C-4711");
        world.tick(100);
        assert_eq!(world.heard().len(), 2, "{condition}");
    }
}

#[test]
fn nothing_is_left_behind_when_all_is_over() {
    let mut world = World::new();
    dead_spine(&mut world);
    world.silent(6, "spine1");
    world.wait(7, 20);
    world.fine(30, DeviceUnreachable, device("spine1"));
    for leaf in 0..48 {
        world.fine(31, LinkDown, link(&format!("leaf{leaf:02}"), "spine1"));
        world.fine(31, RedundancyDegraded, uplinks(&format!("leaf{leaf:02}")));
    }
    world.wait(32, 50);
    let Gate { at_device, devices_of, explains, explained_by, deadlines, due, waiting, waits_for, .. } = &world.gate;
    assert!(at_device.is_empty() && devices_of.is_empty() && explains.is_empty() && explained_by.is_empty());
    assert!(deadlines.is_empty() && due.is_empty() && waiting.is_empty() && waits_for.is_empty());
}
