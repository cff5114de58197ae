//! What reads foreign bytes, for the fuzz targets in `fuzz/` and the bounded run in the tests. No
//! part of the API, and no behaviour of its own.
//!
//! Always compiled: behind a feature, a plain `cargo test` would leave its run out without a word.

use std::path::Path;

use chrono::DateTime;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};

use crate::config::{Environment, load};
use crate::simulator::Scenario;
use crate::{api, web};

/// Reads bytes; whether they are accepted or refused is its own matter, but it must come back.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("answers", answers),
    ("times", times),
    ("configuration", configuration),
    ("web_config", web_config),
    ("scenario", scenario),
    ("headers", headers),
];

/// The API's answers: tasks, instances, regions, and errors in JSON and XML.
pub fn answers(bytes: &[u8]) {
    api::fuzzing::answers(bytes, DateTime::UNIX_EPOCH);
}

/// `IncrementalImportingTime`. What is read is read again from what is written.
pub fn times(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut positions = api::time::Positions::default();
    let Some(position) = positions.read(text) else { return };
    let Some(time) = DateTime::from_timestamp(position, 0) else { return };
    let again = positions.read(&api::time::to_second(time));
    assert_eq!(again, Some(position), "{text:?}");
}

/// A configuration.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Nothing is there that it could name.
    let nowhere = Path::new("/nonexistent");
    drop(load::from_str(text, "config.yaml", nowhere, &Environment::default()));
}

/// A `web.yml`.
pub fn web_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    web::fuzzing::config(text);
}

/// A scenario.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(Scenario::from_yaml(text));
}

/// `Accept` and `Accept-Encoding`.
pub fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let pairs = [(ACCEPT, value.clone()), (ACCEPT_ENCODING, value)];
    web::fuzzing::negotiation(&HeaderMap::from_iter(pairs));
}
