//! What is asked of a device and what its answers mean: one file per standard MIB.
//!
//! | file | standard | what for |
//! |---|---|---|
//! | [`system`] | SNMPv2-MIB, RFC 3418 | who a device is, how long it has been up |
//! | [`interfaces`] | IF-MIB, RFC 2863 | interfaces, their states, names, speeds and counters |
//! | [`ether_like`] | EtherLike-MIB, RFC 3635 | frames damaged on the wire |
//! | [`lldp`] | LLDP-MIB, IEEE 802.1AB-2005 | who is at the other end of a cable |
//! | [`lldp_v2`] | LLDP-V2-MIB, IEEE 802.1AB-2009 | the same, on devices that have only this one |
//! | [`cdp`] | CISCO-CDP-MIB | the same, by Cisco's protocol |
//! | [`lag`] | IEEE8023-LAG-MIB, IEEE 802.1AX | which ports form an aggregate, and how they stand |
//! | [`bridge`] | BRIDGE-MIB, RFC 4188 | which ports spanning tree blocks |
//! | [`entity`] | ENTITY-MIB, RFC 6933 | which part is which interface |
//! | [`sensors`] | ENTITY-SENSOR-MIB, RFC 3433 | power, current and temperature of optics |
//! | [`routes`] | IP-FORWARD-MIB, RFC 4292 | the next hops of the default routes |
//! | [`gateways`] | VRRP-MIB, RFC 2787 and 6527, CISCO-HSRP-MIB | which addresses routers share |
//! | [`ip`] | IP-MIB, RFC 4293 | which interface carries the address we poll |
//!
//! [`profile`] is what vendors count beside these: which objects, on which devices, and what each means.
//! [`plan`] chooses, per device and interface, which of these objects a counter poll reads, and reads
//! its rows. [`value`] turns a value of the wire into a number or a text, or says why it is neither.
//!
//! Everything here is a function over rows: no input, no output, no clock. Devices lie in many small
//! ways; each lie that we know of is dealt with where its object is read, and named there.

pub mod bridge;
pub mod cdp;
pub mod entity;
pub mod ether_like;
pub mod gateways;
pub mod interfaces;
pub mod ip;
pub mod lag;
pub mod lldp;
pub mod lldp_v2;
pub mod plan;
pub mod profile;
pub mod routes;
pub mod sensors;
pub mod system;
pub mod value;

use crate::snmp::Oid;

#[cfg(test)]
mod fixture;

/// One column of a table: what to ask for, and its name in the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// The descriptor in the MIB, `ifHCInOctets`.
    pub name: &'static str,
    /// The column's object identifier; an instance is this and the row's index.
    pub oid: &'static [u32],
}

impl Column {
    /// The identifier as the codec takes it.
    pub fn object_id(&self) -> Oid {
        // Constants of this room, all of them well formed: a test builds every one.
        Oid::literal(self.oid)
    }
}

/// What is read of every device: the columns and scalars whose names need no MIB module.
pub const COMPILED: &[&[Column]] = &[
    &[system::SYS_DESCR, system::SYS_OBJECT_ID, system::SYS_UP_TIME, system::SYS_NAME],
    &[interfaces::IF_NUMBER, interfaces::IF_TABLE_LAST_CHANGE],
    &interfaces::INVENTORY,
    &[interfaces::IF_ADMIN_STATUS, interfaces::IF_OPER_STATUS, interfaces::IF_COUNTER_DISCONTINUITY_TIME],
    &interfaces::COUNTERS,
    &ether_like::COLUMNS,
    &lldp::REMOTE_COLUMNS,
    &lldp::LOCAL_PORT_COLUMNS,
];

/// One object without rows: its identifier ends in `.0`.
pub type Scalar = Column;
