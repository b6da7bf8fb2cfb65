//! What this machine's files say, under a root that tests may put elsewhere; and who it is by that and by its
//! interfaces.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use netlink_packet_route::link::LinkLayerType;

use super::interfaces::{Interfaces, Known};
use super::kernel::Address;
use crate::fabric::{ChassisId, DeviceIdentity, Labels, PortId, Uptime};

/// More addresses than this are not announced.
const MOST_ADDRESSES: usize = 16;

/// `/proc` and `/sys`.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// As `uname -n` says it.
    pub fn host_name(&self) -> String {
        self.read("proc/sys/kernel/hostname").filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
    }

    /// As `uname -srv` says it.
    fn description(&self) -> String {
        let parts = ["ostype", "osrelease", "version"];
        let parts = parts.into_iter().filter_map(|name| self.read(&format!("proc/sys/kernel/{name}")));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// Since the start of the kernel; 0 where it is not told.
    pub fn uptime(&self) -> Uptime {
        let text = self.read("proc/uptime").unwrap_or_default();
        let seconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        // Wraps after 497 days, as sysUpTime does.
        Uptime((seconds * 100.0).round() as u64 as u32)
    }

    /// An interface's speed, bit/s; none where the driver does not know it, as while the port is down.
    pub fn speed_bps(&self, if_name: &str) -> Option<u64> {
        let megabits: i64 = self.read(&format!("sys/class/net/{if_name}/speed"))?.parse().ok()?;
        // -1 is unknown; some drivers give it as an unsigned number of 16 or 32 bits.
        let known = (1..=10_000_000).contains(&megabits) && megabits != 65_535;
        known.then(|| megabits as u64 * 1_000_000)
    }

    /// Who this machine is.
    pub fn identity(
        &self,
        sys_name: &str,
        interfaces: &Interfaces,
        addresses: &[Address],
        labels: &Labels,
    ) -> DeviceIdentity {
        let mut known: Vec<_> = addresses
            .iter()
            .filter(|address| address.global && !address.address.is_loopback())
            .filter(|address| interfaces.get(address.if_index).is_some())
            .map(|address| address.address)
            .collect();
        known.sort_unstable();
        known.dedup();
        known.truncate(MOST_ADDRESSES);
        DeviceIdentity {
            sys_name: sys_name.to_owned(),
            sys_descr: self.description(),
            chassis_id: chassis_id(interfaces),
            local_ports: local_ports(interfaces),
            management_addresses: known,
            labels: labels.clone(),
            ..DeviceIdentity::default()
        }
    }
}

/// The address of the first real port, as lldpd takes it where it is left to choose.
fn chassis_id(interfaces: &Interfaces) -> Option<ChassisId> {
    let ports = || interfaces.iter().map(|(_, known)| known).filter(|known| is_port(known));
    let real = ports().find(|known| known.kind.is_empty()).or_else(|| ports().next())?;
    Some(ChassisId { subtype: 4, value: real.info.phys_address.clone() })
}

/// The port ids that an lldpd here announces by default: the name of a port with an alias, the address of others.
fn local_ports(interfaces: &Interfaces) -> Vec<(Arc<str>, PortId)> {
    let ports = interfaces.iter().filter(|(_, known)| is_port(known)).map(|(_, known)| {
        let info = &known.info;
        let id = if info.if_alias.is_empty() {
            PortId { subtype: 3, value: info.phys_address.clone() }
        } else {
            PortId { subtype: 5, value: info.if_name.as_bytes().to_vec() }
        };
        (Arc::clone(&info.if_name), id)
    });
    ports.collect()
}

/// Something that a cable may be in: Ethernet of its own, not stacked on another interface. The two ends of a
/// veth pair each lie on the other, and are ports all the same.
pub(super) fn is_port(known: &Known) -> bool {
    let virtual_port = matches!(known.kind.as_str(), "veth" | "dsa");
    known.layer == LinkLayerType::Ether
        && known.info.phys_address.len() == 6
        && (virtual_port || (known.kind.is_empty() && !known.stacked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_files_under_its_root() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path().to_owned());
        assert_eq!(
            (machine.host_name(), machine.uptime(), machine.description()),
            ("localhost".into(), Uptime(0), String::new())
        );
        for (path, text) in [
            ("proc/sys/kernel/hostname", "leaf1\n"),
            ("proc/sys/kernel/ostype", "Linux\n"),
            ("proc/sys/kernel/osrelease", "6.18.0\n"),
            ("proc/uptime", "43000000.07 1.0\n"),
            ("sys/class/net/a/speed", "25000\n"),
            ("sys/class/net/b/speed", "-1\n"),
            ("sys/class/net/c/speed", "4294967295\n"),
            ("sys/class/net/d/speed", "0\n"),
            ("sys/class/net/e/speed", "65535\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!((machine.host_name(), machine.description()), ("leaf1".into(), "Linux 6.18.0".into()));
        assert_eq!(machine.uptime(), Uptime((4_300_000_007_u64 - (1 << 32)) as u32));
        assert_eq!(machine.speed_bps("a"), Some(25_000_000_000));
        for name in ["b", "c", "d", "e", "f"] {
            assert_eq!(machine.speed_bps(name), None, "{name}");
        }
    }
}
