//! IP-MIB (RFC 4293): which interface carries an address. Nothing else of it is read.

use std::net::IpAddr;

/// ipAdEntIfIndex, indexed by the address: deprecated, and what every device has.
const IP_AD_ENT_IF_INDEX: [u32; 10] = [1, 3, 6, 1, 2, 1, 4, 20, 1, 2];
/// ipAddressIfIndex, indexed by address type, length and octets: the only one of the two for IPv6.
const IP_ADDRESS_IF_INDEX: [u32; 10] = [1, 3, 6, 1, 2, 1, 4, 34, 1, 3];
/// InetAddressType ipv6(2), RFC 4001.
const IPV6: u32 = 2;

/// The instance whose value is the ifIndex of the interface that carries this address.
pub fn if_index_instance(address: IpAddr) -> Vec<u32> {
    match address.to_canonical() {
        IpAddr::V4(address) => IP_AD_ENT_IF_INDEX.into_iter().chain(address.octets().map(u32::from)).collect(),
        IpAddr::V6(address) => {
            IP_ADDRESS_IF_INDEX.into_iter().chain([IPV6, 16]).chain(address.octets().map(u32::from)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_index() {
        assert_eq!(if_index_instance([10, 0, 0, 254].into())[8..], [1, 2, 10, 0, 0, 254]);
        let mapped: IpAddr = "::ffff:10.0.0.254".parse().unwrap();
        assert_eq!(if_index_instance(mapped), if_index_instance([10, 0, 0, 254].into()));
        let six = if_index_instance("2001:db8::1".parse().unwrap());
        assert_eq!(six[..12], [1, 3, 6, 1, 2, 1, 4, 34, 1, 3, 2, 16]);
        assert_eq!(six.len(), 28);
    }
}
