//! What the kernel counts of its losses: /proc/net/snmp, snmp6, netstat and softnet_stat of the namespace of the calling
//! thread.
//!
//! Only counters that count a packet once are taken. Left out, since the same packets are in others: Udp `InErrors` (has
//! `RcvbufErrors` in it), Udp `SndbufErrors` and Ip `OutDiscards` (the queue that refused has counted them), `rx_dropped` and the
//! sender's `tx_dropped` where the backlog was full (softnet has), TcpExt `ListenOverflows` (in `ListenDrops`).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::fabric::HostCause;

/// One counter, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub cause: HostCause,
    /// Where it is counted by interface.
    pub interface: Option<Arc<str>>,
    pub name: &'static str,
    pub value: u64,
}

/// The counter, its cause, and the name of its file's section and field.
const PROTOCOLS: [(HostCause, &str, &str, &str); 22] = [
    (HostCause::SocketBufferFull, "Udp RcvbufErrors", "Udp", "RcvbufErrors"),
    (HostCause::SocketBufferFull, "Udp MemErrors", "Udp", "MemErrors"),
    (HostCause::SocketBufferFull, "UdpLite RcvbufErrors", "UdpLite", "RcvbufErrors"),
    (HostCause::SocketBufferFull, "TcpExt TCPBacklogDrop", "TcpExt", "TCPBacklogDrop"),
    (HostCause::SocketBufferFull, "TcpExt TCPRcvQDrop", "TcpExt", "TCPRcvQDrop"),
    (HostCause::SocketBufferFull, "TcpExt TCPOFODrop", "TcpExt", "TCPOFODrop"),
    (HostCause::ListenQueueFull, "TcpExt ListenDrops", "TcpExt", "ListenDrops"),
    (HostCause::NoListener, "Udp NoPorts", "Udp", "NoPorts"),
    (HostCause::NoRoute, "Ip OutNoRoutes", "Ip", "OutNoRoutes"),
    (HostCause::NoRoute, "IpExt InNoRoutes", "IpExt", "InNoRoutes"),
    (HostCause::NoRoute, "Ip InAddrErrors", "Ip", "InAddrErrors"),
    (HostCause::ReversePath, "TcpExt IPReversePathFilter", "TcpExt", "IPReversePathFilter"),
    (HostCause::Damaged, "Ip InHdrErrors", "Ip", "InHdrErrors"),
    (HostCause::Damaged, "Udp InCsumErrors", "Udp", "InCsumErrors"),
    (HostCause::Damaged, "Tcp InCsumErrors", "Tcp", "InCsumErrors"),
    (HostCause::SocketBufferFull, "Udp6 RcvbufErrors", "snmp6", "Udp6RcvbufErrors"),
    (HostCause::SocketBufferFull, "Udp6 MemErrors", "snmp6", "Udp6MemErrors"),
    (HostCause::NoListener, "Udp6 NoPorts", "snmp6", "Udp6NoPorts"),
    (HostCause::NoRoute, "Ip6 OutNoRoutes", "snmp6", "Ip6OutNoRoutes"),
    (HostCause::NoRoute, "Ip6 InNoRoutes", "snmp6", "Ip6InNoRoutes"),
    (HostCause::TooBig, "Ip6 InTooBigErrors", "snmp6", "Ip6InTooBigErrors"),
    (HostCause::TooBig, "Ip FragFails", "Ip", "FragFails"),
];

/// What is told beside losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Squeezed {
    /// How often a processor had more packets to take than it may at a time.
    pub time_squeeze: u64,
    /// TCP segments sent again.
    pub retransmitted: u64,
}

