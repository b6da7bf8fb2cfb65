//! SNMPv2-MIB, system group (RFC 3418): who a device is.

use super::Scalar;

/// A description in words: make, model, software.
pub const SYS_DESCR: Scalar = Scalar { name: "sysDescr", oid: &[1, 3, 6, 1, 2, 1, 1, 1, 0] };
/// The maker's own identification of the kind of device.
pub const SYS_OBJECT_ID: Scalar = Scalar { name: "sysObjectID", oid: &[1, 3, 6, 1, 2, 1, 1, 2, 0] };
/// Hundredths of a second since the agent (not always the device) started.
pub const SYS_UP_TIME: Scalar = Scalar { name: "sysUpTime", oid: &[1, 3, 6, 1, 2, 1, 1, 3, 0] };
/// By convention the host name.
pub const SYS_NAME: Scalar = Scalar { name: "sysName", oid: &[1, 3, 6, 1, 2, 1, 1, 5, 0] };
/// The whole group.
pub const SYSTEM: &[u32] = &[1, 3, 6, 1, 2, 1, 1];
