//! The shapes of the API: what a snapshot looks like in JSON. Scripts and the page rely on them.
//!
//! A number that is not known is null, and where there is room `unknown` says why. Times are RFC 3339 in UTC.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::aggregate::Basis;
use crate::aggregate::algebra::Clock;
use crate::alert::{Alert, AlertView};
use crate::fabric::{
    AdminStatus, Counter, DeviceHealth, DeviceState, Direction, EndState, FindingKey, GroupKind, GroupState,
    InterfaceId, InterfaceState, Labels, Limits, LinkHealth, LinkId, LinkLoss, LinkState, LossEstimate, OperStatus,
    Percentiles, Quantity, Rate, Rates, SensorState, Snapshot, SpeedSource, Spread, Subject, Timestamp, Unknown,
    UnreachableReason, UtilizationSpread,
};
use crate::topology::headroom::{After, Headroom, Worst};
use crate::topology::ledger::PartName;

/// One element of `/api/devices`.
#[derive(Serialize)]
pub(super) struct DeviceView<'a> {
    name: &'a str,
    address: Option<String>,
    pub(super) state: DeviceHealth,
    why: Option<&'static str>,
    since: Option<String>,
    #[serde(rename = "sysDescr")]
    sys_descr: &'a str,
    #[serde(rename = "sysObjectID")]
    sys_object_id: &'a str,
    #[serde(rename = "sysUpTime_ms")]
    sys_uptime_ms: Option<u64>,
    interfaces: usize,
    labels: &'a Labels,
}

impl<'a> From<&'a DeviceState> for DeviceView<'a> {
    fn from(device: &'a DeviceState) -> Self {
        Self {
            name: device.id.as_str(),
            address: device.identity.address.map(|address| address.to_string()),
            state: device.health,
            why: device.unreachable.map(UnreachableReason::as_str),
            since: time(device.health_since),
            sys_descr: &device.identity.sys_descr,
            sys_object_id: &device.identity.sys_object_id,
            sys_uptime_ms: device.uptime.map(|uptime| uptime.as_millis()),
            interfaces: device.interfaces,
            labels: &device.identity.labels,
        }
    }
}

/// One element of `/api/interfaces`.
#[derive(Serialize)]
pub(super) struct InterfaceView<'a> {
    device: &'a str,
    interface: &'a str,
    #[serde(rename = "ifIndex")]
    if_index: u32,
    #[serde(rename = "ifDescr")]
    if_descr: &'a str,
    #[serde(rename = "ifAlias")]
    if_alias: &'a str,
    #[serde(rename = "ifType")]
    if_type: u32,
    speed_bps: Option<u64>,
    speed_source: Option<SpeedSource>,
    #[serde(rename = "ifOperStatus")]
    oper_status: OperStatus,
    #[serde(rename = "ifAdminStatus")]
    admin_status: AdminStatus,
    since: Option<String>,
    polled_at: Option<String>,
    counters: BTreeMap<&'static str, u64>,
    rates: BTreeMap<&'static str, Rate>,
    rates_basis: Option<BasisView>,
    utilization: InOut,
    utilization_spread: Option<SpreadInOut>,
    unknown: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct InOut {
    #[serde(rename = "in")]
    received: Rate,
    #[serde(rename = "out")]
    sent: Rate,
}

/// How utilisation was spread, looked up by interface.
pub(super) type SpreadOf = dyn Fn(&InterfaceId) -> Option<UtilizationSpread> + Send + Sync;

/// Over which span rates were taken, on whose clock, and how far that span may be off.
#[derive(Serialize)]
struct BasisView {
    span_s: f64,
    uncertainty_s: f64,
    unseen_cache_s: f64,
    clock: &'static str,
}

impl From<Basis> for BasisView {
    fn from(Basis { span, uncertainty, unseen, clock }: Basis) -> Self {
        let clock = match clock {
            Clock::Device => "device",
            Clock::Ours => "ours",
        };
        let [span_s, uncertainty_s, unseen_cache_s] = [span, uncertainty, unseen].map(|span| span.as_secs_f64());
        Self { span_s, uncertainty_s, unseen_cache_s, clock }
    }
}

#[derive(Serialize)]
struct SpreadInOut {
    #[serde(rename = "in")]
    received: WindowsView,
    #[serde(rename = "out")]
    sent: WindowsView,
}