/// Read all; what cannot be read is absent.
pub(super) fn read(root: &Path) -> (Vec<Counted>, Squeezed) {
    let file = |name: &str| fs::read_to_string(root.join("proc/thread-self/net").join(name)).unwrap_or_default();
    let (snmp, netstat, snmp6) = (file("snmp"), file("netstat"), file("snmp6"));
    let find = |section: &str, field: &str| match section {
        "snmp6" => single(&snmp6, field),
        _ => paired(&snmp, section, field).or_else(|| paired(&netstat, section, field)),
    };
    let mut counted: Vec<Counted> = PROTOCOLS
        .iter()
        .filter_map(|(cause, name, section, field)| {
            Some(Counted { cause: *cause, interface: None, name, value: find(section, field)? })
        })
        .collect();
    let (dropped, time_squeeze) = softnet(&file("softnet_stat"));
    let backlog = |value| Counted { cause: HostCause::BacklogFull, interface: None, name: "softnet dropped", value };
    counted.extend(dropped.map(backlog));
    let retransmitted = find("Tcp", "RetransSegs").unwrap_or(0);
    (counted, Squeezed { time_squeeze, retransmitted })
}

/// `Udp: InDatagrams NoPorts ...` over `Udp: 12 0 ...`
fn paired(text: &str, section: &str, field: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(": ")).filter(|(name, _)| *name == section);
    let ((_, names), (_, values)) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|name| name == field)?;
    values.split_ascii_whitespace().nth(at)?.parse().ok()
}

/// `Udp6NoPorts   12`
fn single(text: &str, field: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    lines.find(|(name, _)| *name == field)?.1.trim().parse().ok()
}

/// A line for each processor: packets, dropped, squeezed, and more, hexadecimal.
fn softnet(text: &str) -> (Option<u64>, u64) {
    let mut dropped = None;
    let mut squeezed = 0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1).map(|word| u64::from_str_radix(word, 16).ok());
        if let (Some(Some(lost)), Some(Some(more))) = (words.next(), words.next()) {
            dropped = Some(dropped.unwrap_or(0) + lost);
            squeezed += more;
        }
    }
    (dropped, squeezed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SNMP: &str = "Ip: Forwarding OutNoRoutes FragFails\nIp: 1 7 3\n\
                        Tcp: RtoMin RetransSegs InCsumErrors\nTcp: 200 42 0\n\
                        Udp: InDatagrams NoPorts InErrors RcvbufErrors\nUdp: 100 5 9 9\n";

    #[test]
    fn reads_the_files_under_its_root() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), (Vec::new(), Squeezed::default()));
        let net = root.path().join("proc/thread-self/net");
        fs::create_dir_all(&net).unwrap();
        fs::write(net.join("snmp"), SNMP).unwrap();
        fs::write(net.join("netstat"), "TcpExt: ListenOverflows ListenDrops\nTcpExt: 2 4\n").unwrap();
        fs::write(net.join("snmp6"), "Ip6InReceives  9\nUdp6NoPorts                     \t6\n").unwrap();
        fs::write(net.join("softnet_stat"), "00000009 0000000a 00000001 0\n00000001 00000001 00000002 0\n").unwrap();
        let (counted, squeezed) = read(root.path());
        let value = |name: &str| counted.iter().find(|one| one.name == name).map(|one| one.value);
        assert_eq!(value("Udp RcvbufErrors"), Some(9));
        assert_eq!(value("Udp NoPorts"), Some(5));
        assert_eq!(value("Ip OutNoRoutes"), Some(7));
        assert_eq!(value("Ip FragFails"), Some(3));
        assert_eq!(value("TcpExt ListenDrops"), Some(4));
        assert_eq!(value("Udp6 NoPorts"), Some(6));
        assert_eq!(value("softnet dropped"), Some(11));
        assert_eq!(value("Udp MemErrors"), None);
        assert_eq!(squeezed, Squeezed { time_squeeze: 3, retransmitted: 42 });
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in "(Udp: |[a-zA-Z0-9 :\n]){0,40}") {
            let _ = (paired(&text, "Udp", "NoPorts"), single(&text, "Udp6NoPorts"), softnet(&text));
        }
    }
}
