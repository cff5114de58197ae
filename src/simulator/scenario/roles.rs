//! Roles and the places that hand out temporary keys for them.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::{duration, secret};

/// A RAM role, to be assumed at STS or worn by an ECS instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a role: a mapping with `arn`")]
pub struct Role {
    /// Its ARN, `acs:ram::<account number>:role/<name>`.
    pub arn: String,
    /// Name of the account that it belongs to, whose instances its keys show; the first one if there
    /// is none.
    #[serde(default)]
    pub account: Option<String>,
    /// Names of the accounts whose keys may assume it; its own account's if there is no list.
    #[serde(default)]
    pub trusts: Option<Vec<String>>,
    /// `ExternalId` that a request must give.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Longest `DurationSeconds`, from 15 minutes to 12 hours.
    #[serde(default = "one_hour", deserialize_with = "duration::plain")]
    pub max_duration: Duration,
    /// Lets a token of an identity provider assume it.
    #[serde(default)]
    pub oidc: Option<OidcTrust>,
    /// Patterns of the actions that its keys may call, such as `rds:Describe*`; every one without.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// Patterns of the actions that they may not.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// An identity provider that a role trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `provider_arn` and `tokens`")]
pub struct OidcTrust {
    /// `OIDCProviderArn`, `acs:ram::<account number>:oidc-provider/<name>`.
    pub provider_arn: String,
    /// Tokens that it has issued; no other is accepted.
    pub tokens: Vec<OidcToken>,
}

/// A token of an identity provider: any text, compared as it is but for blanks around it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `token`")]
pub struct OidcToken {
    /// The whole token.
    #[serde(deserialize_with = "secret::plain")]
    pub token: String,
    /// Before this time after the start, in real time, it counts.
    #[serde(default, deserialize_with = "duration::optional")]
    pub until: Option<Duration>,
}

/// The metadata service of the ECS instance that clients seem to run on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `role`")]
pub struct Metadata {
    /// Name or ARN of the role that the ECS instance wears; none without.
    #[serde(default)]
    pub role: Option<String>,
    /// Whether requests need a token.
    #[serde(default)]
    pub token: TokenMode,
    /// How long the keys that it hands out count.
    #[serde(default = "six_hours", deserialize_with = "duration::plain")]
    pub lifetime: Duration,
    /// How long before the end of a key the next one is handed out; without it half an hour, or half
    /// of `lifetime` if that is less.
    #[serde(default, deserialize_with = "duration::optional")]
    pub renew_before: Option<Duration>,
}

/// Whether the metadata service needs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    /// It answers with and without; a token that is sent must count.
    #[default]
    Optional,
    /// It answers only with one (security hardening mode).
    Required,
    /// It has none to give.
    Unsupported,
}

/// A path that answers GET with keys, as `ALIBABA_CLOUD_CREDENTIALS_URI` names one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `path` and `role`")]
pub struct CredentialsUri {
    /// Path, such as `/credentials`.
    pub path: String,
    /// Name or ARN of the role whose keys it hands out.
    pub role: String,
    /// How long the keys that it hands out count.
    #[serde(default = "one_hour", deserialize_with = "duration::plain")]
    pub lifetime: Duration,
    /// How long before the end of a key the next one is handed out; without it half an hour, or half
    /// of `lifetime` if that is less.
    #[serde(default, deserialize_with = "duration::optional")]
    pub renew_before: Option<Duration>,
}

impl Role {
    /// A role of the first account, which its keys may assume.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            account: None,
            trusts: None,
            external_id: None,
            max_duration: one_hour(),
            oidc: None,
            allow: None,
            deny: Vec::new(),
        }
    }

    /// The name at the end of its ARN.
    pub fn name(&self) -> &str {
        self.arn.rsplit_once(":role/").map_or("", |(_, name)| name)
    }
}

impl Metadata {
    /// The service on an instance that wears a role.
    pub fn of(role: impl Into<String>) -> Self {
        Self { role: Some(role.into()), ..Self::default() }
    }
}

impl Default for Metadata {
    fn default() -> Self {
        let token = TokenMode::default();
        Self { role: None, token, lifetime: six_hours(), renew_before: None }
    }
}

impl CredentialsUri {
    /// A path that hands out a role's keys.
    pub fn new(path: impl Into<String>, role: impl Into<String>) -> Self {
        let (path, role) = (path.into(), role.into());
        Self { path, role, lifetime: one_hour(), renew_before: None }
    }
}

/// Shows everything but the token.
impl fmt::Debug for OidcToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcToken").field("until", &self.until).finish_non_exhaustive()
    }
}

fn one_hour() -> Duration {
    Duration::from_secs(3_600)
}

fn six_hours() -> Duration {
    Duration::from_secs(6 * 3_600)
}
