//! The way out: a durable outbox and those who are told.

mod settings;

pub use settings::{ReceiverKind, ReceiverSettings};
