//! Keys as services hand them out: JSON with key, token and expiry.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::auth::Credentials;
use crate::secret::Secret;

/// Keys, and when they end.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) credentials: Credentials,
    /// Of temporary keys.
    pub(super) expiration: Option<Expiration>,
    /// The innermost source that they came from.
    pub(super) provider: &'static str,
}

/// When temporary keys end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiration {
    /// As their source tells it.
    pub(super) stated: DateTime<Utc>,
    /// From when they were handed out; more than nothing.
    pub(super) remaining: Duration,
}

/// Temporary keys in the spelling of STS, the metadata service and credentials URIs.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Session {
    pub(super) code: Option<String>,
    pub(super) access_key_id: Option<String>,
    pub(super) access_key_secret: Option<Secret>,
    pub(super) security_token: Option<Secret>,
    pub(super) expiration: Option<String>,
}

impl Keys {
    /// Keys without an end.
    pub(super) fn lasting(credentials: Credentials) -> Self {
        Self { credentials, expiration: None, provider: "" }
    }

    /// Notes where they came from, unless something further inside has.
    pub(super) fn from(mut self, provider: &'static str) -> Self {
        if self.provider.is_empty() {
            self.provider = provider;
        }
        self
    }
}

impl Session {
    /// The keys, all of whose parts have to be there. `handed_out` is when the answer was given, by
    /// the clock of whoever gave it, if known. The error follows the name of the answer in a
    /// sentence.
    pub(super) fn into_keys(self, handed_out: DateTime<Utc>) -> Result<Keys, String> {
        let missing = |field: &str| format!("has no {field}");
        let filled = |secret: &Secret| !secret.expose().is_empty();
        let id = self.access_key_id.filter(|id| !id.is_empty());
        let secret = self.access_key_secret.filter(filled);
        let token = self.security_token.filter(filled);
        let expiration = self.expiration.ok_or_else(|| missing("Expiration"))?;
        Ok(Keys {
            credentials: Credentials {
                access_key_id: id.ok_or_else(|| missing("AccessKeyId"))?,
                access_key_secret: secret.ok_or_else(|| missing("AccessKeySecret"))?,
                security_token: Some(token.ok_or_else(|| missing("SecurityToken"))?),
            },
            expiration: Some(Expiration::parse(&expiration, handed_out)?),
            provider: "",
        })
    }
}

impl Expiration {
    /// Reads a time such as `2026-11-24T12:00:00Z`. The error does not quote what else stands
    /// there: it may be a part of the keys.
    pub(super) fn parse(text: &str, handed_out: DateTime<Utc>) -> Result<Self, String> {
        let stated = DateTime::parse_from_rfc3339(text)
            .map_err(|_| "has an Expiration that is not a time such as 2026-11-24T12:00:00Z")?;
        Self::new(stated.to_utc(), handed_out)
    }

    pub(super) fn new(stated: DateTime<Utc>, handed_out: DateTime<Utc>) -> Result<Self, String> {
        match (stated - handed_out).to_std() {
            Ok(remaining) if !remaining.is_zero() => Ok(Self { stated, remaining }),
            _ => Err(format!("holds keys that expired at {}", stated.to_rfc3339())),
        }
    }
}

/// Reads JSON. The error, which follows the name of the text in a sentence, tells where it is wrong
/// and quotes nothing.
pub(super) fn json<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Data => "has a value of another type than expected",
            serde_json::error::Category::Eof => "is cut off",
            _ => "is not JSON",
        };
        format!("{problem}, at line {} column {}", error.line(), error.column())
    })
}
