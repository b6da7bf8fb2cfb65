//! One test point, straight to one database, past the spool: does the way to it work?

use serde::Serialize;

use super::line::Fields;
use super::post::{Answer, Post};
use super::remote_write::{Label, Sample, TimeSeries, WriteRequest};
use super::settings::{ExportKind, ExportSettings};
use crate::fabric::Timestamp;

use prost::Message as _;

/// What the database answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// It took the point.
    pub taken: bool,
    /// What it said, without secrets, on one line.
    pub answer: String,
}

/// Write the point `selvedge_test value=1` (Prometheus: the sample `selvedge_test 1`) of this moment.
pub async fn send_test(settings: &ExportSettings, now: Timestamp) -> Trial {
    let post = match Post::new(settings) {
        Ok(post) => post,
        Err(why) => return Trial { taken: false, answer: why },
    };
    let plain = match &settings.kind {
        ExportKind::InfluxDb2 { precision, .. } => {
            let mut plain = Vec::new();
            let mut fields = Fields::begin(&mut plain, "selvedge_test", &[]);
            fields.integer("value", 1);
            fields.end(now, *precision);
            plain
        }
        ExportKind::Prometheus => {
            let labels = vec![Label { name: "__name__".into(), value: "selvedge_test".into() }];
            let samples = vec![Sample { value: 1.0, timestamp: now.as_millis() }];
            WriteRequest { timeseries: vec![TimeSeries { labels, samples }] }.encode_to_vec()
        }
    };
    let batch = post.format().pack(&plain, 1);
    match post.send(batch.body).await {
        Answer::Taken => Trial { taken: true, answer: "it took the point selvedge_test".into() },
        Answer::RefusesBody(why) | Answer::RefusesUs(why) | Answer::Later(why, _) => {
            Trial { taken: false, answer: why }
        }
    }
}
