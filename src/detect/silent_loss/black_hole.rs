//! A direction in which nothing arrives although something is sent.
//!
//! An idle link and a black hole look alike at the receiver: its counters stand. What tells them apart is the sender:
//! frames that it counts and that do not arrive. On a quiet link these are the neighbour protocol's own, one in some
//! seconds, which some devices do not count on the way in: so they are proof only beyond what this link is known to
//! miss in health, or when the neighbours do not hear each other any more.

use super::direction::Meeting;

/// Readings of the receiver that stand, before it is said.
const READINGS: u32 = 3;
/// Frames on their way into nothing that are proof, beside what is allowed for.
const FRAMES: f64 = 10.0;
/// The same once the neighbours have stopped to hear each other.
const FRAMES_UNHEARD: f64 = 2.0;

/// What of one direction does not arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hole {
    /// The meeting at which the receiver's counters last moved.
    moved: Option<Meeting>,
    /// The newest one.
    newest: Option<Meeting>,
    /// Readings since that stood.
    standing: u32,
    /// The receiver was seen to count.
    counted: bool,
}

/// Proof that nothing arrives.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// When the last frame arrived, seconds on our clock.
    pub since_s: f64,
    /// Frames sent since.
    pub sent: f64,
    /// Over this long.
    pub seconds: f64,
}

impl Hole {
    /// Totals begin anew.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The first meeting.
    pub fn begin(&mut self, meeting: &Meeting) {
        *self = Self { moved: Some(*meeting), newest: Some(*meeting), ..Self::default() };
    }

    /// Take a meeting. True while the receiver's counters stand and the sender's move.
    pub fn is_open(&mut self, meeting: &Meeting) -> bool {
        let Some(moved) = self.moved.filter(|moved| meeting.received.all() <= moved.received.all() + 0.5) else {
            *self = Self { moved: Some(*meeting), newest: Some(*meeting), counted: true, ..Self::default() };
            return false;
        };
        self.newest = Some(*meeting);
        self.standing += 1;
        meeting.sent.all() - moved.sent.all() >= 1.0
    }

    /// Nothing arrives, for certain. `baseline_pps` is what a healthy link may miss.
    pub fn proof(&self, baseline_pps: f64, unheard: bool) -> Option<Proof> {
        let (moved, newest) = (self.moved?, self.newest?);
        if self.standing < READINGS - 1 || !self.counted {
            return None;
        }
        let sent = newest.sent.all() - moved.sent.all();
        let seconds = newest.at_s - moved.at_s;
        let needed = if unheard {
            FRAMES_UNHEARD
        } else {
            FRAMES + 2.0 * baseline_pps.max(0.0) * seconds + newest.off + moved.off
        };
        (sent >= needed).then_some(Proof { since_s: moved.at_s, sent, seconds })
    }

    /// Frames arrive: the last reading moved.
    pub fn is_over(&self) -> bool {
        self.standing == 0 && self.counted
    }
}
