//! Profiles of the Alibaba Cloud CLI's `config.json`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::auth::provider::cloud_sso::CloudSso;
use crate::auth::provider::configured::Configured;
use crate::auth::provider::external::External;
use crate::auth::provider::metadata::Metadata;
use crate::auth::provider::oidc::Oidc;
use crate::auth::provider::profile::{Lookup, absent, required};
use crate::auth::provider::role::RoleSource;
use crate::auth::provider::session::json;
use crate::auth::provider::source::Source;
use crate::auth::provider::sts::Sts;
use crate::auth::provider::uri::Uri;
use crate::config::{AccessKey, Role, SecretSource};
use crate::secret::Secret;

#[derive(Deserialize)]
struct File {
    #[serde(default, deserialize_with = "filled")]
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<Profile>,
}

/// A profile; which fields matter depends on its mode. The CLI writes unused ones as empty texts.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Profile {
    name: String,
    mode: String,
    #[serde(deserialize_with = "filled")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "filled_secret")]
    access_key_secret: Option<Secret>,
    #[serde(deserialize_with = "filled_secret")]
    sts_token: Option<Secret>,
    #[serde(deserialize_with = "filled")]
    ram_role_arn: Option<String>,
    #[serde(deserialize_with = "filled")]
    ram_session_name: Option<String>,
    /// What the Python SDK reads instead.
    #[serde(deserialize_with = "filled")]
    role_session_name: Option<String>,
    #[serde(deserialize_with = "filled")]
    ram_role_name: Option<String>,
    expired_seconds: Option<u64>,
    #[serde(deserialize_with = "filled")]
    policy: Option<String>,
    #[serde(deserialize_with = "filled")]
    external_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    sts_region: Option<String>,
    enable_vpc: Option<bool>,
    #[serde(deserialize_with = "filled")]
    source_profile: Option<String>,
    #[serde(deserialize_with = "filled")]
    oidc_provider_arn: Option<String>,
    #[serde(deserialize_with = "filled")]
    oidc_token_file: Option<String>,
    #[serde(deserialize_with = "filled_secret")]
    credentials_uri: Option<Secret>,
    #[serde(deserialize_with = "filled_secret")]
    process_command: Option<Secret>,
    #[serde(deserialize_with = "filled")]
    cloud_sso_sign_in_url: Option<String>,
    #[serde(deserialize_with = "filled")]
    cloud_sso_account_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    cloud_sso_access_config: Option<String>,
    #[serde(deserialize_with = "filled_secret")]
    access_token: Option<Secret>,
    cloud_sso_access_token_expire: Option<i64>,
}

/// Looks a profile up: `name`, or the one that the file says is current.
pub(super) fn look_up(text: &str, name: Option<&str>) -> Result<Lookup, String> {
    let file = json::<File>(text.trim_start_matches('\u{feff}').as_bytes());
    let file = file.map_err(|problem| format!("the file {problem}"))?;
    let name = name.or(file.current.as_deref());
    let name = name.ok_or("the file has no current profile, and none was asked for")?;
    if file.find(name).is_none() {
        return Ok(absent(name, file.profiles.iter().map(|profile| profile.name.as_str())));
    }
    source(&file, name, &mut Vec::new()).map(Lookup::Found)
}

impl File {
    fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }
}

