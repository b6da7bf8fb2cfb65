//! IP-FORWARD-MIB (RFC 4292): where a device sends what it knows no better way for.
//!
//! A routing table may have a million rows. Only the rows of the default routes are read: their destination is the beginning of
//! the index, so each column is asked for as if it went on with that destination. inetCidrRouteTable is asked first, and
//! ipCidrRouteTable of devices that do not have it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Column, value};
use crate::fabric::{InterfaceInfo, NextHop};
use crate::snmp::Value;

/// inetCidrRouteIfIndex and inetCidrRouteType of 0.0.0.0/0: what follows in the index is policy, type and next hop.
pub const INET_DEFAULT_V4: [Column; 2] = [
    Column { name: "inetCidrRouteIfIndex", oid: &[1, 3, 6, 1, 2, 1, 4, 24, 7, 1, 7, 1, 4, 0, 0, 0, 0, 0] },
    Column { name: "inetCidrRouteType", oid: &[1, 3, 6, 1, 2, 1, 4, 24, 7, 1, 8, 1, 4, 0, 0, 0, 0, 0] },
];

/// The same of ::/0.
pub const INET_DEFAULT_V6: [Column; 2] = [
    Column {
        name: "inetCidrRouteIfIndex",
        oid: &[1, 3, 6, 1, 2, 1, 4, 24, 7, 1, 7, 2, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
    Column {
        name: "inetCidrRouteType",
        oid: &[1, 3, 6, 1, 2, 1, 4, 24, 7, 1, 8, 2, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
];

/// ipCidrRouteIfIndex and ipCidrRouteType of 0.0.0.0 with mask 0.0.0.0: what follows is the type of service and the next hop.
pub const CIDR_DEFAULT: [Column; 2] = [
    Column { name: "ipCidrRouteIfIndex", oid: &[1, 3, 6, 1, 2, 1, 4, 24, 4, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0] },
    Column { name: "ipCidrRouteType", oid: &[1, 3, 6, 1, 2, 1, 4, 24, 4, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0] },
];

/// The route goes to another router.
const REMOTE: u32 = 4;
/// Ways that routers spread over are counted in dozens.
const WAYS_MAX: usize = 256;

/// The default routes of a device: next hop, with its interface and type.
#[derive(Clone, Debug, Default)]
pub struct RouteRows {
    rows: BTreeMap<IpAddr, (Option<u32>, Option<u32>)>,
}

impl RouteRows {
    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The routes of another reading as well.
    pub fn join(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Note a value of the column at this place of [`INET_DEFAULT_V4`] or [`INET_DEFAULT_V6`]: the index goes on with the policy
    /// (an object identifier: its length and arcs) and the next hop (kind, length, octets).
    pub fn learn_inet(&mut self, index: &[u32], column: usize, value: &Value<'_>) {
        let Some((&policy, rest)) = index.split_first() else { return };
        let Some(rest) = usize::try_from(policy).ok().and_then(|length| rest.get(length..)) else { return };
        match rest {
            [1, 4, octets @ ..] if octets.len() == 4 => self.note(octets, column, value),
            [2, 16, octets @ ..] if octets.len() == 16 => self.note(octets, column, value),
            _ => {}
        }
    }

    /// Note a value of the column at this place of [`CIDR_DEFAULT`].
    pub fn learn_cidr(&mut self, index: &[u32], column: usize, value: &Value<'_>) {
        if let [_, octets @ ..] = index
            && octets.len() == 4
        {
            self.note(octets, column, value);
        }
    }

    fn note(&mut self, octets: &[u32], column: usize, value: &Value<'_>) {
        let octets = octets.iter().map(|&arc| u8::try_from(arc).ok()).collect::<Option<Vec<u8>>>();
        let address = octets.and_then(|octets| match octets.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?)),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)),
        });
        let Some(address) = address.filter(|address| !address.is_unspecified()) else { return };
        if self.rows.len() >= WAYS_MAX && !self.rows.contains_key(&address) {
            return;
        }
        let row = self.rows.entry(address).or_default();
        match column {
            0 => row.0 = value::unsigned(value),
            _ => row.1 = value::unsigned(value),
        }
    }
}

/// The next hops of the default routes.
pub fn next_hops(rows: &RouteRows, inventory: &[Arc<InterfaceInfo>]) -> Vec<NextHop> {
    let names: HashMap<u32, &Arc<str>> = inventory.iter().map(|info| (info.if_index, &info.if_name)).collect();
    let remote = rows.rows.iter().filter(|(_, (_, kind))| kind.is_none_or(|kind| kind == REMOTE));
    remote
        .map(|(address, (if_index, _))| NextHop {
            prefix: if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" }.into(),
            address: *address,
            if_name: if_index.and_then(|index| names.get(&index)).map(|name| Arc::clone(name)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::fixture::Recording;
    use crate::mib::interfaces::inventory;

    #[test]
    fn the_ways_of_the_default_route_and_of_nothing_else() {
        let text = "1.3.6.1.2.1.31.1.1.1.1.21|4|vlan1\n1.3.6.1.2.1.31.1.1.1.1.22|4|vlan2\n\
                    1.3.6.1.2.1.4.24.7.1.7.1.4.0.0.0.0.0.2.0.0.1.4.10.250.0.1|2|21\n\
                    1.3.6.1.2.1.4.24.7.1.8.1.4.0.0.0.0.0.2.0.0.1.4.10.250.0.1|2|4\n\
                    1.3.6.1.2.1.4.24.7.1.7.1.4.0.0.0.0.0.2.0.0.1.4.10.251.0.1|2|22\n\
                    1.3.6.1.2.1.4.24.7.1.7.1.4.10.250.0.0.24.2.0.0.1.4.0.0.0.0|2|21\n\
                    1.3.6.1.2.1.4.24.4.1.5.0.0.0.0.0.0.0.0.0.10.46.101.254|2|21\n";
        let recording = Recording::parse(text);
        let inventory = inventory(&recording.interface_rows());
        let mut rows = RouteRows::default();
        for (at, column) in INET_DEFAULT_V4.iter().enumerate() {
            recording.column(column).for_each(|(index, value)| rows.learn_inet(index, at, &value));
        }
        let ways = next_hops(&rows, &inventory);
        let told: Vec<_> = ways.iter().map(|way| (way.address.to_string(), way.if_name.as_deref())).collect();
        assert_eq!(told, [("10.250.0.1".to_owned(), Some("vlan1")), ("10.251.0.1".to_owned(), Some("vlan2"))]);
        let mut older = RouteRows::default();
        for (at, column) in CIDR_DEFAULT.iter().enumerate() {
            recording.column(column).for_each(|(index, value)| older.learn_cidr(index, at, &value));
        }
        assert_eq!(next_hops(&older, &inventory)[0].address.to_string(), "10.46.101.254");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn any_index_is_read_or_refused(index in proptest::collection::vec(0u32..300, 0..30), first in proptest::prelude::any::<u32>()) {
            let mut rows = RouteRows::default();
            rows.learn_inet(&index, 0, &Value::Integer(1));
            rows.learn_inet(&[&[first], &index[..]].concat(), 1, &Value::Integer(4));
            rows.learn_cidr(&index, 0, &Value::Integer(1));
            proptest::prop_assert!(next_hops(&rows, &[]).len() <= 3);
        }
    }
}
