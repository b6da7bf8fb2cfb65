//! What devices tell of ways that stand in for each other: link aggregation (IEEE 802.1AX), spanning tree
//! (IEEE 802.1D), next hops (RFC 4292) and gateways that share an address (RFC 2787, RFC 6527, HSRP).

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// LacpState (IEEE 802.1AX, 6.4.2.3): what a partner in aggregation says of a port of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LacpState(u8);

impl LacpState {
    /// It speaks without being spoken to.
    pub const ACTIVITY: u8 = 0x80;
    /// It wants to hear of its partner every second.
    pub const TIMEOUT: u8 = 0x40;
    /// The port may be aggregated.
    pub const AGGREGATION: u8 = 0x20;
    /// The port is in the right aggregate.
    pub const SYNCHRONIZATION: u8 = 0x10;
    /// It takes frames from the port.
    pub const COLLECTING: u8 = 0x08;
    /// It sends frames to the port.
    pub const DISTRIBUTING: u8 = 0x04;
    /// It never heard its partner and assumes what was configured.
    pub const DEFAULTED: u8 = 0x02;
    /// It has not heard its partner for too long.
    pub const EXPIRED: u8 = 0x01;

    /// From the octet of a BITS object, whose first bit is the highest. Some agents send the octet of the LACPDU, where it
    /// is the lowest: an octet that makes sense only that way (who sends frames has not lost its partner, and is in an
    /// aggregate) is read so.
    pub const fn from_bits(octet: u8) -> Self {
        let state = Self(octet);
        let odd = state.has(Self::DISTRIBUTING) && (state.has(Self::EXPIRED) || !state.has(Self::AGGREGATION));
        if odd { Self(octet.reverse_bits()) } else { state }
    }

    /// All of these bits are set.
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    /// Nothing is said at all: aggregation without the protocol.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// It does not hear its partner (any more).
    pub const fn has_lost_partner(self) -> bool {
        self.0 & (Self::DEFAULTED | Self::EXPIRED) != 0
    }
}

/// One row of dot3adAggPortTable: a port that belongs to an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregationMember {
    /// The port.
    pub if_name: Arc<str>,
    /// The aggregate's own interface.
    pub aggregator: Arc<str>,
    /// It is attached to the aggregate that it selected; none where the device does not say.
    pub attached: Option<bool>,
    /// The device's own state.
    pub actor: Option<LacpState>,
    /// Its partner's.
    pub partner: Option<LacpState>,
}

/// dot1dStpPortState (RFC 4188).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BridgePortState {
    /// disabled(1)
    Disabled,
    /// blocking(2); of rapid spanning tree, discarding.
    Blocking,
    /// listening(3)
    Listening,
    /// learning(4)
    Learning,
    /// forwarding(5)
    Forwarding,
    /// broken(6)
    Broken,
}

impl BridgePortState {
    /// From the object's value.
    pub const fn from_value(value: i64) -> Option<Self> {
        Some(match value {
            1 => Self::Disabled,
            2 => Self::Blocking,
            3 => Self::Listening,
            4 => Self::Learning,
            5 => Self::Forwarding,
            6 => Self::Broken,
            _ => return None,
        })
    }

    /// The standard's own spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Blocking => "blocking",
            Self::Listening => "listening",
            Self::Learning => "learning",
            Self::Forwarding => "forwarding",
            Self::Broken => "broken",
        }
    }
}

/// A port of a bridge, by spanning tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// The port.
    pub if_name: Arc<str>,
    /// What it does with frames.
    pub state: BridgePortState,
}

/// One way to a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// Where to, as `0.0.0.0/0`.
    pub prefix: Arc<str>,
    /// The router that is next.
    pub address: IpAddr,
    /// The interface it is reached by; none where the device does not say.
    pub if_name: Option<Arc<str>>,
}

/// The protocol by which routers share an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayProtocol {
    /// RFC 3768, RFC 9568.
    Vrrp,
    /// RFC 2281.
    Hsrp,
}

impl GatewayProtocol {
    /// In capitals, as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vrrp => "VRRP",
            Self::Hsrp => "HSRP",
        }
    }
}

/// What a router does for a shared address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatewayRole {
    /// It answers for the address.
    Master,
    /// It would, if the master failed.
    Backup,
    /// It is not ready to.
    Idle,
}

impl GatewayRole {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
            Self::Idle => "idle",
        }
    }
}

/// One row of vrrpOperTable or cHsrpGrpTable: this device's part in a shared address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// The interface.
    pub if_name: Arc<str>,
    /// The protocol.
    pub protocol: GatewayProtocol,
    /// Virtual router id or group number.
    pub group: u32,
    /// The address that is shared (the lowest of several).
    pub address: IpAddr,
    /// What the device does for it.
    pub role: GatewayRole,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_of_bits_are_read() {
        // Active, long timeout, aggregated and passing frames; the same with short timeout.
        for (bits, pdu) in [(0xbc, 0x3d), (0xfc, 0x3f)] {
            assert_eq!(LacpState::from_bits(bits), LacpState::from_bits(pdu), "{bits:#x}");
            assert!(LacpState::from_bits(pdu).has(LacpState::ACTIVITY | LacpState::DISTRIBUTING));
            assert!(!LacpState::from_bits(pdu).has_lost_partner());
        }
        // A partner that was only assumed passes frames as well: aggregation without the protocol.
        assert!(LacpState::from_bits(0x3e).has(LacpState::DISTRIBUTING | LacpState::DEFAULTED));
        assert!(LacpState::from_bits(0x82).has_lost_partner());
        assert!(!LacpState::from_bits(0x82).has(LacpState::DISTRIBUTING));
        assert!(LacpState::default().is_empty());
    }

    #[test]
    fn states_outside_of_the_standard_are_none() {
        let known = (0..9).filter_map(BridgePortState::from_value).map(BridgePortState::as_str);
        assert_eq!(
            known.collect::<Vec<_>>(),
            ["disabled", "blocking", "listening", "learning", "forwarding", "broken"]
        );
    }
}
