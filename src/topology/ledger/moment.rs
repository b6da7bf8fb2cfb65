//! A moment in JSON that people and scripts read: RFC 3339 in UTC, to the millisecond.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::fabric::Timestamp;

pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    let moment: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
    Ok(Timestamp::from_micros(moment.as_microsecond()))
}

/// The same where there may be none.
pub(super) mod maybe {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let Some(text) = text else { return Ok(None) };
        let moment: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Some(Timestamp::from_micros(moment.as_microsecond())))
    }
}
