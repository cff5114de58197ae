//! The places that keys can come from.

use std::pin::Pin;
use std::sync::Arc;

use crate::auth::provider::CredentialsError;
use crate::auth::provider::chain::Chain;
use crate::auth::provider::cloud_sso::CloudSso;
use crate::auth::provider::configured::Configured;
use crate::auth::provider::environment;
use crate::auth::provider::external::External;
use crate::auth::provider::metadata::Metadata;
use crate::auth::provider::oidc::Oidc;
use crate::auth::provider::profile::Profile;
use crate::auth::provider::role::RoleSource;
use crate::auth::provider::session::Keys;
use crate::auth::provider::sts;
use crate::auth::provider::uri::Uri;
use crate::clock::Clock;
use crate::config::{CredentialsSource, Endpoints, Environment, Network, Signature};
use crate::instruments::Instruments;
use crate::transport::Transport;

/// What the sources may use: all that they know of the world.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) account: Arc<str>,
    pub(super) environment: Environment,
    pub(super) transport: Transport,
    pub(super) signature: Signature,
    pub(super) network: Network,
    pub(super) endpoints: Endpoints,
    pub(super) allow_http: bool,
    pub(super) clock: Clock,
    pub(super) instruments: Instruments,
}

/// A place that keys come from.
#[derive(Debug)]
pub(super) enum Source {
    Chain(Chain),
    CloudSso(CloudSso),
    Configured(Configured),
    Environment,
    External(External),
    Metadata(Metadata),
    Oidc(Oidc),
    Profile(Profile),
    Role(RoleSource),
    Uri(Uri),
}

impl Context {
    /// An environment variable; an empty one counts as unset, as in the official SDKs.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).filter(|value| !value.is_empty())
    }

    /// Whether an environment variable says yes.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }
}

impl Source {
    /// The place that a configuration describes.
    pub(super) fn configured(source: &CredentialsSource) -> Self {
        match source {
            CredentialsSource::Default => Self::Chain(Chain::official()),
            CredentialsSource::AccessKey(key) => {
                Self::Configured(Configured { key: key.clone(), security_token: None })
            }
            CredentialsSource::Sts { key, security_token } => Self::Configured(Configured {
                key: key.clone(),
                security_token: Some(security_token.clone()),
            }),
            CredentialsSource::Profile { name, file } => {
                Self::Profile(Profile::configured(name.clone(), file.clone()))
            }
            CredentialsSource::EcsRamRole { role_name } => {
                Self::Metadata(Metadata { role_name: role_name.clone() })
            }
            CredentialsSource::OidcRoleArn { role, oidc_provider_arn, oidc_token_file } => {
                Self::Oidc(Oidc {
                    role: role.clone(),
                    provider_arn: oidc_provider_arn.clone(),
                    token_file: oidc_token_file.clone(),
                    ..Oidc::default()
                })
            }
            CredentialsSource::RamRoleArn { role, external_id, source } => Self::Role(RoleSource {
                role: role.clone(),
                external_id: external_id.clone(),
                sts: Default::default(),
                source: Box::new(Self::configured(source)),
            }),
            CredentialsSource::Uri { uri } => Self::Uri(Uri { uri: uri.clone() }),
        }
    }

    /// What messages call it: the `type` in a configuration where there is one.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Chain(_) => "default",
            Self::CloudSso(_) => "cloud_sso",
            Self::Configured(Configured { security_token: None, .. }) => "access_key",
            Self::Configured(_) => "sts",
            Self::Environment => "environment",
            Self::External(_) => "external",
            Self::Metadata(_) => "ecs_ram_role",
            Self::Oidc(_) => "oidc_role_arn",
            Self::Profile(profile) => profile.name(),
            Self::Role(_) => "ram_role_arn",
            Self::Uri(_) => "uri",
        }
    }

    /// The API action that it calls, where the configuration tells.
    pub(super) fn action(&self) -> Option<&'static str> {
        match self {
            Self::Oidc(_) => Some(sts::ASSUME_ROLE_WITH_OIDC),
            Self::Role(_) => Some(sts::ASSUME_ROLE),
            _ => None,
        }
    }

    /// Asks for keys: those of now, not remembered ones. In a box, since sources have sources.
    pub(super) fn keys<'a>(
        &'a self,
        context: &'a Context,
    ) -> Pin<Box<dyn Future<Output = Result<Keys, CredentialsError>> + Send + 'a>> {
        Box::pin(async move {
            let keys = match self {
                Self::Chain(chain) => chain.keys(context).await,
                Self::CloudSso(sso) => sso.keys(context).await,
                Self::Configured(configured) => configured.keys().await,
                Self::Environment => environment::keys(context),
                Self::External(external) => external.keys(context).await,
                Self::Metadata(metadata) => metadata.keys(context).await,
                Self::Oidc(oidc) => oidc.keys(context).await,
                Self::Profile(profile) => profile.keys(context).await,
                Self::Role(role) => role.keys(context).await,
                Self::Uri(uri) => uri.keys(context).await,
            };
            match keys {
                Ok(keys) => Ok(keys.from(self.name())),
                Err(problem) => Err(CredentialsError { provider: self.name(), problem }),
            }
        })
    }
}