#[derive(Serialize)]
struct WindowsView {
    #[serde(rename = "1m")]
    minute: Option<PercentilesView>,
    #[serde(rename = "1h")]
    hour: Option<PercentilesView>,
    #[serde(rename = "24h")]
    day: Option<PercentilesView>,
}

#[derive(Serialize)]
struct PercentilesView {
    mean: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
    covered_s: u64,
}

impl From<Percentiles> for PercentilesView {
    fn from(of: Percentiles) -> Self {
        // No more digits than it is known to.
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let Percentiles { covered, mean, p50, p95, p99, max } = of;
        let [mean, p50, p95, p99, max] = [mean, p50, p95, p99, max].map(round);
        Self { mean, p50, p95, p99, max, covered_s: covered.as_secs() }
    }
}

impl From<Spread> for WindowsView {
    fn from(of: Spread) -> Self {
        let Spread { minute, hour, day } = of;
        Self { minute: minute.map(Into::into), hour: hour.map(Into::into), day: day.map(Into::into) }
    }
}

impl<'a> InterfaceView<'a> {
    pub(super) fn new(interface: &'a InterfaceState, spread: Option<UtilizationSpread>, basis: Option<Basis>) -> Self {
        let summed = SUMS.map(|(name, sum)| (name, sum(&interface.rates)));
        let utilizations =
            [("utilization_in", interface.utilization_in), ("utilization_out", interface.utilization_out)];
        let counted = Counter::ALL.map(|counter| (counter.as_str(), interface.rates[counter]));
        let missing = |counter: &Counter| interface.counters.get(*counter).is_none();
        // That a vendor counts no drops by class is no news of an interface.
        let told =
            |counter: &Counter| !(counter.is_drops() && missing(counter) && interface.rates[*counter] == MISSING);
        let unknown = Counter::ALL
            .iter()
            .filter(|counter| missing(counter) && interface.rates[**counter].known().is_some())
            .map(|counter| (counter.as_str(), Unknown::Missing))
            .chain(
                Counter::ALL
                    .into_iter()
                    .filter(told)
                    .map(|counter| (counter.as_str(), interface.rates[counter]))
                    .chain(summed)
                    .chain(utilizations)
                    .filter_map(|(name, rate)| Some((name, rate.why()?))),
            )
            .map(|(name, why)| (name, why.as_str()))
            .chain(interface.speed_bps.is_none().then_some(("speed_bps", Unknown::NoSpeed.as_str())))
            .collect();
        Self {
            device: interface.id.device.as_str(),
            interface: &interface.id.if_name,
            if_index: interface.info.if_index,
            if_descr: &interface.info.if_descr,
            if_alias: &interface.info.if_alias,
            if_type: interface.info.if_type,
            speed_bps: interface.speed_bps,
            speed_source: interface.speed_source,
            oper_status: interface.oper_status,
            admin_status: interface.admin_status,
            since: time(interface.oper_changed_at),
            polled_at: time(interface.polled_at),
            counters: interface.counters.iter().map(|(counter, value)| (counter.as_str(), value)).collect(),
            rates: counted.into_iter().chain(summed).filter(|(_, rate)| *rate != MISSING).collect(),
            rates_basis: basis.map(Into::into),
            utilization: InOut { received: interface.utilization_in, sent: interface.utilization_out },
            utilization_spread: spread
                .map(|spread| SpreadInOut { received: spread.received.into(), sent: spread.sent.into() }),
            unknown,
        }
    }
}

const MISSING: Rate = Rate::Unknown(Unknown::Missing);

/// Rates that are made of those of several counters.
type Sum = fn(&Rates) -> Rate;
const SUMS: [(&str, Sum); 6] = [
    ("in_bps", |rates| rates[Counter::InOctets].map(|octets| octets * 8.0)),
    ("out_bps", |rates| rates[Counter::OutOctets].map(|octets| octets * 8.0)),
    ("in_pps", |rates| sum(rates, Counter::InUcastPkts, &[Counter::InMulticastPkts, Counter::InBroadcastPkts])),
    ("out_pps", |rates| sum(rates, Counter::OutUcastPkts, &[Counter::OutMulticastPkts, Counter::OutBroadcastPkts])),
    ("in_drops_pps", |rates| either(rates.discards(Direction::In), rates[Counter::InErrors])),
    ("out_drops_pps", |rates| either(rates.discards(Direction::Out), rates[Counter::OutErrors])),
];

