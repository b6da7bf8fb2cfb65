//! An optic's light, current, temperature or supply is out of its range.
//!
//! The device's own thresholds count, as the optic's maker set them (SFF-8472, 9.4). Where a device tells none, two things are
//! judged all the same: received light, against the faintest that a common optic of IEEE 802.3 must still read (-19 dBm,
//! 1000BASE-LX in 38.4; 10 Gbit/s optics need -9.9 to -15.8, clause 52) and temperature, against the commercial range of optics (70 °C).
//!
//! Light and current say nothing while the port is down: a port that is shut sends none, and one whose cable is cut receives none,
//! which its link tells.
//!
//! One interface may have several sensors of a kind (lanes): the worst of each direction is told.

use std::time::Duration;

use crate::fabric::{
    Direction, Evidence, Finding, FindingKey, FindingKind, InterfaceId, InterfaceState, Limits, Quantity, Sensor,
    Severity, Subject, Timestamp, Unknown, Verdict,
};

use super::phrase;
use super::threshold::{Judgement, Live, settle};

/// `[detect.optics]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be in range again before it counts as resolved.
    pub keep_firing_for: Duration,
    /// Received light below this is a warning where the device has no threshold of its own, dBm.
    pub received_warning_dbm: f64,
    /// Received light below this is critical where the device has no threshold of its own, dBm.
    pub received_critical_dbm: f64,
    /// A temperature above this is a warning where the device has no threshold of its own, °C.
    pub temperature_warning_c: f64,
    /// A temperature above this is critical where the device has no threshold of its own, °C.
    pub temperature_critical_c: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            pending_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            received_warning_dbm: -19.0,
            received_critical_dbm: -24.0,
            temperature_warning_c: 70.0,
            temperature_critical_c: 75.0,
        }
    }
}

/// The directions that are told apart, and their places in [`Memory`].
const DIRECTIONS: [Option<Direction>; 3] = [Some(Direction::In), Some(Direction::Out), None];

/// What is told of one interface, by direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory([Option<Live>; 3]);

impl Memory {
    pub(super) fn is_calm(&self) -> bool {
        self.0 == [None, None, None]
    }

    /// The directions that are told.
    pub(super) fn told(&self) -> impl Iterator<Item = Option<Direction>> + use<> {
        let told = self.0.map(|live| live.is_some());
        DIRECTIONS.into_iter().zip(told).filter_map(|(direction, told)| told.then_some(direction))
    }

    /// This was told before a restart.
    pub(super) fn prime(&mut self, direction: Option<Direction>) {
        for (slot, of) in self.0.iter_mut().zip(DIRECTIONS) {
            if of == direction {
                *slot = Some(Live::PRIMED);
            }
        }
    }
}

pub(super) fn key(interface: &InterfaceId, direction: Option<Direction>) -> FindingKey {
    FindingKey { kind: FindingKind::OpticsOutOfRange, subject: Subject::Interface(interface.clone()), direction }
}

/// A value that is out of range, or was and is not back by enough.
struct Breach<'a> {
    sensor: &'a Sensor,
    value: f64,
    limit: f64,
    is_low: bool,
    severity: Severity,
    own: bool,
}

/// A value must come back by this much before it is in range again, so that one that wavers is not told again and again.
fn band(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::ReceivedPower | Quantity::TransmittedPower => 0.5,
        Quantity::BiasCurrent => 0.5,
        Quantity::Temperature => 2.0,
        Quantity::Voltage => 0.02,
    }
}

/// The thresholds that count, and whether they are the device's own.
fn limits(settings: &Settings, sensor: &Sensor) -> (Limits, bool) {
    if !sensor.limits.is_empty() {
        return (sensor.limits, true);
    }
    let limits = match sensor.quantity {
        Quantity::ReceivedPower => Limits {
            low_critical: Some(settings.received_critical_dbm),
            low_warning: Some(settings.received_warning_dbm),
            ..Limits::default()
        },
        Quantity::Temperature => Limits {
            high_warning: Some(settings.temperature_warning_c),
            high_critical: Some(settings.temperature_critical_c),
            ..Limits::default()
        },
        _ => Limits::default(),
    };
    (limits, false)
}

fn breach<'a>(settings: &Settings, sensor: &'a Sensor, value: f64, was: Option<Severity>) -> Option<Breach<'a>> {
    let (limits, own) = limits(settings, sensor);
    let band = band(sensor.quantity);
    let slack = |severity: Severity| if was.is_some_and(|was| was >= severity) { band } else { 0.0 };
    let tests = [
        (limits.low_critical, true, Severity::Critical),
        (limits.high_critical, false, Severity::Critical),
        (limits.low_warning, true, Severity::Warning),
        (limits.high_warning, false, Severity::Warning),
    ];
    tests.into_iter().find_map(|(limit, is_low, severity)| {
        let limit = limit?;
        let out = if is_low { value < limit + slack(severity) } else { value > limit - slack(severity) };
        out.then_some(Breach { sensor, value, limit, is_low, severity, own })
    })
}

