//! One account of all losses. The kernel's counters are the totals, its reasons say what they were; a packet is in one line.
//!
//! Both are taken as differences between looks. A line is a cause within its scope (an interface, a namespace, the machine): its
//! counters are added up, its reasons too, and it has lost the larger of the two sums. What a counter has beyond the reasons
//! stays visible as unexplained.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::counters::Counted;
use super::reasons;
use crate::fabric::{HostCause, HostLoss, HostLosses, HostScope, Timestamp, TracedReason};

/// Lines kept; what is more is left out and counted as overflowed.
const MOST: usize = 8_192;
/// Reasons kept of a line.
const MOST_REASONS: usize = 512;

/// What was traced at one place for one reason since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traced {
    pub reason: Arc<str>,
    pub site: Option<Arc<str>>,
    pub interface: Option<Arc<str>>,
    /// None where it is ours.
    pub namespace: Option<u32>,
    pub ether_type: u16,
    /// The interface can send, or there is none.
    pub carrier: bool,
    pub packets: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    cause: HostCause,
    interface: Option<Arc<str>>,
    namespace: Option<u32>,
}

type ReasonKey = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>, u16);

#[derive(Debug, Default)]
struct Line {
    counted: Option<u64>,
    traced: u64,
    /// The counter that grew last.
    counter: Option<&'static str>,
    reasons: BTreeMap<ReasonKey, u64>,
}

/// The account.
#[derive(Debug)]
pub(super) struct Ledger {
    since: Timestamp,
    lines: BTreeMap<Place, Line>,
    harmless: BTreeMap<ReasonKey, u64>,
    counters: HashMap<(&'static str, Option<Arc<str>>), u64>,
    left_out: u64,
}

impl Ledger {
    pub fn new(since: Timestamp) -> Self {
        Self { since, lines: BTreeMap::new(), harmless: BTreeMap::new(), counters: HashMap::new(), left_out: 0 }
    }

    /// The counters as they stand. The first look is where they begin; a counter that is new later began at 0, as does
    /// one that fell.
    pub fn count(&mut self, counted: &[Counted], first: bool) {
        for one in counted {
            let before = self.counters.insert((one.name, one.interface.clone()), one.value);
            let more = match before {
                Some(before) if before <= one.value => one.value - before,
                Some(_) => one.value,
                None if first => 0,
                None => one.value,
            };
            let place = Place { cause: one.cause, interface: one.interface.clone(), namespace: None };
            if let Some(line) = line(&mut self.lines, place, &mut self.left_out, more) {
                line.counted = Some(line.counted.unwrap_or(0) + more);
                if more > 0 || line.counter.is_none() {
                    line.counter = Some(one.name);
                }
            }
        }
    }

    /// What the kernel gave reasons for since the last look.
    pub fn trace(&mut self, traced: Vec<Traced>) {
        for one in traced {
            let Traced { reason, site, interface, namespace, ether_type, carrier, packets: more } = one;
            let reason = (reason, site, interface, ether_type);
            let Some(cause) = reasons::cause(&reason.0, reason.1.as_deref(), carrier) else {
                add(&mut self.harmless, reason, more);
                continue;
            };
            let place = Place {
                cause,
                interface: reason.2.clone().filter(|_| cause.scope() == HostScope::Interface),
                namespace: namespace.filter(|_| cause.scope() != HostScope::Machine),
            };
            if let Some(line) = line(&mut self.lines, place, &mut self.left_out, more) {
                line.traced += more;
                add(&mut line.reasons, reason, more);
            }
        }
    }

    /// All lines with a loss. `tracing` is whether reasons are to be had, with what they leave out.
    pub fn losses(&self, tracing: Option<(u64, u64)>) -> HostLosses {
        let rows = |reasons: &BTreeMap<ReasonKey, u64>| {
            let row = |((reason, site, interface, ether_type), packets): (&ReasonKey, &u64)| TracedReason {
                reason: Arc::clone(reason),
                site: site.clone(),
                interface: interface.clone(),
                ether_type: *ether_type,
                packets: *packets,
            };
            let mut rows: Vec<_> = reasons.iter().map(row).collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.packets));
            rows
        };
        let lost = self.lines.iter().map(|(place, line)| HostLoss {
            cause: place.cause,
            interface: place.interface.clone(),
            namespace: place.namespace,
            packets: line.traced.max(line.counted.unwrap_or(0)),
            counted: line.counted,
            traced: tracing.map(|_| line.traced),
            counter: line.counter,
            reasons: rows(&line.reasons),
        });
        let (overflowed, missed) = tracing.unwrap_or_default();
        HostLosses {
            since: self.since,
            losses: lost.filter(|loss| loss.packets > 0).collect(),
            harmless: rows(&self.harmless),
            overflowed: overflowed + self.left_out,
            missed,
        }
    }
}

