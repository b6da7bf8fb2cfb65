//! What an interface does: polls that may be late against events that may be wrong.

use std::time::Duration;

use super::super::cell::{self, Flags, InterfaceCell};
use super::super::seqlock::Write;
use super::super::speed::Speed;
use super::{EventAt, Fate, Outcome, Row};
use crate::fabric::{Medium, OperStatus, Timestamp};

/// An agent may answer with a status that it read some seconds ago: so long an event is believed against polls.
const EVENT_HOLDS: Duration = Duration::from_secs(6);

impl Row {
    /// Another speed is known; the cell is told.
    pub fn set_speed(&mut self, cell: &InterfaceCell, speed: Speed) {
        self.speed = speed;
        let mut flags = Flags::unpack(cell.peek(cell::FLAGS));
        flags.counts_gaps = speed.counts_gaps();
        let mut write = cell.write();
        write.set(cell::FLAGS, flags.pack());
        write.set(cell::SPEED, speed.capacity_bps(flags.oper_status.is_up()));
    }

    /// An event told its status.
    pub fn event(&mut self, cell: &InterfaceCell, at: Timestamp, status: OperStatus, medium: Medium) -> Outcome {
        let mut flags = Flags::unpack(cell.peek(cell::FLAGS));
        // The kernel is the truth itself; a trap may have overtaken what the agent answers polls with.
        self.event_at = EventAt::new((medium == Medium::Trap).then_some(at));
        let mut write = cell.write();
        let oper_changed = self.tell(&mut write, &mut flags, at, status);
        write.set(cell::FLAGS, flags.pack());
        Outcome { oper_changed, counters: Fate::None }
    }

    /// Whether a poll's status counts, against an event that told another.
    pub(super) fn believes(&mut self, at: Timestamp, polled: OperStatus, told: OperStatus) -> bool {
        let Some(event_at) = self.event_at.get() else { return true };
        if at < event_at || (polled != told && at.since(event_at) < EVENT_HOLDS) {
            return false;
        }
        self.event_at = EventAt::default();
        true
    }

    /// Note a status; what it was and is, if it is another and not the first.
    pub(super) fn tell(
        &self,
        write: &mut Write<'_, { cell::INTERFACE_WORDS }>,
        flags: &mut Flags,
        at: Timestamp,
        status: OperStatus,
    ) -> Option<(OperStatus, OperStatus)> {
        let before = flags.oper_status;
        let first = !std::mem::replace(&mut flags.told, true);
        flags.seen_up |= status.is_up();
        if !first && before == status {
            return None;
        }
        flags.oper_status = status;
        write.set(cell::SPEED, self.speed.capacity_bps(status.is_up()));
        if first {
            return None;
        }
        flags.oper_changed = true;
        write.set(cell::OPER_CHANGED_AT, at.as_micros() as u64);
        Some((before, status))
    }
}
