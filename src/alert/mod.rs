//! The alert book: inactive, pending, firing, resolved; and who hears of it.
//!
//! ```text
//!                      Present, pending_for > 0                    Present, or its time is up
//!        +---------------------------------------> pending ------------------------------------+
//!        |                                           |                                         |
//!        |              Absent: Withdrawn            |                                         v   Present with another
//!    inactive <--------------------------------------+          +----------------------->  firing  severity: Severity
//!        ^  |                 Present, pending_for = 0: Fired   |                              |
//!        |  +---------------------------------------------------+                              |
//!        |                                                                                     |
//!        |  15 min later: Forgotten                    Absent for keep_firing_for: Resolved    |
//!        +--------------------------- resolved <-----------------------------------------------+
//!                                        |  Present: a new episode, pending or firing as above
//! ```
//!
//! **Unknown changes no state.** It starts nothing and ends nothing, and the two clocks (how long a
//! trouble lasts, how long it is gone) run on meanwhile; but a clock that runs out while nothing is
//! known does not act: a pending alert waits for the next Present before it fires, a clearing alert
//! for the next Absent before it resolves. So missing data neither pages anybody nor tells anybody
//! that all is well. An alert that is read back after a restart counts as unknown until its detector
//! speaks again.
//!
//! What the book tells passes the [`Gate`] on its way to people, which keeps back what is explained, silenced or in
//! maintenance. Absent here, on purpose: grouping and rates, which are each receiver's own (`deliver`).

mod book;
mod fingerprint;
mod gate;
mod maintenance;
mod matcher;
mod route;
mod silence;
mod standing;
mod state;
mod transition;

pub use book::{Book, MAX_ACTIVE, RESOLVED_KEPT, Saved};
pub use fingerprint::Fingerprint;
pub use gate::{Gate, View};
pub use maintenance::{Frequency, LONGEST_WINDOW, Maintenance, Recurrence};
pub use matcher::{Comparison, Matcher};
pub use route::{Route, receivers};
pub use silence::{EXPIRED_KEPT, LONGEST_SILENCE, MAX_SILENCES, Mutes, Silence, SilenceState, Silences};
pub use standing::{Circuit, Explained, Quiet, Reference, Settings, Standing};
pub use state::{Alert, AlertState, AlertView};
pub use transition::{Change, Tell, Transition};
