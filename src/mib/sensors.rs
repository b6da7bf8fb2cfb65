//! ENTITY-SENSOR-MIB (RFC 3433), CISCO-ENTITY-SENSOR-MIB (the same table at another place, with thresholds), and Arista's
//! thresholds beside the standard's table: what optics say of themselves.
//!
//! A sensor belongs to the interface that [`Interfaces`] finds for its part; sensors of fans, supplies and boards have none and
//! are left out. Power is given in watts by the standard (its table has no dBm), and is told in dBm here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entity::{Interfaces, Parts};
use super::{Column, value};
use crate::fabric::{InterfaceInfo, Limits, Quantity, Sensor};
use crate::snmp::Value;

macro_rules! sensor_columns {
    ($(#[$doc:meta])* $names:ident [$($name:literal),*] [$($arc:literal),*]) => {
        $(#[$doc])*
        pub const $names: [Column; 5] = {
            const NAMES: [&str; 5] = [$($name),*];
            [
                Column { name: NAMES[0], oid: &[$($arc,)* 1] },
                Column { name: NAMES[1], oid: &[$($arc,)* 2] },
                Column { name: NAMES[2], oid: &[$($arc,)* 3] },
                Column { name: NAMES[3], oid: &[$($arc,)* 4] },
                Column { name: NAMES[4], oid: &[$($arc,)* 5] },
            ]
        };
    };
}

sensor_columns!(
    /// entPhySensorTable, by entPhysicalIndex: type, scale, precision, value, status.
    COLUMNS
    ["entPhySensorType", "entPhySensorScale", "entPhySensorPrecision", "entPhySensorValue", "entPhySensorOperStatus"]
    [1, 3, 6, 1, 2, 1, 99, 1, 1, 1]);

sensor_columns!(
    /// entSensorValueTable of CISCO-ENTITY-SENSOR-MIB: the same columns.
    CISCO_COLUMNS
    ["entSensorType", "entSensorScale", "entSensorPrecision", "entSensorValue", "entSensorStatus"]
    [1, 3, 6, 1, 4, 1, 9, 9, 91, 1, 1, 1, 1]);

/// entSensorThresholdTable, by entPhysicalIndex and a number: severity, relation, value.
pub const CISCO_THRESHOLD_COLUMNS: [Column; 3] = [
    Column { name: "entSensorThresholdSeverity", oid: &[1, 3, 6, 1, 4, 1, 9, 9, 91, 1, 2, 1, 1, 2] },
    Column { name: "entSensorThresholdRelation", oid: &[1, 3, 6, 1, 4, 1, 9, 9, 91, 1, 2, 1, 1, 3] },
    Column { name: "entSensorThresholdValue", oid: &[1, 3, 6, 1, 4, 1, 9, 9, 91, 1, 2, 1, 1, 4] },
];

/// aristaEntSensorThresholdTable, by entPhysicalIndex: low warning, low critical, high warning, high critical.
pub const ARISTA_THRESHOLD_COLUMNS: [Column; 4] = [
    Column { name: "aristaEntSensorThresholdLowWarning", oid: &[1, 3, 6, 1, 4, 1, 30065, 3, 12, 1, 1, 1, 1] },
    Column { name: "aristaEntSensorThresholdLowCritical", oid: &[1, 3, 6, 1, 4, 1, 30065, 3, 12, 1, 1, 1, 2] },
    Column { name: "aristaEntSensorThresholdHighWarning", oid: &[1, 3, 6, 1, 4, 1, 30065, 3, 12, 1, 1, 1, 3] },
    Column { name: "aristaEntSensorThresholdHighCritical", oid: &[1, 3, 6, 1, 4, 1, 30065, 3, 12, 1, 1, 1, 4] },
];

// SensorDataType
const VOLTS_DC: i64 = 4;
const AMPERES: i64 = 5;
const WATTS: i64 = 6;
const CELSIUS: i64 = 8;
const DBM: i64 = 14;
/// SensorStatus: ok.
const OK: i64 = 1;
/// A value at either end of what the type holds stands for "beyond it": no measurement.
const BEYOND: i64 = 1_000_000_000;
/// SFF-8472 counts light in steps of 0.1 uW: what sees less says 0.
const DARK_DBM: f64 = -40.0;
/// Sensors kept of one device: five for each lane of each port of the largest chassis.
const SENSORS_MAX: usize = 32_768;

/// One row of a sensor table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SensorRow {
    /// Type, scale, precision, value, status.
    cells: [Option<i64>; 5],
}

impl SensorRow {
    /// Note a value of the column at this place of [`COLUMNS`] or [`CISCO_COLUMNS`].
    pub fn learn(&mut self, column: usize, value: &Value<'_>) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = value::number(value);
        }
    }

    /// A number of this row in the base unit; none where it stands for no measurement.
    fn scaled(&self, number: i64) -> Option<f64> {
        let [_, scale, precision, ..] = self.cells;
        if number.abs() >= BEYOND {
            return None;
        }
        // SensorDataScale counts steps of a thousand around units(9); a negative precision counts digits that can be believed.
        let thousands = i32::try_from(scale.filter(|scale| (1..=17).contains(scale)).unwrap_or(9)).ok()? - 9;
        let decimals = i32::try_from(precision.unwrap_or(0).clamp(0, 9)).ok()?;
        Some(number as f64 * 10f64.powi(3 * thousands - decimals))
    }

    /// A number of this row in the unit that its quantity is told in.
    fn told(&self, quantity: Quantity, number: i64) -> Option<f64> {
        let base = self.scaled(number)?;
        match (quantity, self.cells[0]?) {
            (Quantity::ReceivedPower | Quantity::TransmittedPower, WATTS) => {
                Some(if base <= 0.0 { DARK_DBM } else { (10.0 * (base * 1_000.0).log10()).max(DARK_DBM) })
            }
            (Quantity::BiasCurrent, _) => Some(base * 1_000.0),
            _ => Some(base),
        }
    }

    /// What is measured, by the unit and, for light, by words.
    fn quantity<'a>(&self, words: impl Iterator<Item = &'a str>) -> Option<Quantity> {
        match self.cells[0]? {
            VOLTS_DC => Some(Quantity::Voltage),
            AMPERES => Some(Quantity::BiasCurrent),
            CELSIUS => Some(Quantity::Temperature),
            WATTS | DBM => words.map(str::to_ascii_lowercase).find_map(|text| {
                let has = |word: &str| text.contains(word);
                if has("receive") || has("rx") {
                    Some(Quantity::ReceivedPower)
                } else if has("transmit") || has("tx") {
                    Some(Quantity::TransmittedPower)
                } else {
                    None
                }
            }),
            _ => None,
        }
    }
}