/// Where the profile `name` says that keys come from. `on_the_way` are the profiles that led to it.
fn source(file: &File, name: &str, on_the_way: &mut Vec<String>) -> Result<Source, String> {
    let seen = on_the_way.iter().any(|other| other == name);
    on_the_way.push(name.to_owned());
    if seen {
        let circle = on_the_way.join(" -> ");
        return Err(format!("profiles take their keys from each other in a circle: {circle}"));
    }
    let profile = file.find(name).ok_or_else(|| {
        let way = on_the_way.join(" -> ");
        format!("source_profile leads to a profile that does not exist: {way}")
    })?;
    Ok(match profile.mode.as_str() {
        "AK" | "" => Source::Configured(profile.key(false)?),
        "StsToken" => Source::Configured(profile.key(true)?),
        "RamRoleArn" => {
            profile.role(Source::Configured(profile.key(profile.sts_token.is_some())?))?
        }
        "RamRoleArnWithEcs" => profile.role(Source::Metadata(profile.metadata()))?,
        "ChainableRamRoleArn" => {
            let next = required(profile.source_profile.as_deref(), "source_profile", name)?;
            profile.role(source(file, next, on_the_way)?)?
        }
        "EcsRamRole" => Source::Metadata(profile.metadata()),
        "OIDC" => Source::Oidc(profile.oidc()?),
        "CredentialsURI" => Source::Uri(Uri {
            uri: Some(required(profile.credentials_uri.clone(), "credentials_uri", name)?),
        }),
        "External" => Source::External(External {
            command: required(profile.process_command.clone(), "process_command", name)?,
        }),
        "CloudSSO" => Source::CloudSso(profile.cloud_sso()?),
        mode => {
            return Err(format!(
                "profile {name:?} has the mode {mode:?}, which is not supported; supported: AK, \
                 StsToken, RamRoleArn, RamRoleArnWithEcs, ChainableRamRoleArn, EcsRamRole, OIDC, \
                 CredentialsURI, External, CloudSSO"
            ));
        }
    })
}

impl Profile {
    fn key(&self, with_token: bool) -> Result<Configured, String> {
        let id = required(self.access_key_id.clone(), "access_key_id", &self.name)?;
        let secret = required(self.access_key_secret.clone(), "access_key_secret", &self.name)?;
        let token = match with_token {
            true => Some(required(self.sts_token.clone(), "sts_token", &self.name)?),
            false => None,
        };
        Ok(Configured {
            key: AccessKey { id, secret: SecretSource::Inline(secret) },
            security_token: token.map(SecretSource::Inline),
        })
    }

    fn metadata(&self) -> Metadata {
        Metadata { role_name: self.ram_role_name.clone() }
    }

    fn role(&self, source: Source) -> Result<Source, String> {
        Ok(Source::Role(RoleSource {
            role: self.ram_role()?,
            external_id: self.external_id.clone(),
            sts: self.sts(),
            source: Box::new(source),
        }))
    }

    fn oidc(&self) -> Result<Oidc, String> {
        let provider_arn = self.oidc_provider_arn.clone();
        let token_file = self.oidc_token_file.clone();
        Ok(Oidc {
            role: self.ram_role()?,
            provider_arn: Some(required(provider_arn, "oidc_provider_arn", &self.name)?),
            token_file: Some(required(token_file, "oidc_token_file", &self.name)?.into()),
            sts: self.sts(),
        })
    }

    fn ram_role(&self) -> Result<Role, String> {
        Ok(Role {
            arn: Some(required(self.ram_role_arn.clone(), "ram_role_arn", &self.name)?),
            session_name: self.ram_session_name.clone().or(self.role_session_name.clone()),
            policy: self.policy.clone(),
            duration: self.expired_seconds.filter(|s| *s > 0).map(Duration::from_secs),
        })
    }

    fn sts(&self) -> Sts {
        Sts { region: self.sts_region.clone(), vpc: self.enable_vpc.unwrap_or_default() }
    }

    fn cloud_sso(&self) -> Result<CloudSso, String> {
        let name = &self.name;
        Ok(CloudSso {
            profile: name.clone(),
            sign_in_url: required(
                self.cloud_sso_sign_in_url.clone(),
                "cloud_sso_sign_in_url",
                name,
            )?,
            account_id: required(self.cloud_sso_account_id.clone(), "cloud_sso_account_id", name)?,
            access_config: required(
                self.cloud_sso_access_config.clone(),
                "cloud_sso_access_config",
                name,
            )?,
            access_token: required(self.access_token.clone(), "access_token", name)?,
            access_token_expires: self.cloud_sso_access_token_expire.unwrap_or_default(),
        })
    }
}

fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn filled_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let secret = Option::<Secret>::deserialize(deserializer)?;
    Ok(secret.filter(|secret| !secret.expose().is_empty()))
}
