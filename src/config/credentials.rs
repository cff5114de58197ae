//! Where an account's keys come from: the `credentials` of an account.
//!
//! What is missing here and comes from the environment, such as the variables of a Kubernetes
//! service account, is looked up by the provider when it needs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::problem::quoted;
use super::read::{Reader, Section, one_of};
use super::{base_url, duration, format_duration};
use crate::secret::Secret;

/// How long STS lets temporary keys live: `DurationSeconds` of `AssumeRole`.
const ROLE_DURATIONS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(900)..=Duration::from_secs(43_200);

/// Where an account's keys come from.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialsSource {
    /// The default chain of the official SDKs.
    Default,
    /// A key that the configuration holds or names a file for.
    AccessKey(AccessKey),
    /// Temporary keys that the configuration holds or names files for.
    Sts {
        /// The key.
        key: AccessKey,
        /// `security_token`, or where to read it.
        security_token: SecretSource,
    },
    /// A profile of the Alibaba Cloud CLI or of a credentials file.
    Profile {
        /// `profile`; without it, the file's current or default one.
        name: Option<String>,
        /// `file`; without it, the usual places.
        file: Option<PathBuf>,
    },
    /// The role of the ECS instance that this runs on.
    EcsRamRole {
        /// `role_name`; without it, whichever the instance has.
        role_name: Option<String>,
    },
    /// A role that an OIDC token stands for, as in Kubernetes (RRSA).
    OidcRoleArn {
        /// The role; its ARN may come from the environment.
        role: Role,
        /// `oidc_provider_arn`; without it, the environment's.
        oidc_provider_arn: Option<String>,
        /// `oidc_token_file`; without it, the environment's.
        oidc_token_file: Option<PathBuf>,
    },
    /// A role that other keys may take.
    RamRoleArn {
        /// The role, with its ARN.
        role: Role,
        /// `external_id`
        external_id: Option<String>,
        /// Where the keys that take it come from.
        source: Box<CredentialsSource>,
    },
    /// A service that hands out temporary keys.
    Uri {
        /// `uri`; without it, the environment's. Its query may hold a token.
        uri: Option<Secret>,
    },
}

/// An access key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessKey {
    /// `access_key_id`
    pub id: String,
    /// `access_key_secret`, or where to read it.
    pub secret: SecretSource,
}

/// A RAM role to take, and for how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// `role_arn`
    pub arn: Option<String>,
    /// `role_session_name`: shows in the cloud's audit log.
    pub session_name: Option<String>,
    /// `policy`: JSON that narrows the role's permissions.
    pub policy: Option<String>,
    /// `duration` of the temporary keys; from 15 minutes to 12 hours.
    pub duration: Option<Duration>,
}

/// A secret, or the file it stands in.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretSource {
    /// The secret itself.
    Inline(Secret),
    /// A file that holds the secret and perhaps a line end; read again when the API refuses it.
    File(PathBuf),
}

/// A type of credentials: what it is called, and which keys belong to it.
struct Type {
    name: &'static str,
    keys: &'static [&'static str],
    read: fn(&mut Reader, &Section<'_>, bool) -> Option<CredentialsSource>,
}

const TYPES: [Type; 8] = [
    Type { name: "default", keys: &[], read: |_, _, _| Some(CredentialsSource::Default) },
    Type {
        name: "access_key",
        keys: &["access_key_id", "access_key_secret", "access_key_secret_file"],
        read: |reader, section, _| {
            access_key(reader, section, "access_key").map(CredentialsSource::AccessKey)
        },
    },
    Type {
        name: "sts",
        keys: &[
            "access_key_id",
            "access_key_secret",
            "access_key_secret_file",
            "security_token",
            "security_token_file",
        ],
        read: sts,
    },
    Type { name: "profile", keys: &["profile", "file"], read: profile },
    Type { name: "ecs_ram_role", keys: &["role_name"], read: ecs_ram_role },
    Type {
        name: "oidc_role_arn",
        keys: &[
            "role_arn",
            "role_session_name",
            "policy",
            "duration",
            "oidc_provider_arn",
            "oidc_token_file",
        ],
        read: oidc_role_arn,
    },
    Type {
        name: "ram_role_arn",
        keys: &["role_arn", "role_session_name", "external_id", "policy", "duration", "source"],
        read: ram_role_arn,
    },
    Type { name: "uri", keys: &["uri"], read: uri },
];

/// Keys whose values are secrets when they stand in the configuration itself.
const SECRETS: [&str; 2] = ["access_key_secret", "security_token"];

