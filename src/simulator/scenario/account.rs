//! Accounts: their keys, what these may do, and how often.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::{duration, secret};

/// An account, with its access keys.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an account: a mapping with `name`")]
pub struct Account {
    /// Name, for the rest of the scenario.
    pub name: String,
    /// Access key ID; made up at the start if there is none.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Access key secret; made up at the start if there is none.
    #[serde(default, deserialize_with = "secret::optional")]
    pub access_key_secret: Option<String>,
    /// Whether the key is disabled.
    #[serde(default)]
    pub inactive: bool,
    /// From this time after the start on, in real time, the key is disabled.
    #[serde(default, deserialize_with = "duration::optional")]
    pub inactive_from: Option<Duration>,
    /// Keys beside this one.
    #[serde(default)]
    pub more_keys: Vec<Key>,
    /// Patterns of the actions that its own keys may call, such as `rds:Describe*`; every one
    /// without.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// Patterns of the actions that they may not.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Limit of its requests; none without it.
    #[serde(default)]
    pub throttle: Option<Throttle>,
}

/// Limit of an account's requests. Requests above it get `Throttling.User`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a throttle: a mapping with `rate`")]
pub struct Throttle {
    /// Requests a second, in the long run and in real time.
    pub rate: f64,
    /// Requests at once.
    #[serde(default = "one")]
    pub burst: u32,
    /// Whether the answer says how long to wait (`x-acs-retry-after`).
    #[serde(default)]
    pub hint: bool,
}

/// An access key beside an account's first.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a key: a mapping with `access_key_id`")]
pub struct Key {
    /// Access key ID.
    pub access_key_id: String,
    /// Access key secret.
    #[serde(deserialize_with = "secret::plain")]
    pub access_key_secret: String,
    /// Makes it a temporary key, which signs with this token.
    #[serde(default, deserialize_with = "secret::optional")]
    pub security_token: Option<String>,
    /// Whether it is disabled.
    #[serde(default)]
    pub inactive: bool,
    /// From this time after the start on, in real time, it is disabled.
    #[serde(default, deserialize_with = "duration::optional")]
    pub inactive_from: Option<Duration>,
    /// When a temporary key ends, counted from the start in real time; never without.
    #[serde(default, deserialize_with = "duration::optional")]
    pub expires: Option<Duration>,
}

impl Account {
    /// An account without a limit, whose key is made up at the start.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Shows everything but the secret.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("access_key_id", &self.access_key_id)
            .field("inactive", &self.inactive)
            .field("inactive_from", &self.inactive_from)
            .field("more_keys", &self.more_keys)
            .field("allow", &self.allow)
            .field("deny", &self.deny)
            .field("throttle", &self.throttle)
            .finish_non_exhaustive()
    }
}

/// Shows everything but the secrets.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("access_key_id", &self.access_key_id)
            .field("inactive", &self.inactive)
            .field("inactive_from", &self.inactive_from)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Throttle {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

fn one() -> u32 {
    1
}