/// The first must be known; of the others those that the device has.
fn sum(rates: &Rates, first: Counter, others: &[Counter]) -> Rate {
    others.iter().fold(rates[first], |sum, other| match (sum, rates[*other]) {
        (sum, MISSING) => sum,
        (Rate::Known(sum), Rate::Known(other)) => Rate::Known(sum + other),
        (Rate::Known(_), unknown) => unknown,
        (unknown, _) => unknown,
    })
}

/// Both together, or the one that the device has.
fn either(one: Rate, other: Rate) -> Rate {
    match (one, other) {
        (MISSING, rate) | (rate, MISSING) => rate,
        (Rate::Known(one), Rate::Known(other)) => Rate::Known(one + other),
        (unknown @ Rate::Unknown(_), _) | (_, unknown) => unknown,
    }
}

/// One element of `/api/links`.
#[derive(Serialize)]
pub(super) struct LinkView<'a> {
    id: &'a LinkId,
    a: EndView<'a>,
    b: EndView<'a>,
    pub(super) state: LinkHealth,
    since: String,
    heard_at: Option<String>,
    groups: &'a [Arc<str>],
    /// Spanning tree blocks it: it carries nothing, and stands by.
    stands_by: bool,
    utilization: BothWays,
    /// Of the last hour.
    utilization_1h: HourBothWays,
    drops_pps: BothWays,
    /// Frames that vanish although both ends count everything as fine.
    loss_ratio: LossWays,
    /// After the failure that is worst for it; null where nothing can be claimed.
    headroom: Option<WorstView<'a>>,
}

/// One direction of a link, the busier, after the failure that is worst for it.
#[derive(Serialize)]
struct WorstView<'a> {
    without: &'a PartName,
    utilization: f64,
    after: &'a After,
}

impl<'a> From<&'a Worst> for WorstView<'a> {
    fn from(Worst { without, utilization, after }: &'a Worst) -> Self {
        Self { without, utilization: (utilization * 1e4).round() / 1e4, after }
    }
}

/// Each way an estimate, or null and the reason under `why`.
#[derive(Serialize)]
struct LossWays {
    a_to_b: Option<LossView>,
    b_to_a: Option<LossView>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    why: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct LossView {
    ratio: f64,
    low: f64,
    high: f64,
    lost: f64,
    sent: f64,
    since: String,
    until: String,
}

impl From<&LossEstimate> for LossView {
    fn from(loss: &LossEstimate) -> Self {
        let LossEstimate { ratio, low, high, lost, sent, since, until } = *loss;
        let [lost, sent] = [lost, sent].map(f64::round);
        Self { ratio, low, high, lost, sent, since: since.to_string(), until: until.to_string() }
    }
}

impl LossWays {
    fn of(link: &LinkState, losses: &[LinkLoss]) -> Self {
        let known = losses.binary_search_by(|loss| loss.link.cmp(&link.id)).ok().map(|at| &losses[at]);
        let reason =
            if link.a.end.watched && link.b.end.watched { "not compared yet" } else { "the other end is not polled" };
        let ways = [("a_to_b", known.map(|loss| loss.a_to_b)), ("b_to_a", known.map(|loss| loss.b_to_a))]
            .map(|(name, way)| (name, way.unwrap_or(Err(reason))));
        let why = ways.iter().filter_map(|(name, way)| Some((*name, way.err()?))).collect();
        let [a_to_b, b_to_a] = ways.map(|(_, way)| way.ok().as_ref().map(LossView::from));
        Self { a_to_b, b_to_a, why }
    }
}

#[derive(Serialize)]
struct EndView<'a> {
    device: &'a str,
    interface: &'a str,
    watched: bool,
    oper_status: OperStatus,
    speed_bps: Option<u64>,
    speed_source: Option<SpeedSource>,
    out_bps: Rate,
    out_drops_pps: Rate,
    in_drops_pps: Rate,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct BothWays {
    a_to_b: Rate,
    b_to_a: Rate,
}

#[derive(Serialize)]
struct HourBothWays {
    a_to_b: Option<PercentilesView>,
    b_to_a: Option<PercentilesView>,
}

/// How busy a direction of a link was in the last hour, by what the sender sent; by what the receiver got where nobody
/// watches the sender.
fn last_hour(from: &EndState, to: &EndState, spread: &SpreadOf) -> Option<PercentilesView> {
    let slower = [from.speed_bps, to.speed_bps].into_iter().flatten().min()?;
    let against = |own: Option<u64>, of: Percentiles| own.map(|own| of.scaled(own as f64 / slower as f64).into());
    if from.end.watched {
        against(from.speed_bps, spread(&from.end.interface)?.sent.hour?)
    } else {
        against(to.speed_bps, spread(&to.end.interface)?.received.hour?)
    }
}

impl<'a> LinkView<'a> {
    pub(super) fn new(link: &'a LinkState, losses: &[LinkLoss], spread: &SpreadOf, headroom: &'a Headroom) -> Self {
        Self {
            id: &link.id,
            a: (&link.a).into(),
            b: (&link.b).into(),
            state: link.health,
            since: link.since.to_string(),
            heard_at: time(link.heard_at),
            groups: &link.groups,
            stands_by: link.stands_by,
            utilization: BothWays { a_to_b: link.a.utilization_out, b_to_a: link.b.utilization_out },
            utilization_1h: HourBothWays {
                a_to_b: last_hour(&link.a, &link.b, spread),
                b_to_a: last_hour(&link.b, &link.a, spread),
            },
            drops_pps: BothWays { a_to_b: drops(&link.a, &link.b), b_to_a: drops(&link.b, &link.a) },
            loss_ratio: LossWays::of(link, losses),
            headroom: headroom.of(&link.id).map(Into::into),
        }
    }
}

impl<'a> From<&'a EndState> for EndView<'a> {
    fn from(end: &'a EndState) -> Self {
        let rates = [
            ("out_bps", end.out_bps),
            ("utilization", end.utilization_out),
            ("out_drops_pps", end.out_drops_pps),
            ("in_drops_pps", end.in_drops_pps),
        ];
        let unknown = if end.end.watched {
            rates.into_iter().filter_map(|(name, rate)| Some((name, rate.why()?.as_str()))).collect()
        } else {
            // Of a port that we only hear of everything is missing, and `watched` says so.
            BTreeMap::new()
        };
        Self {
            device: end.end.interface.device.as_str(),
            interface: &end.end.interface.if_name,
            watched: end.end.watched,
            oper_status: end.oper_status,
            speed_bps: end.speed_bps,
            speed_source: end.speed_source,
            out_bps: end.out_bps,
            out_drops_pps: end.out_drops_pps,
            in_drops_pps: end.in_drops_pps,
            unknown,
        }
    }
}

