//! Packets that this host itself loses: in rings, queues, sockets, by rules and for want of a route.
//!
//! A host drops a few packets all the time, and most of that means nothing: what is told is a rate that lasts for as long as it
//! took to drop some. Losses for want of buffers, memory or sound headers have one pair of thresholds. What a rule or a missing
//! route or listener drops is somebody's will or somebody else's mistake, and is a warning from a higher rate on. A port without a
//! carrier is told as a link, an overrun of a card's ring by the interface's own drops, and a reason that the kernel does not name is shown and not told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fabric::{
    DeviceId, DropClass, Evidence, Finding, FindingKey, FindingKind, HostCause, HostLoss, HostLosses, InterfaceId,
    Severity, Subject, Timestamp, Verdict,
};

use super::phrase;
use super::threshold::{Judgement, Live, Threshold, Thresholds, settle};

/// `[detect.host_drops]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Packets per second lost in buffers, queues and checks from which it is a warning.
    pub warning_pps: f64,
    /// ... and critical.
    pub critical_pps: f64,
    /// Packets per second dropped by rules from which it is a warning.
    pub policy_warning_pps: f64,
    /// Packets per second without a route, a neighbour or a listener from which it is a warning.
    pub no_route_warning_pps: f64,
    /// Judge what other network namespaces of this machine lose (containers, virtual networks) too, as the device's.
    pub other_namespaces: bool,
    /// A rate below its threshold times this counts as over (0 to 1).
    pub clear_below: f64,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            warning_pps: 10.0,
            critical_pps: 1_000.0,
            policy_warning_pps: 1_000.0,
            no_route_warning_pps: 100.0,
            other_namespaces: false,
            clear_below: 0.5,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::from_secs(60),
        }
    }
}

type LineKey = (HostCause, Option<Arc<str>>, Option<u32>);

/// The last look, and what is told.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When, from when on it was counted, and how many packets each line had.
    before: Option<(Timestamp, Timestamp, BTreeMap<LineKey, u64>)>,
    live: BTreeMap<Subject, Option<Live>>,
}

impl Memory {
    /// This was told before a restart.
    pub(super) fn prime(&mut self, subject: &Subject) {
        self.live.insert(subject.clone(), Some(Live::PRIMED));
    }

    /// What is told and now is not any more, of subjects that are forgotten.
    pub(super) fn forget(&mut self, concerns: impl Fn(&Subject) -> bool) -> Vec<FindingKey> {
        let keys = self.live.keys().filter(|subject| concerns(subject)).map(key).collect();
        self.live.retain(|subject, _| !concerns(subject));
        keys
    }
}

fn key(subject: &Subject) -> FindingKey {
    FindingKey { kind: FindingKind::DropsHost, subject: subject.clone(), direction: None }
}

/// A line of the account, with its rate.
struct Flow<'a> {
    loss: &'a HostLoss,
    packets: u64,
    rate_pps: f64,
    severity: Option<Severity>,
}

fn thresholds(settings: &Settings, cause: HostCause) -> Option<Thresholds> {
    let (warning, critical) = match (cause, cause.class()) {
        // The link's, and the interface's own (its ifInDiscards have them).
        (HostCause::NoCarrier | HostCause::RingOverrun | HostCause::Other, _) => return None,
        (_, DropClass::Policy) => (settings.policy_warning_pps, f64::INFINITY),
        (_, DropClass::NoRoute) => (settings.no_route_warning_pps, f64::INFINITY),
        (_, DropClass::Congestion | DropClass::Corruption | DropClass::Host) => {
            (settings.warning_pps, settings.critical_pps)
        }
    };
    let band = |from: f64| Threshold { from, until: from * settings.clear_below };
    Some(Thresholds { warning: band(warning), critical: band(critical) })
}

