//! The counters of an interface and what each of them means.

use serde::{Deserialize, Serialize};

use super::Direction;

/// What kind of loss a counter stands for, after draft-ietf-opsawg-discardmodel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropClass {
    /// No buffer: more came than could leave.
    Congestion,
    /// Damaged on the way: errors of layer 1 or 2.
    Corruption,
    /// Dropped because a rule says so.
    Policy,
    /// No route or no destination.
    NoRoute,
    /// Lost inside a host: ring, backlog, socket.
    Host,
}

impl DropClass {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Congestion => "congestion",
            Self::Corruption => "corruption",
            Self::Policy => "policy",
            Self::NoRoute => "noroute",
            Self::Host => "host",
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One counter of an interface, named as in IF-MIB (RFC 2863) or EtherLike-MIB (RFC 3635); `drops...` are
        /// those that only vendors' own objects tell.
        ///
        /// Where a device has a 64-bit form the name is that of the 64-bit object; which of the two
        /// was read is told by [`CounterWidth`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Counter { $($(#[$doc])* $variant,)* }

        impl Counter {
            /// All of them, in the order of their slots.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The object's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

counters! {
    /// Octets received, framing characters included.
    InOctets = "ifHCInOctets",
    /// Octets sent, framing characters included.
    OutOctets = "ifHCOutOctets",
    /// Unicast packets received.
    InUcastPkts = "ifHCInUcastPkts",
    /// Unicast packets sent.
    OutUcastPkts = "ifHCOutUcastPkts",
    /// Multicast packets received.
    InMulticastPkts = "ifHCInMulticastPkts",
    /// Multicast packets sent.
    OutMulticastPkts = "ifHCOutMulticastPkts",
    /// Broadcast packets received.
    InBroadcastPkts = "ifHCInBroadcastPkts",
    /// Broadcast packets sent.
    OutBroadcastPkts = "ifHCOutBroadcastPkts",
    /// Packets without error that were not delivered upwards, such as for want of a buffer.
    InDiscards = "ifInDiscards",
    /// Packets without error that were not sent, such as for want of a buffer.
    OutDiscards = "ifOutDiscards",
    /// Packets received with an error.
    InErrors = "ifInErrors",
    /// Packets that could not be sent because of an error.
    OutErrors = "ifOutErrors",
    /// Packets of a protocol that the device does not know.
    InUnknownProtos = "ifInUnknownProtos",
    /// Frames that failed the check sequence (a part of ifInErrors).
    FcsErrors = "dot3StatsFCSErrors",
    /// Frames that are not a whole number of octets (a part of ifInErrors).
    AlignmentErrors = "dot3StatsAlignmentErrors",
    /// Physical-layer symbol errors.
    SymbolErrors = "dot3StatsSymbolErrors",
    /// Frames longer than allowed (a part of ifInErrors).
    FrameTooLongs = "dot3StatsFrameTooLongs",
    /// Frames lost inside the MAC on the way in (a part of ifInErrors).
    InternalMacReceiveErrors = "dot3StatsInternalMacReceiveErrors",
    /// Frames lost inside the MAC on the way out (a part of ifOutErrors).
    InternalMacTransmitErrors = "dot3StatsInternalMacTransmitErrors",
    /// Late collisions: a duplex mismatch.
    LateCollisions = "dot3StatsLateCollisions",
    /// Received packets dropped for want of a buffer, by a vendor's own objects (see `mib::profile`).
    DropsCongestionIn = "dropsCongestionIn",
    /// Packets on their way out dropped for want of a buffer: tail drops and early drops of all queues.
    DropsCongestionOut = "dropsCongestionOut",
    /// Received packets that a rule dropped: a filter, a policer.
    DropsPolicyIn = "dropsPolicyIn",
    /// Packets on their way out that a rule dropped.
    DropsPolicyOut = "dropsPolicyOut",
    /// Received packets for which there was no route or no destination.
    DropsNoRouteIn = "dropsNoRouteIn",
}

impl Counter {
    /// The drops that a vendor counts by class, with their class and direction. There is a slot for each class and
    /// direction that an interface can count; corruption is what the standard error counters count, and host drops
    /// are not counted by an interface.
    pub const DROPS: [(Self, DropClass, Direction); 5] = [
        (Self::DropsCongestionIn, DropClass::Congestion, Direction::In),
        (Self::DropsCongestionOut, DropClass::Congestion, Direction::Out),
        (Self::DropsPolicyIn, DropClass::Policy, Direction::In),
        (Self::DropsPolicyOut, DropClass::Policy, Direction::Out),
        (Self::DropsNoRouteIn, DropClass::NoRoute, Direction::In),
    ];

    /// The counter of a class of drops in a direction, where there is one.
    pub fn drops(class: DropClass, direction: Direction) -> Option<Self> {
        Self::DROPS.into_iter().find(|(_, own, way)| (*own, *way) == (class, direction)).map(|(counter, ..)| counter)
    }

    /// Counts drops of one class: a vendor's own object, with a life of its own beside the interface's counters.
    pub const fn is_drops(self) -> bool {
        self.slot() >= Self::DropsCongestionIn.slot()
    }

    /// What kind of drops it counts and in which direction, if it does.
    pub fn as_drops(self) -> Option<(DropClass, Direction)> {
        Self::DROPS.into_iter().find(|(counter, ..)| *counter == self).map(|(_, class, direction)| (class, direction))
    }

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its slot in an array of all counters.
    pub const fn slot(self) -> usize {
        self as usize
    }
}

/// How wide a counter is on the device: where it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CounterWidth {
    /// Counter32: wraps after 2^32 - 1.
    Bits32,
    /// Counter64: does not wrap in a device's life.
    Bits64,
}

/// The counters of one interface as read at one moment; what was not read is absent, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    values: [u64; Counter::COUNT],
    present: u32,
    narrow: u32,
}

impl Default for Counters {
    fn default() -> Self {
        Self { values: [0; Counter::COUNT], present: 0, narrow: 0 }
    }
}

impl Counters {
    /// Note a value that was read.
    pub fn set(&mut self, counter: Counter, value: u64, width: CounterWidth) {
        let bit = 1 << counter.slot();
        self.values[counter.slot()] = value;
        self.present |= bit;
        match width {
            CounterWidth::Bits32 => self.narrow |= bit,
            CounterWidth::Bits64 => self.narrow &= !bit,
        }
    }

    /// The value, if it was read.
    pub fn get(&self, counter: Counter) -> Option<u64> {
        (self.present & (1 << counter.slot()) != 0).then(|| self.values[counter.slot()])
    }

    /// The width it was read with.
    pub fn width(&self, counter: Counter) -> CounterWidth {
        if self.narrow & (1 << counter.slot()) != 0 { CounterWidth::Bits32 } else { CounterWidth::Bits64 }
    }

    /// What was read, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().filter_map(|counter| Some((counter, self.get(counter)?)))
    }

    /// Nothing was read.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }
}