impl CredentialsSource {
    /// The `type` that this is in a configuration.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AccessKey(_) => "access_key",
            Self::Sts { .. } => "sts",
            Self::Profile { .. } => "profile",
            Self::EcsRamRole { .. } => "ecs_ram_role",
            Self::OidcRoleArn { .. } => "oidc_role_arn",
            Self::RamRoleArn { .. } => "ram_role_arn",
            Self::Uri { .. } => "uri",
        }
    }
}

/// Reads `credentials`. `allow_http` tells whether the account allows plain http to any host.
pub(super) fn read(
    reader: &mut Reader,
    section: &Section<'_>,
    allow_http: bool,
) -> Option<CredentialsSource> {
    let words = TYPES.each_ref().map(|kind| (kind.name, kind));
    let kind = reader.value(section, "type", &TYPES[0], |text| one_of(text, &words))?;
    let mut fits = true;
    for key in TYPES.iter().flat_map(|kind| kind.keys).filter(|key| !kind.keys.contains(key)) {
        let there = section.filled(key).is_some() || section.has_section(key);
        if there && !reader.is_reported(section, key) {
            let types = types_with(key);
            let message = format!(
                "belongs to type {types}, not to {}; set type: {types}, or remove it",
                kind.name
            );
            reader.problem(section, key, message);
            fits = false;
        }
    }
    let source = (kind.read)(reader, section, allow_http);
    source.filter(|_| fits)
}

/// Whether `section`, the `credentials` of an account, holds a secret.
pub(super) fn hold_secret(section: &Section<'_>) -> bool {
    let holds = |section: &Section<'_>| SECRETS.iter().any(|key| section.filled(key).is_some());
    holds(section) || holds(&section.section("source"))
}

fn types_with(key: &str) -> String {
    let types = TYPES.iter().filter(|kind| kind.keys.contains(&key)).map(|kind| kind.name);
    types.collect::<Vec<_>>().join(" or ")
}

fn access_key(reader: &mut Reader, section: &Section<'_>, kind: &str) -> Option<AccessKey> {
    let id = private(reader, section, "access_key_id", kind);
    let secret = secret(reader, section, "access_key_secret", "access_key_secret_file", kind);
    Some(AccessKey { id: id?, secret: secret? })
}

fn sts(reader: &mut Reader, section: &Section<'_>, _: bool) -> Option<CredentialsSource> {
    let key = access_key(reader, section, "sts");
    let token = secret(reader, section, "security_token", "security_token_file", "sts");
    Some(CredentialsSource::Sts { key: key?, security_token: token? })
}

fn profile(reader: &mut Reader, section: &Section<'_>, _: bool) -> Option<CredentialsSource> {
    let name = section.filled("profile").map(str::to_owned);
    Some(CredentialsSource::Profile { name, file: reader.file(section, "file") })
}

fn ecs_ram_role(reader: &mut Reader, section: &Section<'_>, _: bool) -> Option<CredentialsSource> {
    let role_name = optional(reader, section, "role_name", |text| {
        if is_role_name(text) {
            Ok(text.to_owned())
        } else {
            Err("is not the name of a RAM role; allowed: letters, digits, -, _ and .".to_owned())
        }
    })?;
    Some(CredentialsSource::EcsRamRole { role_name })
}

fn oidc_role_arn(reader: &mut Reader, section: &Section<'_>, _: bool) -> Option<CredentialsSource> {
    let role = role(reader, section);
    let oidc_provider_arn = optional(reader, section, "oidc_provider_arn", arn);
    Some(CredentialsSource::OidcRoleArn {
        role: role?,
        oidc_provider_arn: oidc_provider_arn?,
        oidc_token_file: reader.file(section, "oidc_token_file"),
    })
}

fn ram_role_arn(
    reader: &mut Reader,
    section: &Section<'_>,
    allow_http: bool,
) -> Option<CredentialsSource> {
    let role = role(reader, section);
    if section.filled("role_arn").is_none() && !reader.is_reported(section, "role_arn") {
        let message =
            "is missing; type ram_role_arn needs it, such as acs:ram::1234567890:role/name";
        reader.problem(section, "role_arn", message);
    }
    let source = section.section("source");
    if source.filled("type") == Some("ram_role_arn") {
        let message = "\"ram_role_arn\" would be a role taken by a role; allowed: any other type, \
                       or type: profile with a CLI profile of mode ChainableRamRoleArn";
        reader.problem(&source, "type", message);
        return None;
    }
    let source = read(reader, &source, allow_http);
    let role = role.filter(|role| role.arn.is_some());
    Some(CredentialsSource::RamRoleArn {
        role: role?,
        external_id: section.filled("external_id").map(str::to_owned),
        source: Box::new(source?),
    })
}