/// Judge what was lost since the last look.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    device: &DeviceId,
    losses: &HostLosses,
    memory: &mut Memory,
) -> Vec<(FindingKey, Verdict)> {
    let line = |loss: &HostLoss| (loss.cause, loss.interface.clone(), loss.namespace);
    let counts = losses.losses.iter().map(|loss| (line(loss), loss.packets)).collect();
    let Some((looked_at, since, before)) = memory.before.replace((now, losses.since, counts)) else {
        return Vec::new();
    };
    let seconds = now.since(looked_at).as_secs_f64();
    // Another account began, or no time passed: nothing to compare with.
    if since != losses.since || seconds <= 0.0 {
        return Vec::new();
    }
    let mut by_subject: BTreeMap<Subject, Vec<Flow<'_>>> =
        memory.live.keys().map(|subject| (subject.clone(), Vec::new())).collect();
    for loss in &losses.losses {
        let packets = loss.packets.saturating_sub(before.get(&line(loss)).copied().unwrap_or(0));
        if packets == 0 || (loss.namespace.is_some() && !settings.other_namespaces) {
            continue;
        }
        let subject = match (&loss.interface, loss.namespace) {
            (Some(if_name), None) => {
                Subject::Interface(InterfaceId { device: device.clone(), if_name: Arc::clone(if_name) })
            }
            // An interface elsewhere is none of those that are known.
            _ => Subject::Device(device.clone()),
        };
        let flow = Flow { loss, packets, rate_pps: packets as f64 / seconds, severity: None };
        by_subject.entry(subject).or_default().push(flow);
    }
    let mut verdicts = Vec::new();
    for (subject, mut flows) in by_subject {
        let live = memory.live.entry(subject.clone()).or_default();
        let was = live.map(|live| live.severity);
        for flow in &mut flows {
            flow.severity = thresholds(settings, flow.loss.cause).and_then(|limits| limits.level(flow.rate_pps, was));
        }
        flows.sort_by(|one, other| other.severity.cmp(&one.severity).then(other.rate_pps.total_cmp(&one.rate_pps)));
        let worst = flows.first().and_then(|flow| flow.severity);
        match (settle(now, worst, live), flows.first()) {
            (Judgement::Present(live), Some(flow)) => {
                let finding = finding(settings, now, &subject, flow, &flows[1..], live);
                verdicts.push((key(&subject), Verdict::Present(Box::new(finding))));
            }
            (Judgement::Over, _) => verdicts.push((key(&subject), Verdict::Absent)),
            _ => {}
        }
    }
    memory.live.retain(|_, live| live.is_some());
    verdicts
}

