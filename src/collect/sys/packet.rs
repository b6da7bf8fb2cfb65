//! A packet socket (packet(7)) that hears one ethertype on all interfaces.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// Hears frames of one ethertype, without their Ethernet headers; needs CAP_NET_RAW.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Open it, not blocking.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; what else the kernel says.
    pub fn open(ethertype: u16) -> io::Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: takes and gives plain numbers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(ethertype.to_be())) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Let an interface pass frames to this group address. It ends with the interface or the socket.
    ///
    /// # Errors
    /// The interface is gone, or has no such filter.
    pub fn join(&self, if_index: u32, group: [u8; 6]) -> io::Result<()> {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&group);
        let request = libc::packet_mreq {
            mr_ifindex: if_index as libc::c_int,
            mr_type: libc::PACKET_MR_MULTICAST as libc::c_ushort,
            mr_alen: 6,
            mr_address: address,
        };
        // SAFETY: the pointer and the length are those of `request`, which lives during the call.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const request).cast(),
                size_of::<libc::packet_mreq>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The next frame's payload, as much as fits, with its length and the index of the interface that received
    /// it; none where there is none now.
    ///
    /// # Errors
    /// What the kernel says, such as that an interface went down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, u32)>> {
        // SAFETY: sockaddr_ll is plain numbers, for which zeros are valid.
        let mut from: libc::sockaddr_ll = unsafe { zeroed() };
        let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: both pointers are to memory of the lengths that are given with them, which lives during the call.
        let result = unsafe {
            libc::recvfrom(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                (&raw mut from).cast(),
                &mut length,
            )
        };
        if result < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        Ok(Some((result as usize, from.sll_ifindex as u32)))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
impl PacketSocket {
    /// Send a payload out of an interface, for tests.
    pub fn send(&self, if_index: u32, to: [u8; 6], ethertype: u16, payload: &[u8]) -> io::Result<()> {
        // SAFETY: as in `receive`.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ethertype.to_be();
        address.sll_ifindex = if_index as i32;
        address.sll_halen = 6;
        address.sll_addr[..6].copy_from_slice(&to);
        // SAFETY: both pointers are to memory of the lengths that are given with them, which lives during the call.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                payload.as_ptr().cast(),
                payload.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