/// Of more kinds than are kept only the sum is told.
fn add(reasons: &mut BTreeMap<ReasonKey, u64>, reason: ReasonKey, more: u64) {
    if reasons.len() < MOST_REASONS || reasons.contains_key(&reason) {
        *reasons.entry(reason).or_default() += more;
    }
}

fn line<'a>(
    lines: &'a mut BTreeMap<Place, Line>,
    place: Place,
    left_out: &mut u64,
    packets: u64,
) -> Option<&'a mut Line> {
    if lines.len() >= MOST && !lines.contains_key(&place) {
        *left_out += packets;
        return None;
    }
    Some(lines.entry(place).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &'static str, cause: HostCause, interface: Option<&str>, value: u64) -> Counted {
        Counted { cause, interface: interface.map(Into::into), name, value }
    }

    fn drops(reason: &str, interface: &str, packets: u64) -> Traced {
        Traced {
            reason: reason.into(),
            site: None,
            interface: Some(interface.into()),
            namespace: None,
            ether_type: 0x800,
            carrier: true,
            packets,
        }
    }

    #[test]
    fn counters_are_totals_and_reasons_explain_them() {
        let mut ledger = Ledger::new(Timestamp::default());
        let qdisc = |value| [counter("qdisc drops", HostCause::QueueFull, Some("eth0"), value)];
        ledger.count(&qdisc(1_000), true);
        assert_eq!(ledger.losses(Some((0, 0))).losses, []);
        ledger.count(&qdisc(1_100), false);
        ledger.trace(vec![
            drops("QDISC_DROP", "eth0", 60),
            drops("QDISC_OVERLIMIT", "eth0", 30),
            drops("OTHERHOST", "eth0", 9),
        ]);
        let told = ledger.losses(Some((0, 2)));
        let [loss] = &told.losses[..] else { panic!("{told:?}") };
        assert_eq!((loss.packets, loss.counted, loss.traced, loss.unexplained()), (100, Some(100), Some(90), 10));
        assert_eq!(
            loss.reasons.iter().map(|row| (&*row.reason, row.packets)).collect::<Vec<_>>(),
            [("QDISC_DROP", 60), ("QDISC_OVERLIMIT", 30)]
        );
        assert_eq!((told.harmless[0].packets, told.missed), (9, 2));

        // The qdisc was replaced: it counts from 0, and nothing is told twice.
        ledger.count(&qdisc(5), false);
        ledger.trace(vec![drops("QDISC_DROP", "eth0", 15)]);
        let loss = &ledger.losses(Some((0, 0))).losses[0];
        assert_eq!((loss.packets, loss.counted, loss.traced), (105, Some(105), Some(105)));
    }

    #[test]
    fn what_is_counted_by_none_is_what_was_traced_and_the_other_way_round() {
        let mut ledger = Ledger::new(Timestamp::default());
        let elsewhere = Traced { namespace: Some(7), ..drops("NO_SOCKET", "eth0", 3) };
        ledger.trace(vec![drops("NETFILTER_DROP", "eth0", 4), drops("NETFILTER_DROP", "eth1", 5), elsewhere]);
        let told = ledger.losses(Some((0, 0)));
        let shown =
            |loss: &HostLoss| (loss.cause, loss.interface.is_some(), loss.namespace, loss.packets, loss.counted);
        assert_eq!(
            told.losses.iter().map(shown).collect::<Vec<_>>(),
            [(HostCause::Filtered, false, None, 9, None), (HostCause::NoListener, false, Some(7), 3, None),]
        );
        let mut ledger = Ledger::new(Timestamp::default());
        ledger.count(&[counter("softnet dropped", HostCause::BacklogFull, None, 8)], true);
        ledger.count(&[counter("softnet dropped", HostCause::BacklogFull, None, 11)], false);
        let loss = &ledger.losses(None).losses[0];
        assert_eq!((loss.packets, loss.counted, loss.traced, loss.unexplained()), (3, Some(3), None, 3));
    }
}
