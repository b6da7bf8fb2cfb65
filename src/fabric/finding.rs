//! What a detector says of what it looked at.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DeviceId, DropClass, InterfaceId, LinkId, Timestamp, Unknown};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// What was found; the spelling is the alert's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingKind { $($(#[$doc])* $variant,)* }

        impl FindingKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The alert's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

kinds! {
    /// A link or interface that was up passes no packets.
    LinkDown,
    /// A link goes up and down again and again.
    LinkFlapping,
    /// A port runs at another speed than it did.
    SpeedChanged,
    /// A device does not answer; its links may be fine.
    DeviceUnreachable,
    /// A device started anew.
    DeviceRestarted,
    /// A device's clock or counters say what cannot be.
    CountersDoubtful,
    /// A direction of an interface is near its capacity.
    Saturation,
    /// A direction will be near its capacity before long.
    SaturationForecast,
    /// Packets lost for want of buffers.
    DropsCongestion,
    /// Packets lost to damage on the wire.
    DropsCorruption,
    /// Packets lost to a rule.
    DropsPolicy,
    /// Packets lost for want of a route or a destination.
    DropsNoRoute,
    /// Packets lost inside a host.
    DropsHost,
    /// Short bursts at line rate under a calm average.
    Microburst,
    /// Packets vanish between two ports that both count everything as fine.
    SilentLoss,
    /// A link is up and nothing arrives.
    BlackHole,
    /// Some of several parallel ways are gone.
    RedundancyDegraded,
    /// All of several parallel ways are gone.
    RedundancyLost,
    /// One part whose failure cuts others off.
    SinglePointOfFailure,
    /// One more failure would saturate what is left.
    HeadroomExceeded,
    /// An optic's power, temperature or current is out of its range.
    OpticsOutOfRange,
    /// We do not keep up with polling a device.
    PollerOverrun,
}

/// How urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Get up.
    Critical,
}

impl Severity {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A direction, as seen from the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Direction {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A device as a whole.
    Device(DeviceId),
    /// One interface.
    Interface(InterfaceId),
    /// A cable, with both ends.
    Link {
        /// Its name.
        id: LinkId,
        /// The end that sorts first.
        a: InterfaceId,
        /// The other.
        b: InterfaceId,
    },
    /// A redundancy group.
    Group {
        /// Its name.
        name: Arc<str>,
        /// The device whose doubling it is, if it is one device's.
        device: Option<DeviceId>,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => device.fmt(f),
            Self::Interface(interface) => interface.fmt(f),
            Self::Link { id, .. } => id.fmt(f),
            Self::Group { name, .. } => f.write_str(name),
        }
    }
}

/// The identity of a finding: the same trouble at the same place is the same finding, whatever its
/// numbers and its severity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindingKey {
    /// What.
    pub kind: FindingKind,
    /// Where.
    pub subject: Subject,
    /// Which direction, where that matters.
    pub direction: Option<Direction>,
}

/// Why we say so, in people's words; each a whole sentence without line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is wrong, in one line that fits a phone.
    pub summary: String,
    /// What most likely brought it about.
    pub cause: String,
    /// The numbers it rests on, with units.
    pub evidence: String,
    /// What to do.
    pub action: String,
}

/// Something is wrong here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What and where.
    pub key: FindingKey,
    /// How urgent.
    pub severity: Severity,
    /// The class of loss, where it is one.
    pub class: Option<DropClass>,
    /// Why we say so.
    pub evidence: Evidence,
    /// The reading that told: from here alert latency is counted.
    pub observed_at: Timestamp,
    /// How long it must last before anybody is told.
    pub pending_for: Duration,
    /// How long it must be gone before it counts as resolved.
    pub keep_firing_for: Duration,
}

/// A detector's word on one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is wrong.
    Present(Box<Finding>),
    /// It is fine, for certain.
    Absent,
    /// It cannot be said. Never resolves anything.
    Unknown(Unknown),
}
