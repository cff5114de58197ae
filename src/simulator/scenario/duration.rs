//! Durations as people write them: `250ms`, `30s`, `5m`, `24h`, `30d`, and `-3d` where it may be past.

use std::time::Duration;

use chrono::TimeDelta;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

pub(crate) fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&text(deserializer)?).map_err(D::Error::custom)
}

pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    plain(deserializer).map(Some)
}

pub(crate) fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeDelta, D::Error> {
    let text = text(deserializer)?;
    let (negative, length) = match text.strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, text.as_str()),
    };
    let delta = parse(length).and_then(|duration| {
        TimeDelta::from_std(duration).map_err(|_| format!("`{length}` is too long"))
    });
    let delta = delta.map_err(D::Error::custom)?;
    Ok(if negative { -delta } else { delta })
}

/// A bare number is no duration, and should hear the same.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Longer than any life, and short enough that sums of a few never overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

fn parse(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err(format!("`{text}` is longer than a century")),
        Err(_) => {
            Err(format!("`{text}` is not a duration; write it like 250ms, 30s, 5m, 24h or 30d"))
        }
    }
}