/// What is lost on the way: what the sender could not send and what the receiver could not take. An end that
/// we do not watch tells nothing; one that we watch and that is silent now makes the sum unknown.
fn drops(from: &EndState, to: &EndState) -> Rate {
    match (from.end.watched, to.end.watched) {
        (true, true) => either(from.out_drops_pps, to.in_drops_pps),
        (true, false) => from.out_drops_pps,
        (false, true) => to.in_drops_pps,
        (false, false) => MISSING,
    }
}

/// Whether a redundancy group is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GroupHealth {
    /// All that is planned works.
    Ok,
    /// Some of it does not.
    Degraded,
    /// None of it works.
    Lost,
    /// It cannot be said.
    Unknown,
}

impl GroupHealth {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(group: &GroupState) -> Self {
        let broken = group.planned.len().saturating_sub(group.working.len() + group.unknown.len());
        match (broken, group.working.len(), group.unknown.len()) {
            (0, 0, 0) => Self::Unknown,
            (0, _, 0) => Self::Ok,
            (0, _, _) => Self::Unknown,
            (_, 0, 0) => Self::Lost,
            _ => Self::Degraded,
        }
    }
}

/// One element of `/api/groups`.
#[derive(Serialize)]
pub(super) struct GroupView<'a> {
    name: &'a str,
    kind: GroupKind,
    device: Option<&'a str>,
    pub(super) state: GroupHealth,
    planned: &'a [LinkId],
    working: &'a [LinkId],
    unknown: &'a [LinkId],
    /// Why members do not work, where more is known than that they are down.
    reasons: BTreeMap<&'a str, &'a str>,
}

impl<'a> From<&'a GroupState> for GroupView<'a> {
    fn from(group: &'a GroupState) -> Self {
        Self {
            name: &group.name,
            kind: group.kind,
            device: group.device.as_ref().map(|device| device.as_str()),
            state: GroupHealth::of(group),
            planned: &group.planned,
            working: &group.working,
            unknown: &group.unknown,
            reasons: group.reasons.iter().map(|(id, reason)| (id.as_str(), &**reason)).collect(),
        }
    }
}