fn finding(
    settings: &Settings,
    now: Timestamp,
    subject: &Subject,
    worst: &Flow<'_>,
    others: &[Flow<'_>],
    live: Live,
) -> Finding {
    let Flow { loss, packets, rate_pps, .. } = worst;
    let (what, cause, action) = words(loss.cause);
    let elsewhere = loss.namespace.map(|inode| format!(" (network namespace {inode})")).unwrap_or_default();
    let reason = match loss.reasons.first() {
        Some(of) => {
            let site = of.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
            format!("the kernel's reason is {}{site}", of.reason)
        }
        None => format!("counted by {}, without a reason from the kernel", loss.counter.unwrap_or("the kernel")),
    };
    let more = others.iter().map(|flow| format!("{} {}", flow.loss.cause.as_str(), phrase::packets(flow.rate_pps)));
    let more: Vec<String> = more.collect();
    let also = if more.is_empty() { String::new() } else { format!("; also {}", phrase::list(more)) };
    let unexplained = match (loss.traced, loss.unexplained()) {
        (None, _) | (_, 0) => String::new(),
        (Some(_), rest) => format!("; of {} in all {rest} have no reason", loss.packets),
    };
    Finding {
        key: key(subject),
        severity: live.severity,
        class: Some(loss.cause.class()),
        evidence: Evidence {
            summary: format!("{subject}{elsewhere} loses packets: {what}, {}", phrase::packets(*rate_pps)),
            cause: cause.to_owned(),
            evidence: format!(
                "{packets} packets lost at the last look ({}), place {}, cause {}, {}; {reason}{unexplained}{also}.",
                phrase::packets(*rate_pps),
                loss.cause.place().as_str(),
                loss.cause.as_str(),
                phrase::since(live.since, now),
            ),
            action: action.to_owned(),
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

/// What happens, why, and what to do.
const fn words(cause: HostCause) -> (&'static str, &'static str, &'static str) {
    match cause {
        HostCause::RingOverrun => (
            "the card's ring overflows",
            "Packets come faster than the processor takes them out of the ring.",
            "Make the ring larger (ethtool -G), spread its interrupts over more processors, and look for a busy one.",
        ),
        HostCause::NoCarrier => {
            ("the interface cannot send", "It is down or its far end is gone.", "Mend the link; see its own alert.")
        }
        HostCause::DriverRefused => (
            "the driver refuses packets",
            "The driver has no room, or cannot send such packets.",
            "Look at ethtool -S and the kernel's log; make the ring larger (ethtool -G); update the driver.",
        ),
        HostCause::BacklogFull => (
            "the processors' backlog is full",
            "Packets come in faster than a processor takes them through the stack.",
            "Spread the load (RPS, more queues), raise net.core.netdev_max_backlog, and look for a busy processor.",
        ),
        HostCause::QueueFull => (
            "its queue is full",
            "More is to be sent than the interface or its shaper passes.",
            "See who sends; raise the shaper's rate or limit (tc), or send less. A longer queue means longer delay.",
        ),
        HostCause::Filtered => (
            "a rule drops them",
            "A filter of this machine (netfilter, tc, XDP, a program) says so.",
            "See whether that is meant: nft list ruleset with counters, tc -s filter, bpftool net.",
        ),
        HostCause::ReversePath => (
            "the reverse path filter drops them",
            "Packets come in where the way back to their source does not lead: forged, or routing is asymmetric.",
            "If the routing is meant so, set net.ipv4.conf.*.rp_filter to 2 on that interface.",
        ),
        HostCause::NoRoute => (
            "there is no route",
            "Packets are to go, or to be passed on, where no route leads.",
            "Compare ip route with where they are to go; see whether a routing daemon lost its neighbours.",
        ),
        HostCause::NoNeighbor => (
            "the next hop does not answer",
            "Nobody answers for the address (ARP, neighbour discovery), or too many wait for it.",
            "See ip neigh for FAILED entries; check the next hop and its VLAN.",
        ),
        HostCause::TooBig => (
            "packets are too big for the next link",
            "They may not be fragmented, and the sender did not learn of the smaller MTU.",
            "Let ICMP \"fragmentation needed\" through, and make the MTUs along the path alike.",
        ),
        HostCause::NoListener => (
            "nobody listens",
            "Packets come to a port that no program has open.",
            "Start the service, or find the sender whose configuration is old.",
        ),
        HostCause::SocketBufferFull => (
            "a socket's buffer is full",
            "A program reads slower than packets come, or its buffer is too small for bursts.",
            "Find it with ss -ump (d is its drops); give it a larger SO_RCVBUF (net.core.rmem_max) or more processor time.",
        ),
        HostCause::ListenQueueFull => (
            "connections wait too long to be accepted",
            "A server accepts slower than clients connect, or its backlog is small.",
            "Find it with ss -ltn (Recv-Q against Send-Q); raise its listen backlog and net.core.somaxconn.",
        ),
        HostCause::Damaged => (
            "packets are damaged",
            "Checksums or headers are wrong: damaged on the way in spite of the link's own check, or built wrongly.",
            "Find the sender; switch off checksum offloads of the path's virtual interfaces for a trial.",
        ),
        HostCause::NoMemory => (
            "the kernel has no memory",
            "It could not get memory for packets.",
            "Free memory; raise vm.min_free_kbytes; look at net.ipv4.udp_mem and tcp_mem.",
        ),
        HostCause::Other => (
            "for a reason that is not known",
            "The kernel does not say why.",
            "See `selvedge drops` for the function that drops them.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::TracedReason;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_795_498_200 + secs)
    }

    fn loss(cause: HostCause, interface: Option<&str>, packets: u64) -> HostLoss {
        HostLoss {
            cause,
            interface: interface.map(Into::into),
            namespace: None,
            packets,
            counted: Some(packets),
            traced: Some(packets),
            counter: Some("qdisc drops"),
            reasons: vec![TracedReason {
                reason: "QDISC_DROP".into(),
                site: Some("tbf_enqueue+0x8f".into()),
                interface: None,
                ether_type: 0x800,
                packets,
            }],
        }
    }

    fn told(memory: &mut Memory, secs: i64, losses: Vec<HostLoss>) -> Vec<(String, String)> {
        let losses = HostLosses { since: at(0), losses, ..HostLosses::default() };
        let verdicts = look(&Settings::default(), at(secs), &"web1".into(), &losses, memory);
        let shown = |(key, verdict): (FindingKey, Verdict)| {
            let word = match verdict {
                Verdict::Present(finding) => {
                    assert!(finding.evidence.evidence.contains("QDISC_DROP at tbf_enqueue"), "{finding:?}");
                    format!("{} {}", finding.severity.as_str(), finding.class.unwrap().as_str())
                }
                Verdict::Absent => "over".into(),
                Verdict::Unknown(_) => "unknown".into(),
            };
            (key.subject.to_string(), word)
        };
        verdicts.into_iter().map(shown).collect()
    }

    #[test]
    fn a_rate_is_told_by_its_class_and_place() {
        let mut memory = Memory::default();
        let step = |memory: &mut Memory, secs, queue, socket, rule| {
            let losses = vec![
                loss(HostCause::QueueFull, Some("eth0"), queue),
                loss(HostCause::SocketBufferFull, None, socket),
                loss(HostCause::Filtered, None, rule),
                loss(HostCause::Other, None, rule * 100),
            ];
            told(memory, secs, losses)
        };
        let said = |subject: &str, word: &str| (subject.to_owned(), word.to_owned());
        // What was lost before the first look is history.
        assert_eq!(step(&mut memory, 0, 5_000, 5_000, 0), []);
        assert_eq!(step(&mut memory, 1, 5_009, 5_009, 900), []);
        assert_eq!(step(&mut memory, 2, 5_019, 5_009, 1_000), [said("web1:eth0", "warning congestion")]);
        assert_eq!(
            step(&mut memory, 3, 7_019, 7_009, 1_000),
            [said("web1", "critical host"), said("web1:eth0", "critical congestion")]
        );
        assert_eq!(
            step(&mut memory, 4, 7_025, 7_009, 3_000),
            [said("web1", "warning policy"), said("web1:eth0", "warning congestion")]
        );
        assert_eq!(step(&mut memory, 5, 7_029, 7_009, 3_000), [said("web1", "over"), said("web1:eth0", "over")]);
        assert!(memory.live.is_empty());
    }

    #[test]
    fn what_others_lose_is_told_where_that_is_wanted() {
        for (other_namespaces, told) in [(false, 0), (true, 1)] {
            let settings = Settings { other_namespaces, ..Settings::default() };
            let mut memory = Memory::default();
            let mut step = |secs, packets| {
                let lost = HostLoss { namespace: Some(7), ..loss(HostCause::QueueFull, Some("if3"), packets) };
                let losses = HostLosses { since: at(0), losses: vec![lost], ..HostLosses::default() };
                look(&settings, at(secs), &"web1".into(), &losses, &mut memory)
            };
            step(0, 1);
            let verdicts = step(1, 100);
            assert_eq!(verdicts.len(), told);
            assert!(verdicts.iter().all(|(key, _)| key.subject == Subject::Device("web1".into())));
        }
    }

    #[test]
    fn another_account_is_no_spike_and_a_restart_keeps_what_was_told() {
        let mut memory = Memory::default();
        memory.prime(&Subject::Device("web1".into()));
        assert_eq!(told(&mut memory, 0, vec![loss(HostCause::SocketBufferFull, None, 9)]), []);
        let other = HostLosses {
            since: at(1),
            losses: vec![loss(HostCause::SocketBufferFull, None, 90_000)],
            ..HostLosses::default()
        };
        assert_eq!(look(&Settings::default(), at(2), &"web1".into(), &other, &mut memory), []);
        assert_eq!(look(&Settings::default(), at(3), &"web1".into(), &other, &mut memory).len(), 1);
        assert!(memory.live.is_empty());
    }
}
