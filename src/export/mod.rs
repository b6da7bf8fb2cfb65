//! The ways out for other people's databases.

pub mod prometheus;
