//! Listens for LLDP (IEEE 802.1AB) on this machine's ports. Does not send: that is lldpd's business.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::lldpdu::Lldpdu;
use super::neighbors::{Heard, Neighbors};
use crate::collect::sys::packet::PacketSocket;
use crate::fabric::{Neighbor, Timestamp};

const ETHERTYPE: u16 = 0x88cc;
/// Nearest bridge: what every sender uses by default, and no bridge passes on.
const NEAREST_BRIDGE: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0x0e];
/// A unit is one frame; jumbo frames do not carry them.
const LONGEST: usize = 2_048;
/// Frames taken at a time, so that a flood of them does not hold up the rest.
const MOST_AT_ONCE: usize = 64;

/// The socket and the table.
pub(super) struct Lldp {
    socket: PacketSocket,
    neighbors: Neighbors,
    /// The table was confirmed since it was last told.
    confirmed: bool,
    /// From when on silence is an answer: everybody who speaks has spoken. None once it was told.
    whole_at: Option<Timestamp>,
}

/// msgTxInterval is 30 s (IEEE 802.1AB); who has not spoken after this does not speak.
const LISTEN: Duration = Duration::from_secs(45);

/// What was heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hearing {
    /// The table is another.
    pub changed: bool,
    /// Units.
    pub units: u64,
    /// Those that were discarded.
    pub malformed: u64,
}

impl Lldp {
    /// Open the socket. The error says what to do.
    pub fn open(now: Timestamp) -> Result<Self, String> {
        match PacketSocket::open(ETHERTYPE) {
            Ok(socket) => {
                Ok(Self { socket, neighbors: Neighbors::default(), confirmed: false, whole_at: Some(now + LISTEN) })
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err("hearing LLDP needs CAP_NET_RAW: grant it with `setcap cap_net_raw+ep` on the selvedge binary, or \
                 AmbientCapabilities=CAP_NET_RAW in its systemd unit, or set [host] lldp = false"
                    .into())
            }
            Err(error) => Err(format!("no socket to hear LLDP with: {error}; [host] lldp = false switches it off")),
        }
    }

    /// Readable when there is something to hear.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Let a port pass LLDP frames. One that is gone already, or has no filter to set, is none to listen on.
    pub fn join(&self, if_index: u32) {
        let _ = self.socket.join(if_index, NEAREST_BRIDGE);
    }

    /// Take what waits.
    pub fn hear(&mut self, now: Timestamp) -> Hearing {
        let mut hearing = Hearing::default();
        let mut buffer = [0; LONGEST];
        for _ in 0..MOST_AT_ONCE {
            let (length, if_index) = match self.socket.receive(&mut buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                // An interface went down: the next frame may be another's.
                Err(_) => continue,
            };
            hearing.units += 1;
            match Lldpdu::parse(&buffer[..length.min(LONGEST)]) {
                Ok(unit) => match self.neighbors.hear(now, if_index, unit) {
                    Heard::Changed => hearing.changed = true,
                    Heard::Same => self.confirmed = true,
                },
                Err(_) => hearing.malformed += 1,
            }
        }
        hearing
    }

    /// Once a second: true if the table is to be told, because rows ran out or were confirmed, or because it is whole
    /// now, though nobody may be in it.
    pub fn tick(&mut self, now: Timestamp, exists: impl Fn(u32) -> bool) -> bool {
        let whole = self.whole_at.is_some_and(|at| at <= now);
        if whole {
            self.whole_at = None;
        }
        self.neighbors.expire(now, exists) || self.confirmed || whole
    }

    /// The table.
    pub fn table(&mut self, name: impl Fn(u32) -> Option<Arc<str>>) -> Vec<Neighbor> {
        self.confirmed = false;
        self.neighbors.table(name)
    }
}
