//! A direction in which nothing arrives although something is sent.
//!
//! An idle link and a black hole look alike at the receiver: its counters stand. What tells them apart is the sender:
//! frames that it counts and that do not arrive. On a quiet link these are the neighbour protocol's own, one in some
//! seconds, which some devices do not count on the way in: so they are proof only beyond what this link is known to
//! miss in health, or when the neighbours do not hear each other any more.
//!
//! The receiver's counters stand from when the first reading that shows them was taken until the newest refresh that is
//! certain to lie before the newest reading ([`super::end`]): a cache cannot be taken for a hole.

use super::end::{End, Reading};

/// Readings of the receiver that stand, before it is said.
const READINGS: u32 = 2;
/// Frames on their way into nothing that are proof, beside what is allowed for.
const FRAMES: f64 = 10.0;
/// The same once the neighbours have stopped to hear each other.
const FRAMES_UNHEARD: f64 = 2.0;

/// What of one direction does not arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hole {
    /// What the receiver has counted.
    total: Option<u64>,
    /// The receiver's counters stand since then, seconds on our clock.
    since_s: Option<f64>,
    /// What the sender had counted when they stood for certain.
    sent_then: Option<u64>,
    /// Readings since that stood.
    standing: u32,
    /// Frames that were sent and did not arrive, and over how long.
    proven: Option<(f64, f64)>,
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
    /// The sender was read.
    pub fn sent(&mut self, reading: &Reading) {
        if self.since_s.is_some_and(|since_s| reading.from_s >= since_s) {
            self.sent_then.get_or_insert(reading.sent.frames);
        }
    }

    /// The receiver was read.
    pub fn received(&mut self, reading: &Reading, sender: &End) {
        let total = reading.received.frames;
        if self.total != Some(total) {
            // The first reading of all tells nothing of when that was last counted.
            let since_s = self.total.map(|_| reading.until_s);
            *self = Self { total: Some(total), since_s, ..Self::default() };
            return;
        }
        self.standing += 1;
        let (Some(since_s), Some(then), Some(now)) = (self.since_s, self.sent_then, sender.before(reading.from_s))
        else {
            return;
        };
        let sent = now.sent.frames.saturating_sub(then) as f64;
        if sent > 0.0 {
            self.proven = Some((sent, reading.from_s - since_s));
        }
    }

    /// The receiver's counters stand.
    pub fn stands(&self) -> bool {
        self.standing > 0
    }

    /// Frames are known not to have arrived.
    pub fn is_open(&self) -> bool {
        self.proven.is_some()
    }

    /// Nothing arrives, for certain. `baseline_pps` is what a healthy link may miss.
    pub fn proof(&self, baseline_pps: f64, unheard: bool) -> Option<Proof> {
        let (since_s, (sent, seconds)) = (self.since_s?, self.proven?);
        let needed = if unheard { FRAMES_UNHEARD } else { FRAMES + 2.0 * baseline_pps.max(0.0) * seconds };
        (self.standing >= READINGS && sent >= needed).then_some(Proof { since_s, sent, seconds })
    }

    /// Frames arrive: the last reading moved.
    pub fn is_over(&self) -> bool {
        self.standing == 0 && self.since_s.is_some()
    }
}
