//! Secrets, whose refusal does not repeat what it refuses.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

pub(crate) fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(secret) => Ok(secret),
        _ => Err(D::Error::custom("must be text; put it in quotes")),
    }
}

pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    plain(deserializer).map(Some)
}