/// The thresholds of one sensor, as numbers of the sensor's own scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thresholds {
    /// Low critical, low warning, high warning, high critical.
    at: [Option<i64>; 4],
}

/// A row of Cisco's table, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
struct CiscoThreshold {
    severity: i64,
    relation: i64,
    value: Option<i64>,
}

/// All sensors of a device with their thresholds.
#[derive(Clone, Debug, Default)]
pub struct SensorRows {
    rows: BTreeMap<u32, SensorRow>,
}

/// All thresholds of a device.
#[derive(Clone, Debug, Default)]
pub struct ThresholdRows {
    cisco: BTreeMap<(u32, u32), CiscoThreshold>,
    arista: BTreeMap<u32, Thresholds>,
}

impl SensorRows {
    /// Note a value of the column at this place.
    pub fn learn(&mut self, index: u32, column: usize, value: &Value<'_>) {
        if self.rows.len() < SENSORS_MAX || self.rows.contains_key(&index) {
            self.rows.entry(index).or_default().learn(column, value);
        }
    }

    /// The device has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl ThresholdRows {
    /// Note a value of the column at this place of [`CISCO_THRESHOLD_COLUMNS`].
    pub fn learn_cisco(&mut self, index: &[u32], column: usize, value: &Value<'_>) {
        let &[part, number] = index else { return };
        if self.cisco.len() >= 4 * SENSORS_MAX && !self.cisco.contains_key(&(part, number)) {
            return;
        }
        let threshold = self.cisco.entry((part, number)).or_default();
        match column {
            0 => threshold.severity = value::number(value).unwrap_or(0),
            1 => threshold.relation = value::number(value).unwrap_or(0),
            _ => threshold.value = value::number(value),
        }
    }