fn uri(reader: &mut Reader, section: &Section<'_>, allow_http: bool) -> Option<CredentialsSource> {
    let Some(text) = section.filled("uri") else {
        return Some(CredentialsSource::Uri { uri: None });
    };
    // A URL with a password or a token in it must not be quoted.
    match credentials_uri(text, allow_http) {
        Ok(uri) => Some(CredentialsSource::Uri { uri: Some(Secret::new(uri)) }),
        Err(error) => {
            reader.problem(section, "uri", format!("the value {error}"));
            None
        }
    }
}

/// Whether a RAM role can have this name. It becomes part of a path.
pub(crate) fn is_role_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('.')
}

/// Reads the URI of a service that hands out keys. The error follows the value in a sentence.
pub(crate) fn credentials_uri(text: &str, allow_http: bool) -> Result<Url, String> {
    base_url::parse(text, allow_http, "http://localhost:8080/credentials")
}

fn role(reader: &mut Reader, section: &Section<'_>) -> Option<Role> {
    let arn = optional(reader, section, "role_arn", arn);
    let session_name = optional(reader, section, "role_session_name", |text| {
        // STS's own rule for RoleSessionName.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '-' | '_');
        if (2..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(text.to_owned())
        } else {
            Err("is not allowed; allowed: 2 to 64 letters, digits, ., @, - and _".to_owned())
        }
    });
    let policy = optional(reader, section, "policy", |text| {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) if text.trim_start().starts_with('{') => Ok(text.to_owned()),
            _ => Err("is not a JSON object; allowed: a RAM policy".to_owned()),
        }
    });
    let duration = optional(reader, section, "duration", |text| {
        let duration = duration::parse(text)?;
        if ROLE_DURATIONS.contains(&duration) {
            return Ok(duration);
        }
        let [min, max] =
            [ROLE_DURATIONS.start(), ROLE_DURATIONS.end()].map(|d| format_duration(*d));
        Err(format!(
            "is not allowed; allowed: {min} to {max}, and no more than the role's own limit"
        ))
    });
    Some(Role { arn: arn?, session_name: session_name?, policy: policy?, duration: duration? })
}

fn arn(text: &str) -> Result<String, String> {
    if text.starts_with("acs:ram::") && !text.contains(char::is_whitespace) {
        Ok(text.to_owned())
    } else {
        Err("is not an ARN; allowed: one such as acs:ram::1234567890:role/name".to_owned())
    }
}

/// The value at `key` as `parse` understands it, if there is one.
fn optional<T>(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    match section.filled(key) {
        Some(_) => reader.required(section, key, "", parse).map(Some),
        None => (!reader.is_reported(section, key)).then_some(None),
    }
}

/// The secret that stands at `inline`, or in the file at `file`.
fn secret(
    reader: &mut Reader,
    section: &Section<'_>,
    inline: &str,
    file: &str,
    kind: &str,
) -> Option<SecretSource> {
    match (section.filled(inline), reader.file(section, file)) {
        (Some(_), Some(_)) => {
            let message = format!("stands beside {inline}; allowed: one of the two");
            reader.problem(section, file, message);
            None
        }
        (None, None) => {
            if !reader.is_reported(section, inline) && !reader.is_reported(section, file) {
                let message = format!("is missing; type {kind} needs it, or {file}");
                reader.problem(section, inline, message);
            }
            None
        }
        (Some(_), None) => {
            let secret = private(reader, section, inline, kind)?;
            Some(SecretSource::Inline(Secret::new(secret)))
        }
        (None, Some(path)) => match check_secret_file(&path) {
            Ok(()) => Some(SecretSource::File(path)),
            Err(error) => {
                let path = quoted(&path.to_string_lossy());
                reader.problem(section, file, format!("{path} {error}"));
                None
            }
        },
    }
}

/// The text at `key`, which no message may quote.
fn private(reader: &mut Reader, section: &Section<'_>, key: &str, kind: &str) -> Option<String> {
    let Some(text) = section.filled(key).map(without_line_end) else {
        if !reader.is_reported(section, key) {
            reader.problem(section, key, format!("is missing; type {kind} needs it"));
        }
        return None;
    };
    if !is_private_text(text) {
        reader.problem(section, key, "is empty or holds a space or a control character");
        return None;
    }
    Some(text.to_owned())
}

/// Block scalars and files end with a line end that is not part of the secret.
fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

fn is_private_text(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn check_secret_file(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    if is_private_text(without_line_end(&text)) {
        Ok(())
    } else {
        Err("does not hold one secret: it is empty, or has spaces or several lines".to_owned())
    }
}
