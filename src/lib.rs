//! Selvedge watches a network fabric and keeps it from fraying: it sees a link near its limit, a
//! packet dropped and why, and a doubled path that is doubled no more.
//!
//! # The house
//!
//! Data walks through the rooms in one direction:
//!
//! ```text
//!  devices, traps, kernel, wire            people and machines
//!         |                                        ^
//!    collect/  --Sample-->  aggregate/  --State-->  detect/  --Finding-->  alert/  --Transition-->  deliver/
//!         ^                     |                     ^                                 export/ history/ web/
//!      snmp/ (pure codec,       +------ snapshot -----+--- topology/ (links, redundancy groups)
//!      walks, sessions)
//! ```
//!
//! | floor | rooms | rule |
//! |---|---|---|
//! | words | [`fabric`] | imports nothing of ours |
//! | pure  | [`snmp`] [`mib`] [`aggregate`] [`topology`] [`detect`] [`alert`] | words only and each other; no tokio, no sockets, no files, no clocks, no logging: `now` is handed in |
//! | shell | [`config`] [`collect`] [`deliver`] [`export`] [`history`] [`web`] [`simulate`] [`http`] [`telemetry`] | reads clocks, owns sockets, files and tasks |
//! | top   | [`run`] [`command`] | the only wiring |
//!
//! `collect` never sees what is behind the queue into `aggregate`; `deliver`, `export`, `history`
//! and `web` see snapshots and transitions, never collectors. `tests/house.rs` walks the sources
//! and keeps this true. `unsafe` lives in `collect/sys/` alone.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod fabric;

pub mod aggregate;
pub mod alert;
pub mod detect;
pub mod mib;
pub mod snmp;
pub mod topology;

pub mod collect;
pub mod config;
pub mod deliver;
pub mod export;
pub mod history;
pub mod http;
pub mod simulate;
pub mod telemetry;
pub mod web;

pub mod command;
pub mod run;
