//! An interface, in the words of RFC 2863 (IF-MIB).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::DeviceId;

/// Which interface: the device and the interface's name.
///
/// ifIndex is not part of it: devices renumber, an index is an address and not an identity. Where a
/// device gives two interfaces one ifName the collector makes them differ (`name#ifIndex`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterfaceId {
    /// The device that has it.
    pub device: DeviceId,
    /// ifName, else ifDescr, else `ifIndex-N`.
    #[serde(rename = "interface")]
    pub if_name: Arc<str>,
}

impl InterfaceId {
    /// From its two parts.
    pub fn new(device: impl Into<DeviceId>, if_name: impl AsRef<str>) -> Self {
        Self { device: device.into(), if_name: if_name.as_ref().into() }
    }
}

/// `device:ifName`.
impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.if_name)
    }
}

/// ifOperStatus (RFC 2863): what the interface does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperStatus {
    /// up(1): ready to pass packets.
    Up,
    /// down(2)
    Down,
    /// testing(3)
    Testing,
    /// unknown(4), and every value outside of 1..7.
    #[default]
    Unknown,
    /// dormant(5): waiting for some external event.
    Dormant,
    /// notPresent(6): some component is missing.
    NotPresent,
    /// lowerLayerDown(7): down because of an interface below it.
    LowerLayerDown,
}

impl OperStatus {
    /// From the object's value; what the standard does not define is unknown.
    pub const fn from_value(value: i64) -> Self {
        match value {
            1 => Self::Up,
            2 => Self::Down,
            3 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::NotPresent,
            7 => Self::LowerLayerDown,
            _ => Self::Unknown,
        }
    }

    /// The object's value.
    pub const fn value(self) -> u8 {
        match self {
            Self::Up => 1,
            Self::Down => 2,
            Self::Testing => 3,
            Self::Unknown => 4,
            Self::Dormant => 5,
            Self::NotPresent => 6,
            Self::LowerLayerDown => 7,
        }
    }

    /// The standard's own spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Testing => "testing",
            Self::Unknown => "unknown",
            Self::Dormant => "dormant",
            Self::NotPresent => "notPresent",
            Self::LowerLayerDown => "lowerLayerDown",
        }
    }

    /// Passes no packets, for certain.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::NotPresent | Self::LowerLayerDown)
    }

    /// Passes packets, for certain.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }
}

/// ifAdminStatus (RFC 2863): what the operator wants the interface to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdminStatus {
    /// up(1)
    Up,
    /// down(2)
    Down,
    /// testing(3)
    Testing,
    /// Not given, or outside of 1..3.
    #[default]
    Unknown,
}

impl AdminStatus {
    /// From the object's value; what the standard does not define is unknown.
    pub const fn from_value(value: i64) -> Self {
        match value {
            1 => Self::Up,
            2 => Self::Down,
            3 => Self::Testing,
            _ => Self::Unknown,
        }
    }

    /// The standard's own spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Testing => "testing",
            Self::Unknown => "unknown",
        }
    }
}

/// What an interface is, as opposed to what it does: changes rarely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceInfo {
    /// Its name within the device, as in [`InterfaceId`].
    pub if_name: Arc<str>,
    /// ifIndex: where to read it now.
    pub if_index: u32,
    /// ifDescr; may be empty.
    pub if_descr: String,
    /// ifAlias: what people wrote on it; may be empty.
    pub if_alias: String,
    /// ifType (IANAifType); 0 where not given. 6 is ethernetCsmacd, 24 softwareLoopback, 161 ieee8023adLag.
    pub if_type: u32,
    /// ifPhysAddress; empty where it has none.
    pub phys_address: Vec<u8>,
    /// Speed in bit/s for one direction as the device gives it: ifHighSpeed, else ifSpeed; none where it does
    /// not say (0, or 4294967295 without ifHighSpeed).
    pub speed_bps: Option<u64>,
}