    /// Note a value of the column at this place of [`ARISTA_THRESHOLD_COLUMNS`].
    pub fn learn_arista(&mut self, index: u32, column: usize, value: &Value<'_>) {
        if self.arista.len() >= SENSORS_MAX && !self.arista.contains_key(&index) {
            return;
        }
        let place = [1, 0, 2, 3].get(column).copied();
        if let Some(place) = place {
            self.arista.entry(index).or_default().at[place] = value::number(value);
        }
    }

    fn of(&self, part: u32) -> Thresholds {
        if let Some(thresholds) = self.arista.get(&part) {
            return *thresholds;
        }
        let mut thresholds = Thresholds::default();
        for row in self.cisco.range((part, 0)..=(part, u32::MAX)).map(|(_, row)| row) {
            let Some(value) = row.value else { continue };
            // SensorThresholdSeverity: minor is 10, major 20, critical 30.
            let is_critical = row.severity >= 20;
            match row.relation {
                1 | 2 => {
                    let slot = &mut thresholds.at[usize::from(!is_critical)];
                    *slot = Some(slot.map_or(value, |known| known.max(value)));
                }
                3 | 4 => {
                    let slot = &mut thresholds.at[if is_critical { 3 } else { 2 }];
                    *slot = Some(slot.map_or(value, |known| known.min(value)));
                }
                _ => {}
            }
        }
        thresholds
    }
}

/// The sensors of optics.
pub fn sensors(
    rows: &SensorRows,
    thresholds: &ThresholdRows,
    parts: &Parts,
    inventory: &[Arc<InterfaceInfo>],
) -> Vec<Sensor> {
    let interfaces = Interfaces::new(inventory);
    let mut sensors: Vec<Sensor> = rows
        .rows
        .iter()
        .filter_map(|(&part, row)| {
            let if_name = interfaces.of(parts, part)?;
            let quantity = row.quantity(parts.words(part))?;
            let [.., value, status] = row.cells;
            let value = value.filter(|_| status.is_none_or(|status| status == OK));
            Some(Sensor {
                if_name: Arc::clone(if_name),
                name: parts.name(part).into(),
                quantity,
                value: value.and_then(|value| row.told(quantity, value)),
                limits: limits(row, quantity, thresholds.of(part)),
            })
        })
        .collect();
    sensors.sort_by(|one, other| {
        (&one.if_name, one.quantity, &one.name).cmp(&(&other.if_name, other.quantity, &other.name))
    });
    sensors
}

