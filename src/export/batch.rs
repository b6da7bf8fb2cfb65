//! What goes out in one request: points or samples, compressed, and still able to be split where a server refuses it.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message as _;

use super::remote_write::WriteRequest;

/// No batch of ours is larger before compression, bytes: what claims to be is not ours.
const LARGEST: u64 = 256 << 20;

/// What is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Line protocol, gzip level 1.
    Lines,
    /// A `WriteRequest`, snappy.
    Series,
}

/// One request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub points: u32,
    /// Compressed.
    pub body: Vec<u8>,
}

/// The body is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Format {
    /// Compress.
    pub fn pack(self, plain: &[u8], points: usize) -> Batch {
        let body = match self {
            Self::Lines => {
                let mut packed = GzEncoder::new(Vec::with_capacity(plain.len() / 6 + 64), Compression::new(1));
                // Writing into a Vec does not fail.
                let _ = packed.write_all(plain);
                packed.finish().unwrap_or_default()
            }
            // Fails only for more than 4 GiB, which no batch is.
            Self::Series => snap::raw::Encoder::new().compress_vec(plain).unwrap_or_default(),
        };
        Batch { points: u32::try_from(points).unwrap_or(u32::MAX), body }
    }

    /// Decompress and take apart: each part is a whole line or series, and all of them in order are the body.
    pub fn parts(self, batch: &Batch) -> Result<Vec<Vec<u8>>, Unreadable> {
        match self {
            Self::Lines => {
                let mut plain = Vec::new();
                let read = GzDecoder::new(&*batch.body).take(LARGEST).read_to_end(&mut plain);
                read.map_err(|_| Unreadable)?;
                Ok(plain.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
            }
            Self::Series => {
                if snap::raw::decompress_len(&batch.body).map_err(|_| Unreadable)? as u64 > LARGEST {
                    return Err(Unreadable);
                }
                let plain = snap::raw::Decoder::new().decompress_vec(&batch.body).map_err(|_| Unreadable)?;
                let request = WriteRequest::decode(&*plain).map_err(|_| Unreadable)?;
                let part = |series| WriteRequest { timeseries: vec![series] }.encode_to_vec();
                Ok(request.timeseries.into_iter().map(part).collect())
            }
        }
    }

    /// A part for people.
    pub fn describe(self, part: &[u8]) -> String {
        match self {
            Self::Lines => String::from_utf8_lossy(part).trim_end().to_owned(),
            Self::Series => match WriteRequest::decode(part) {
                Ok(request) => request.timeseries.iter().map(|series| series.describe()).collect(),
                Err(_) => "a series that cannot be read".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::remote_write::{Label, Sample, TimeSeries};

    #[test]
    fn parts_in_order_are_the_whole() {
        let lines = b"a x=1 1\nb x=2 2\nc x=3 3\n";
        let parts = Format::Lines.parts(&Format::Lines.pack(lines, 3)).unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts.concat(), lines);
        assert_eq!(Format::Lines.describe(&parts[1]), "b x=2 2");

        let series = |name: &str| TimeSeries {
            labels: vec![Label { name: "__name__".into(), value: name.into() }],
            samples: vec![Sample { value: 1.5, timestamp: 7 }],
        };
        let request = WriteRequest { timeseries: vec![series("a"), series("b")] };
        let plain = request.encode_to_vec();
        let parts = Format::Series.parts(&Format::Series.pack(&plain, 2)).unwrap();
        assert_eq!(parts.concat(), plain, "messages in a row are one message");
        assert_eq!(Format::Series.describe(&parts[1]), "b{} 1.5 @7");
    }

    #[test]
    fn what_is_not_a_batch_is_told_so() {
        for body in [&b""[..], b"nonsense", &[0xff; 40]] {
            let batch = Batch { points: 1, body: body.to_vec() };
            assert_eq!(Format::Series.parts(&batch), Err(Unreadable));
            assert_eq!(Format::Lines.parts(&batch), Err(Unreadable));
        }
    }
}
