//! LLDP-V2-MIB (IEEE 802.1AB-2009, arc 1.3.111.2.802.1.1.13): the neighbours of devices that do not fill the older MIB.
//!
//! The rows hold what those of lldpRemTable hold, and their index names the local port by its ifIndex, with the group address
//! that the frames were sent to beside it. So what reads the older table reads this one, once the index is translated.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Column;
use super::lldp::{LocalPorts, RemoteIndex, address_of};
use crate::fabric::{InterfaceInfo, ManagementAddress};

macro_rules! columns {
    ($($(#[$doc:meta])* $id:ident = $name:literal [$($arc:literal),*];)*) => {
        $($(#[$doc])* pub const $id: Column =
            Column { name: $name, oid: &[1, 3, 111, 2, 802, 1, 1, 13, 1, $($arc),*] };)*
    };
}

columns! {
    /// What kind of value lldpV2RemChassisId is.
    REM_CHASSIS_ID_SUBTYPE = "lldpV2RemChassisIdSubtype" [4, 1, 1, 5];
    /// Who is heard.
    REM_CHASSIS_ID = "lldpV2RemChassisId" [4, 1, 1, 6];
    /// What kind of value lldpV2RemPortId is.
    REM_PORT_ID_SUBTYPE = "lldpV2RemPortIdSubtype" [4, 1, 1, 7];
    /// Which of its ports.
    REM_PORT_ID = "lldpV2RemPortId" [4, 1, 1, 8];
    /// That port in words.
    REM_PORT_DESC = "lldpV2RemPortDesc" [4, 1, 1, 9];
    /// Its name.
    REM_SYS_NAME = "lldpV2RemSysName" [4, 1, 1, 10];
    /// Whose index holds the addresses that it can be managed by.
    REM_MAN_ADDR_IF_SUBTYPE = "lldpV2RemManAddrIfSubtype" [4, 2, 1, 3];
}

/// lldpV2RemTable, column by column as [`REMOTE_COLUMNS`](super::lldp::REMOTE_COLUMNS).
pub const REMOTE_COLUMNS: [Column; 6] =
    [REM_CHASSIS_ID_SUBTYPE, REM_CHASSIS_ID, REM_PORT_ID_SUBTYPE, REM_PORT_ID, REM_PORT_DESC, REM_SYS_NAME];

/// From the index part of an instance: lldpV2RemTimeMark, lldpV2RemLocalIfIndex, lldpV2RemLocalDestMACAddress, lldpV2RemIndex.
pub fn index(arcs: &[u32]) -> Option<RemoteIndex> {
    match *arcs {
        // Group addresses are few (IEEE 802.1AB has three): together with the row's number they tell rows apart.
        [time_mark, port, address, row] => Some(RemoteIndex { time_mark, port, row: row ^ address.rotate_left(24) }),
        _ => None,
    }
}

/// The row and the address that an index of lldpV2RemManAddrTable holds.
pub fn remote_address(arcs: &[u32]) -> Option<(RemoteIndex, ManagementAddress)> {
    let (row, address) = arcs.split_at_checked(4)?;
    Some((index(row)?, address_of(address)?))
}

/// Local ports are interfaces here.
pub fn local_ports(inventory: &[Arc<InterfaceInfo>]) -> LocalPorts {
    LocalPorts::join(&BTreeMap::new(), inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::fixture::Recording;
    use crate::mib::interfaces::inventory;
    use crate::mib::lldp::{self, RemoteRow};

    #[test]
    fn a_row_reads_as_the_older_mibs_do() {
        let text = "1.3.6.1.2.1.31.1.1.1.1.17|4|ethernet1/12\n\
                    1.3.111.2.802.1.1.13.1.4.1.1.5.0.17.1.1|2|4\n1.3.111.2.802.1.1.13.1.4.1.1.6.0.17.1.1|4|02:00:5e:00:00:11\n\
                    1.3.111.2.802.1.1.13.1.4.1.1.7.0.17.1.1|2|5\n1.3.111.2.802.1.1.13.1.4.1.1.8.0.17.1.1|4|10GE2/4/0/7\n\
                    1.3.111.2.802.1.1.13.1.4.1.1.10.0.17.1.1|4|core1\n\
                    1.3.111.2.802.1.1.13.1.4.2.1.3.0.17.1.1.1.4.10.99.0.9|2|2\n";
        let recording = Recording::parse(text);
        let mut rows: BTreeMap<RemoteIndex, RemoteRow> = BTreeMap::new();
        for (column, meaning) in REMOTE_COLUMNS.iter().zip(&lldp::REMOTE_COLUMNS) {
            for (arcs, value) in recording.column(column) {
                rows.entry(index(arcs).unwrap()).or_default().learn(meaning, &value);
            }
        }
        let addresses: Vec<_> =
            recording.column(&REM_MAN_ADDR_IF_SUBTYPE).filter_map(|(arcs, _)| remote_address(arcs)).collect();
        let inventory = inventory(&recording.interface_rows());
        let (neighbors, unusable) = lldp::neighbors(&rows, &addresses, &local_ports(&inventory));
        assert_eq!((neighbors.len(), unusable), (1, 0));
        let one = &neighbors[0];
        assert_eq!(
            (&*one.local, one.sys_name.as_str(), one.port_id.value.as_slice()),
            ("ethernet1/12", "core1", &b"10GE2/4/0/7"[..])
        );
        assert_eq!(one.management_addresses, ["10.99.0.9".parse::<std::net::IpAddr>().unwrap()]);
    }

    #[test]
    fn two_group_addresses_are_two_rows() {
        assert_ne!(index(&[0, 17, 1, 1]), index(&[0, 17, 2, 1]));
        assert_eq!(index(&[0, 17, 1]), None);
        assert_eq!(remote_address(&[0, 17, 1, 1, 1, 4, 10, 0, 0]), None);
    }
}
