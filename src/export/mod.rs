//! The ways out to other people's databases: InfluxDB 2 and 3, and Prometheus by scrape and by remote write.
//!
//! ```text
//!  feed: core --> encoders (influx, remote_write) --> batch --> queue (memory, then spool on disk) --> sender --> post
//!  prometheus: what /metrics answers
//! ```
//! Encoders, compression and the way out are our own, as the client crates let a line's end in a tag through, know no unsigned
//! numbers, and neither batch nor retry; protobuf, snappy, gzip and HTTP are crates.
//!
//! Not here on purpose: OTLP (its crate brings the whole SDK for what remote write does as well), and the InfluxDB 1 write
//! endpoint.

mod batch;
mod feed;
mod influx;
mod line;
mod post;
pub mod prometheus;
mod queue;
mod remote_write;
mod sender;
mod settings;
mod spool;
mod stats;
mod trial;

pub use feed::{Exports, Identify, Picture, Surroundings};
pub use influx::Influx;
pub use remote_write::{Label, RemoteWrite, Sample, TimeSeries, WriteRequest};
pub use sender::Patience;
pub use settings::{ExportKind, ExportSettings, Precision};
pub use stats::{ExportReport, ExportStats};
pub use trial::{Trial, send_test};