/// One element of `/api/optics`.
#[derive(Serialize)]
pub(super) struct SensorView<'a> {
    device: &'a str,
    interface: &'a str,
    sensor: &'a str,
    quantity: Quantity,
    unit: &'static str,
    value: Option<f64>,
    limits: Limits,
    read_at: String,
}

impl<'a> From<&'a SensorState> for SensorView<'a> {
    fn from(state: &'a SensorState) -> Self {
        let SensorState { interface, sensor, read_at } = state;
        Self {
            device: interface.device.as_str(),
            interface: &interface.if_name,
            sensor: &sensor.name,
            quantity: sensor.quantity,
            unit: sensor.quantity.unit(),
            value: sensor.value,
            limits: sensor.limits,
            read_at: read_at.to_string(),
        }
    }
}

/// Alerts with the labels that the operator gave to their devices: those that fire first, the newest of them
/// on top.
pub(super) fn alerts(alerts: &[Alert], snapshot: &Snapshot) -> Vec<AlertView> {
    let none = Labels::new();
    let mut sorted: Vec<&Alert> = alerts.iter().collect();
    sorted.sort_by_key(|alert| {
        let rank = match alert.state {
            crate::alert::AlertState::Firing => 0,
            crate::alert::AlertState::Pending => 1,
            crate::alert::AlertState::Resolved => 2,
        };
        (rank, std::cmp::Reverse(alert.since), alert.key())
    });
    sorted.into_iter().map(|alert| alert.view(configured(alert.key(), snapshot).unwrap_or(&none))).collect()
}

fn configured<'a>(key: &FindingKey, snapshot: &'a Snapshot) -> Option<&'a Labels> {
    let device = match &key.subject {
        Subject::Device(device) => device,
        Subject::Interface(interface) => &interface.device,
        Subject::Link { a, .. } => &a.device,
        Subject::Group { device, .. } => device.as_ref()?,
    };
    let at = snapshot.devices.binary_search_by(|state| state.id.cmp(device)).ok()?;
    Some(&snapshot.devices[at].identity.labels)
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(planned: usize, working: usize, unknown: usize) -> GroupState {
        let link = |n: usize| {
            let end = |side: &str| crate::fabric::InterfaceId::new("leaf1", format!("{side}{n}"));
            LinkId::new(&end("a"), &end("b"))
        };
        GroupState {
            name: "leaf1 uplinks".into(),
            kind: GroupKind::Uplinks,
            device: Some("leaf1".into()),
            planned: (0..planned).map(link).collect(),
            working: (0..working).map(link).collect(),
            unknown: (working..working + unknown).map(link).collect(),
            reasons: vec![],
        }
    }

    #[test]
    fn a_group_is_ok_only_when_all_is_known_to_work_and_lost_only_when_nothing_can() {
        use GroupHealth::*;
        for (planned, working, unknown, state) in [
            (2, 2, 0, Ok),
            (2, 1, 0, Degraded),
            (2, 0, 0, Lost),
            (2, 1, 1, Unknown),
            (2, 0, 2, Unknown),
            (2, 0, 1, Degraded),
            (3, 1, 1, Degraded),
            (0, 0, 0, Unknown),
        ] {
            assert_eq!(GroupHealth::of(&group(planned, working, unknown)), state, "{planned} {working} {unknown}");
        }
    }

    #[test]
    fn sums_leave_out_what_a_device_lacks_and_nothing_else() {
        let stale = Rate::Unknown(Unknown::Stale);
        assert_eq!(either(Rate::Known(1.0), Rate::Known(2.0)), Rate::Known(3.0));
        assert_eq!(either(MISSING, Rate::Known(2.0)), Rate::Known(2.0));
        assert_eq!(either(Rate::Known(1.0), stale), stale);
        assert_eq!(either(MISSING, MISSING), MISSING);
        let mut rates = Rates::default();
        rates[Counter::InUcastPkts] = Rate::Known(5.0);
        rates[Counter::InMulticastPkts] = MISSING;
        rates[Counter::InBroadcastPkts] = Rate::Known(1.0);
        let pps =
            |rates: &Rates| sum(rates, Counter::InUcastPkts, &[Counter::InMulticastPkts, Counter::InBroadcastPkts]);
        assert_eq!(pps(&rates), Rate::Known(6.0));
        rates[Counter::InMulticastPkts] = stale;
        assert_eq!(pps(&rates), stale);
        rates[Counter::InUcastPkts] = MISSING;
        assert_eq!(pps(&rates), MISSING);
    }
}