/// Thresholds that can be: in order, and not all the same (zeros stand for none).
fn limits(row: &SensorRow, quantity: Quantity, thresholds: Thresholds) -> Limits {
    let numbers: Vec<i64> = thresholds.at.iter().copied().flatten().collect();
    if numbers.len() > 1 && numbers.iter().all(|number| *number == numbers[0]) {
        return Limits::default();
    }
    let [low_critical, low_warning, high_warning, high_critical] =
        thresholds.at.map(|number| row.told(quantity, number?));
    let limits = Limits { low_critical, low_warning, high_warning, high_critical };
    let present: Vec<f64> = [low_critical, low_warning, high_warning, high_critical].into_iter().flatten().collect();
    if present.is_sorted() { limits } else { Limits::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::entity::{PHYSICAL_DESCR, PHYSICAL_NAME};

    fn row(cells: [i64; 5]) -> SensorRow {
        SensorRow { cells: cells.map(Some) }
    }

    fn optics(text: &str, cells: [i64; 5], thresholds: &ThresholdRows) -> Vec<Sensor> {
        let mut rows = SensorRows::default();
        for (column, number) in cells.into_iter().enumerate() {
            rows.learn(7, column, &Value::Integer(number));
        }
        let mut parts = Parts::default();
        parts.learn(7, &PHYSICAL_NAME, &Value::OctetString(b""));
        parts.learn(7, &PHYSICAL_DESCR, &Value::OctetString(text.as_bytes()));
        let port = InterfaceInfo { if_name: "Ethernet4".into(), if_index: 4, ..InterfaceInfo::default() };
        sensors(&rows, thresholds, &parts, &[Arc::new(port)])
    }

    #[test]
    fn watts_become_dbm_and_amperes_milliamperes() {
        let none = ThresholdRows::default();
        let power = optics("DOM TX Power Sensor for Ethernet4", [6, 8, 4, 2436, 1], &none);
        assert_eq!(power[0].quantity, Quantity::TransmittedPower);
        assert!((power[0].value.unwrap() + 6.133).abs() < 0.001, "{power:?}");
        assert_eq!(power[0].limits, Limits::default());
        let bias = optics("DOM TX Bias Sensor for Ethernet4", [5, 8, 2, 2380, 1], &none);
        assert_eq!((bias[0].quantity, bias[0].value), (Quantity::BiasCurrent, Some(23.8)));
        let dark = optics("DOM RX Power Sensor for Ethernet4", [6, 8, 4, 0, 1], &none);
        assert_eq!((dark[0].quantity, dark[0].value), (Quantity::ReceivedPower, Some(-40.0)));
        for unread in [[6, 8, 4, -1_000_000_000, 1], [6, 8, 4, 2436, 2]] {
            assert_eq!(optics("DOM RX Power Sensor for Ethernet4", unread, &none)[0].value, None);
        }
        assert_eq!(optics("Cpu temp sensor", [8, 9, 1, 533, 1], &none), [], "no optic");
        assert_eq!(optics("Power Sensor for Ethernet4", [6, 9, 0, 1, 1], &none), [], "which power?");
    }

    #[test]
    fn thresholds_of_both_kinds() {
        let mut cisco = ThresholdRows::default();
        for (number, (severity, relation, value)) in
            [(20, 3, -1999), (10, 3, -3001), (20, 1, -26_989), (10, 1, -25_228)].into_iter().enumerate()
        {
            for (column, cell) in [severity, relation, value].into_iter().enumerate() {
                cisco.learn_cisco(&[7, number as u32 + 1], column, &Value::Integer(cell));
            }
        }
        let text = "Ethernet4 Lane 1 Transceiver Receive Power Sensor";
        let power = &optics(text, [14, 8, 0, -13_187, 1], &cisco)[0];
        assert_eq!(power.value, Some(-13.187));
        let expected = Limits {
            low_critical: Some(-26.989),
            low_warning: Some(-25.228),
            high_warning: Some(-3.001),
            high_critical: Some(-1.999),
        };
        assert_eq!(power.limits, expected);

        let mut arista = ThresholdRows::default();
        for (column, number) in [10, 5, 7_000, 9_000].into_iter().enumerate() {
            arista.learn_arista(7, column, &Value::Integer(number));
        }
        let limits = optics("DOM TX Power Sensor for Ethernet4", [6, 8, 4, 2436, 1], &arista)[0].limits;
        assert!(limits.low_critical < limits.low_warning && limits.high_warning < limits.high_critical, "{limits:?}");
        let mut zeros = ThresholdRows::default();
        (0..4).for_each(|column| zeros.learn_arista(7, column, &Value::Integer(0)));
        assert!(optics("DOM TX Power Sensor for Ethernet4", [6, 8, 4, 2436, 1], &zeros)[0].limits.is_empty());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn whatever_numbers_come_the_value_is_finite(cells in proptest::array::uniform5(proptest::prelude::any::<i64>()), kind in 0i64..16) {
            let [_, scale, precision, value, _] = cells;
            let row = row([kind, scale % 20, precision % 12, value, 1]);
            for quantity in [Quantity::ReceivedPower, Quantity::BiasCurrent, Quantity::Temperature] {
                if let Some(told) = row.told(quantity, value) {
                    proptest::prop_assert!(told.is_finite());
                }
            }
        }
    }
}
