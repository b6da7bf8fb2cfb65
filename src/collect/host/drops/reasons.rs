//! What the kernel's reasons mean (`enum skb_drop_reason`, include/net/dropreason-core.h): the cause and class of each,
//! or that it is harmless. A name that is not here, as a newer kernel has, is [`HostCause::Other`].

use crate::fabric::HostCause;

/// The cause of a drop; none if it is no loss.
///
/// `site` is the function where it happened, where that is known; `carrier` whether its interface can send.
pub(super) fn cause(reason: &str, site: Option<&str>, carrier: bool) -> Option<HostCause> {
    use HostCause as C;
    let at = |function: &str| site.is_some_and(|site| site.split('+').next() == Some(function));
    Some(match reason {
        // What a socket had not read when it was closed, or read and let go: no loss on the way.
        "NOT_SPECIFIED" if at("udp_destruct_common") || at("udp_destruct_sock") => return None,
        "NOT_SPECIFIED" if at("veth_xdp_rcv_skb") || at("netif_receive_generic_xdp") => C::Filtered,
        "SKB_CONSUMED" | "SOCKET_CLOSE" | "UNIX_DISCONNECT" | "UNIX_SKIP_OOB" | "QUEUE_PURGE" => return None,
        // For others, or of protocols that are not spoken here: every host on a wire has them.
        "OTHERHOST"
        | "UNHANDLED_PROTO"
        | "LOCAL_MAC"
        | "MAC_IEEE_MAC_CONTROL"
        | "BRIDGE_INGRESS_STP_STATE"
        | "TAP_FILTER"
        | "TAP_TXFILTER"
        | "IPV6DISABLED"
        | "IPV6_NDISC_NS_OTHERHOST"
        | "ARP_PVLAN_DISABLE"
        | "UNICAST_IN_L2_MULTICAST" => return None,
        // TCP in the course of things: what came twice, late or after the end is sent again or not needed.
        "TCP_OLD_DATA"
        | "TCP_OFOMERGE"
        | "TCP_OLD_SEQUENCE"
        | "TCP_OLD_ACK"
        | "TCP_TOO_OLD_ACK"
        | "TCP_CLOSE"
        | "TCP_RESET"
        | "TCP_FLAGS"
        | "TCP_FASTOPEN"
        | "TCP_ABORT_ON_DATA"
        | "TCP_RFC7323_PAWS"
        | "TCP_RFC7323_PAWS_ACK"
        | "TCP_RFC7323_TW_PAWS"
        | "TCP_RFC7323_TSECR"
        | "TCP_OVERWINDOW"
        | "TCP_ZEROWINDOW"
        | "TCP_INVALID_SEQUENCE"
        | "TCP_INVALID_END_SEQUENCE"
        | "TCP_INVALID_ACK_SEQUENCE"
        | "TCP_ACK_UNSENT_DATA"
        | "TCP_INVALID_SYN"
        | "DUP_FRAG" => return None,

        // A queue of an interface without a carrier is one that drops all.
        "QDISC_DROP" if !carrier => C::NoCarrier,
        "QDISC_DROP" | "QDISC_OVERLIMIT" | "QDISC_CONGESTED" | "CAKE_FLOOD" | "FQ_BAND_LIMIT" | "FQ_HORIZON_LIMIT"
        | "FQ_FLOW_LIMIT" | "DUALPI2_STEP_DROP" => C::QueueFull,
        "DEV_READY" => C::NoCarrier,
        "FULL_RING" | "DEV_HDR" | "NO_TX_TARGET" | "SKB_GSO_SEG" | "SKB_UCOPY_FAULT" => C::DriverRefused,
        "CPU_BACKLOG" => C::BacklogFull,

        "NETFILTER_DROP" | "SOCKET_FILTER" | "BPF_CGROUP_EGRESS" | "SECURITY_HOOK" | "TC_INGRESS" | "TC_EGRESS"
        | "TC_COOKIE_ERROR" | "TC_CHAIN_NOTFOUND" | "TC_RECLASSIFY_LOOP" | "XDP" | "XFRM_POLICY" | "TCP_MINTTL"
        | "MAC_INVALID_SOURCE" | "IP_LOCAL_SOURCE" | "IP_INVALID_SOURCE" | "IP_LOCALNET" => C::Filtered,
        name if name.starts_with("TCP_MD5") || name.starts_with("TCP_AO") || name == "TCP_AUTH_HDR" => C::Filtered,
        "IP_RPFILTER" => C::ReversePath,

        "IP_OUTNOROUTES" | "IP_INNOROUTES" | "IP_INADDRERRORS" | "IP_INVALID_DEST" | "VXLAN_VNI_NOT_FOUND" => {
            C::NoRoute
        }
        "NEIGH_FAILED" | "NEIGH_QUEUEFULL" | "NEIGH_DEAD" | "NEIGH_CREATEFAIL" | "NEIGH_HH_FILLFAIL" => C::NoNeighbor,
        "PKT_TOO_BIG" => C::TooBig,
        "NO_SOCKET" | "IP_NOPROTO" => C::NoListener,

        "SOCKET_RCVBUFF"
        | "PROTO_MEM"
        | "SOCKET_BACKLOG"
        | "TCP_OFO_QUEUE_PRUNE"
        | "TCP_OFO_DROP"
        | "PACKET_SOCK_ERROR" => C::SocketBufferFull,
        "TCP_LISTEN_OVERFLOW" => C::ListenQueueFull,

        "TCP_CSUM" | "UDP_CSUM" | "IP_CSUM" | "ICMP_CSUM" | "SKB_CSUM" | "IP_INHDR" | "PKT_TOO_SMALL" | "HDR_TRUNC"
        | "INVALID_PROTO" | "FRAG_REASM_TIMEOUT" | "FRAG_TOO_FAR" | "IPV6_BAD_EXTHDR" | "VXLAN_INVALID_HDR"
        | "IP_TUNNEL_ECN" => C::Damaged,
        name if name.starts_with("IPV6_NDISC") || name.ends_with("RX_INVALID_FRAME") => C::Damaged,
        "NOMEM" | "PFMEMALLOC" => C::NoMemory,
        _ => C::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_losses_with_a_cause_or_harmless() {
        for (reason, site, carrier, want) in [
            ("QDISC_DROP", Some("__dev_xmit_skb+0x10"), true, Some(HostCause::QueueFull)),
            ("QDISC_DROP", None, false, Some(HostCause::NoCarrier)),
            ("SOCKET_RCVBUFF", None, true, Some(HostCause::SocketBufferFull)),
            ("TCP_AOFAILURE", None, true, Some(HostCause::Filtered)),
            ("NOT_SPECIFIED", Some("udp_destruct_common+0xa4"), true, None),
            ("NOT_SPECIFIED", Some("veth_xdp_rcv_skb+0x1"), true, Some(HostCause::Filtered)),
            ("NOT_SPECIFIED", None, true, Some(HostCause::Other)),
            ("OTHERHOST", None, true, None),
            ("INVENTED_LATER", None, true, Some(HostCause::Other)),
        ] {
            assert_eq!(cause(reason, site, carrier), want, "{reason} at {site:?}");
        }
    }

    /// What this kernel has and we do not know is told as it is spelt; the list of those is short.
    #[test]
    fn few_reasons_of_the_running_kernel_are_unknown() {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else { return };
        let btf = crate::collect::bpf::btf::Btf::parse(bytes).unwrap();
        let Ok(values) = btf.values("skb_drop_reason") else { return };
        let names = values.iter().map(|(_, name)| name.strip_prefix("SKB_DROP_REASON_").unwrap_or(name));
        let unknown: Vec<_> = names.filter(|name| cause(name, None, true) == Some(HostCause::Other)).collect();
        assert!(unknown.len() < values.len() / 8, "{unknown:?}");
    }
}