/// Judge the sensors of an interface.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    state: &InterfaceState,
    sensors: &[&Sensor],
    memory: &mut Memory,
    mut tell: impl FnMut(FindingKey, Verdict),
) {
    for (live, direction) in memory.0.iter_mut().zip(DIRECTIONS) {
        let was = live.map(|live| live.severity);
        let of_direction = sensors.iter().filter(|sensor| sensor.quantity.direction() == direction);
        let judged = of_direction.filter(|sensor| !sensor.quantity.is_of_light() || state.oper_status.is_up());
        let mut known = false;
        let breaches = judged.filter_map(|sensor| {
            let value = sensor.value?;
            known = true;
            breach(settings, sensor, value, was)
        });
        let worst = breaches.max_by(|one, other| {
            let beyond = |breach: &Breach<'_>| (breach.value - breach.limit).abs();
            one.severity.cmp(&other.severity).then(beyond(one).total_cmp(&beyond(other)))
        });
        let verdict = match (worst, known) {
            (None, false) if live.is_some() => Verdict::Unknown(Unknown::Missing),
            (None, false) => continue,
            (worst, _) => match settle(now, worst.as_ref().map(|worst| worst.severity), live) {
                Judgement::Present(live) => match worst {
                    Some(worst) => Verdict::Present(Box::new(finding(settings, now, state, direction, &worst, live))),
                    None => continue,
                },
                Judgement::Over => Verdict::Absent,
                Judgement::Unknown(why) => Verdict::Unknown(why),
                Judgement::Calm => continue,
            },
        };
        tell(key(&state.id, direction), verdict);
    }
}

