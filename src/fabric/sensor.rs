//! What an optic says of itself (SFF-8472), as the device passes it on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Direction, InterfaceId, Timestamp};

/// What is measured; the unit goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Light that arrives, dBm.
    ReceivedPower,
    /// Light that is sent, dBm.
    TransmittedPower,
    /// Current through the laser, mA.
    BiasCurrent,
    /// Temperature of the optic, °C.
    Temperature,
    /// Supply of the optic, V.
    Voltage,
}

impl Quantity {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReceivedPower => "received power",
            Self::TransmittedPower => "transmitted power",
            Self::BiasCurrent => "laser current",
            Self::Temperature => "temperature",
            Self::Voltage => "supply voltage",
        }
    }

    /// Its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ReceivedPower | Self::TransmittedPower => "dBm",
            Self::BiasCurrent => "mA",
            Self::Temperature => "°C",
            Self::Voltage => "V",
        }
    }

    /// The direction that suffers, where it is one.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::ReceivedPower => Some(Direction::In),
            Self::TransmittedPower | Self::BiasCurrent => Some(Direction::Out),
            Self::Temperature | Self::Voltage => None,
        }
    }

    /// Zero where there is no light: says nothing of the optic while its port is down.
    pub const fn is_of_light(self) -> bool {
        matches!(self, Self::ReceivedPower | Self::TransmittedPower | Self::BiasCurrent)
    }
}

/// Where a value begins to be out of range. What the device does not say is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Below it is critical.
    pub low_critical: Option<f64>,
    /// Below it is a warning.
    pub low_warning: Option<f64>,
    /// Above it is a warning.
    pub high_warning: Option<f64>,
    /// Above it is critical.
    pub high_critical: Option<f64>,
}

impl Limits {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One sensor of an optic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    /// The interface that the optic belongs to.
    pub if_name: Arc<str>,
    /// The device's own name for the sensor: tells lanes apart.
    pub name: Arc<str>,
    /// What it measures.
    pub quantity: Quantity,
    /// The value in the quantity's unit; none where the sensor gives none.
    pub value: Option<f64>,
    /// The device's own thresholds.
    pub limits: Limits,
}

/// A sensor as last read.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorState {
    /// The interface that the optic belongs to.
    pub interface: InterfaceId,
    /// What was read.
    pub sensor: Sensor,
    /// When.
    pub read_at: Timestamp,
}
