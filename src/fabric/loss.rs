//! What is known of the frames that vanish between the two ends of a link.

use super::{LinkId, Timestamp};

/// Frames that one end sent and the other neither received nor admits to have lost, over a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossEstimate {
    /// Of all frames sent, 0 to 1: the most likely value.
    pub ratio: f64,
    /// At least this, with 95 % confidence.
    pub low: f64,
    /// At most this, with 95 % confidence.
    pub high: f64,
    /// Frames lost, most likely.
    pub lost: f64,
    /// Frames sent.
    pub sent: f64,
    /// Where the span begins.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
}

/// Both directions of a link; where there is no estimate, why.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkLoss {
    /// Which link.
    pub link: LinkId,
    /// From the end that sorts first to the other.
    pub a_to_b: Result<LossEstimate, &'static str>,
    /// The other way.
    pub b_to_a: Result<LossEstimate, &'static str>,
}