fn finding(
    settings: &Settings,
    now: Timestamp,
    state: &InterfaceState,
    direction: Option<Direction>,
    breach: &Breach<'_>,
    live: Live,
) -> Finding {
    let Breach { sensor, value, limit, is_low, severity, own } = *breach;
    let (id, alias) = (&state.id, phrase::alias(&state.info));
    let (what, unit) = (sensor.quantity.as_str(), sensor.quantity.unit());
    let (verb, side) = if is_low { ("low", "below") } else { ("high", "above") };
    let (cause, action) = match (sensor.quantity, is_low) {
        (Quantity::ReceivedPower, true) => (
            "Too little light arrives: a dirty or bent fibre, a bad splice, or the far end's laser fails.",
            format!("Clean and check the fibre at {id}; compare with what the far end sends."),
        ),
        (Quantity::ReceivedPower, false) => (
            "Too much light arrives: an optic for a longer way than this one, without an attenuator.",
            format!("Put an attenuator before {id}, or optics for the length of the fibre."),
        ),
        (Quantity::TransmittedPower, true) => (
            "The laser sends too little light: it ages, or is switched off.",
            format!("Replace the optic of {id} before the link fails."),
        ),
        (Quantity::BiasCurrent, false) => (
            "The laser needs more current than it should to send its light: it ages and will fail.",
            format!("Replace the optic of {id} at the next occasion."),
        ),
        (Quantity::Temperature, false) => (
            "The optic is too hot: a fan failed, air does not flow, or the optic draws more than the port can cool.",
            format!("Check the fans and the air around {id}."),
        ),
        (Quantity::TransmittedPower | Quantity::BiasCurrent | Quantity::Temperature | Quantity::Voltage, _) => (
            "The optic does not work as its maker meant it to.",
            format!("Check the optic of {id}; replace it if this stays."),
        ),
    };
    let whose = if own { "the device's own threshold" } else { "the default, as the device tells no threshold" };
    let name = if sensor.name.is_empty() { String::new() } else { format!(" (sensor \"{}\")", sensor.name) };
    Finding {
        key: key(&state.id, direction),
        severity,
        class: None,
        evidence: Evidence {
            summary: format!("Optic of {id}{alias}: {what} is {verb}, {value:.2} {unit}"),
            cause: cause.to_owned(),
            evidence: format!(
                "{what} {value:.2} {unit}{name} is {side} {limit:.2} {unit}, {whose} for {}, {}; ifOperStatus {}.",
                severity.as_str(),
                phrase::since(live.since, now),
                state.oper_status.as_str(),
            ),
            action,
        },
        observed_at: now,
        pending_for: settings.pending_for,
        keep_firing_for: settings.keep_firing_for,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fabric::{AdminStatus, InterfaceInfo, OperStatus};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_795_498_200 + secs)
    }

    fn port(oper_status: OperStatus) -> InterfaceState {
        InterfaceState {
            id: InterfaceId::new("leaf1", "Ethernet4"),
            info: Arc::new(InterfaceInfo::default()),
            speed_bps: None,
            speed_source: None,
            oper_status,
            admin_status: AdminStatus::Up,
            oper_changed_at: None,
            seen_up: true,
            polled_at: None,
            counters: Default::default(),
            rates: Default::default(),
            utilization_in: Default::default(),
            utilization_out: Default::default(),
        }
    }

    const OWN: Limits = Limits {
        low_critical: Some(-14.0),
        low_warning: Some(-11.0),
        high_warning: Some(0.0),
        high_critical: Some(2.0),
    };

    fn sensor(quantity: Quantity, value: Option<f64>, limits: Limits) -> Sensor {
        Sensor { if_name: "Ethernet4".into(), name: "lane 1".into(), quantity, value, limits }
    }

    fn told(memory: &mut Memory, status: OperStatus, sensors: &[Sensor]) -> Vec<(Option<Direction>, &'static str)> {
        let sensors: Vec<&Sensor> = sensors.iter().collect();
        let mut told = Vec::new();
        look(&Settings::default(), at(0), &port(status), &sensors, memory, |key, verdict| {
            told.push((
                key.direction,
                match verdict {
                    Verdict::Present(finding) => finding.severity.as_str(),
                    Verdict::Absent => "over",
                    Verdict::Unknown(_) => "unknown",
                },
            ));
        });
        told
    }

    /// How one sensor is told as its value goes through these, one after the other.
    fn course(quantity: Quantity, limits: Limits, values: &[f64]) -> Vec<&'static str> {
        let mut memory = Memory::default();
        let step = |value: &f64| {
            let told = told(&mut memory, OperStatus::Up, &[sensor(quantity, Some(*value), limits)]);
            told.first().map_or("calm", |(_, word)| word)
        };
        values.iter().map(step).collect()
    }

    #[test]
    fn each_threshold_with_its_band() {
        assert_eq!(
            course(Quantity::ReceivedPower, OWN, &[-5.0, -11.0, -11.1, -10.8, -14.1, -13.6, -13.4, -10.5, -5.0]),
            ["calm", "calm", "warning", "warning", "critical", "critical", "warning", "over", "calm"]
        );
        assert_eq!(
            course(Quantity::ReceivedPower, OWN, &[0.1, -0.4, -0.5, 2.1, 1.6, 1.4]),
            ["warning", "warning", "over", "critical", "critical", "warning"]
        );
        let none = Limits::default();
        assert_eq!(
            course(Quantity::ReceivedPower, none, &[-18.9, -19.1, -24.1, 6.0]),
            ["calm", "warning", "critical", "over"]
        );
        assert_eq!(
            course(Quantity::Temperature, none, &[69.0, 71.0, 76.0, 60.0]),
            ["calm", "warning", "critical", "over"]
        );
        assert_eq!(course(Quantity::BiasCurrent, none, &[500.0]), ["calm"], "nobody says what is too much");
    }

    #[test]
    fn directions_are_told_apart_and_the_worst_lane_counts() {
        let mut memory = Memory::default();
        let lanes = [
            sensor(Quantity::ReceivedPower, Some(-12.0), OWN),
            sensor(Quantity::ReceivedPower, Some(-15.0), OWN),
            sensor(Quantity::TransmittedPower, Some(-12.0), OWN),
            sensor(Quantity::Temperature, Some(40.0), Limits::default()),
        ];
        let (received, sent) = (Some(Direction::In), Some(Direction::Out));
        assert_eq!(told(&mut memory, OperStatus::Up, &lanes), [(received, "critical"), (sent, "warning")]);
        assert_eq!(memory.told().collect::<Vec<_>>(), [received, sent]);
        // No light while the port is down says nothing, and nothing is over for that.
        assert_eq!(told(&mut memory, OperStatus::Down, &lanes), [(received, "unknown"), (sent, "unknown")]);
        assert_eq!(told(&mut memory, OperStatus::Up, &[]), [(received, "unknown"), (sent, "unknown")]);
        assert_eq!(told(&mut Memory::default(), OperStatus::Down, &lanes), []);
        let fine = sensor(Quantity::ReceivedPower, Some(-5.0), OWN);
        assert_eq!(told(&mut memory, OperStatus::Up, &[fine]), [(received, "over"), (sent, "unknown")]);
    }

    #[test]
    fn the_words_have_numbers_and_say_what_to_do() {
        let sensor = sensor(Quantity::ReceivedPower, Some(-15.0), OWN);
        let mut evidence = None;
        let tell = |_, verdict| {
            if let Verdict::Present(finding) = verdict {
                evidence = Some(finding.evidence);
            }
        };
        look(&Settings::default(), at(0), &port(OperStatus::Up), &[&sensor], &mut Memory::default(), tell);
        let evidence = evidence.expect("it is out of range");
        assert_eq!(evidence.summary, "Optic of leaf1:Ethernet4: received power is low, -15.00 dBm");
        assert_eq!(
            evidence.evidence,
            "received power -15.00 dBm (sensor \"lane 1\") is below -14.00 dBm, the device's own threshold for critical, \
             since 2026-11-24T05:30:00.000Z; ifOperStatus up."
        );
        assert!(evidence.action.contains("Clean and check the fibre"), "{}", evidence.action);
    }
}
