//! The configuration as YAML, with every default filled in and every secret left out.
//!
//! It loads again as a configuration, except for the secrets.

use std::path::Path;
use std::time::Duration;

use url::Url;
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlEmitter};

use crate::secret::Secret;

use super::duration::format;
use super::{
    AccessKey, Account, Config, CredentialsSource, Discovery, Endpoints, Instance, Network,
    Polling, Regions, Role, SecretSource, Signature,
};

/// What stands for a secret.
const SECRET: &str = "<secret>";
/// The same, in characters that a URL may hold.
const SECRET_IN_URL: &str = "%3Csecret%3E";

impl Config {
    /// The configuration as YAML, without secrets.
    pub fn to_yaml(&self) -> String {
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(name, account)| (text(name), show_account(account)));
        let mut root = vec![
            ("accounts", Yaml::Hash(accounts.collect())),
            ("polling", show_polling(&self.polling)),
        ];
        if !self.instances.is_empty() {
            root.push(("instances", list(self.instances.iter().map(show_instance))));
        }
        if !self.discovery.is_empty() {
            root.push(("discovery", list(self.discovery.iter().map(show_discovery))));
        }
        let mut yaml = String::new();
        // Writing into memory fails only on numbers as keys, and there are none.
        let _ = YamlEmitter::new(&mut yaml).dump(&table(root));
        let yaml = yaml.strip_prefix("---\n").unwrap_or(&yaml);
        format!("{yaml}\n")
    }
}

fn show_account(account: &Account) -> Yaml {
    let Account {
        credentials,
        requests_per_second,
        signature,
        network,
        endpoints,
        allow_http,
        ca_file,
    } = account;
    let signature = match signature {
        Signature::HmacSha1 => "hmac-sha1",
        Signature::Acs3HmacSha256 => "acs3-hmac-sha256",
    };
    let Endpoints { rds, sts, metadata } = endpoints;
    let endpoint = |url: &Option<String>| text(url.as_deref().unwrap_or_default());
    let network = match network {
        Network::Public => "public",
        Network::Vpc => "vpc",
    };
    table([
        ("credentials", show_credentials(credentials)),
        ("requests_per_second", Yaml::Real(requests_per_second.to_string())),
        ("signature", text(signature)),
        ("network", text(network)),
        (
            "endpoints",
            table([
                ("rds", endpoint(rds)),
                ("sts", endpoint(sts)),
                ("metadata", endpoint(metadata)),
            ]),
        ),
        ("allow_http", Yaml::Boolean(*allow_http)),
        ("ca_file", path(ca_file.as_deref().unwrap_or(Path::new("")))),
    ])
}

fn show_credentials(source: &CredentialsSource) -> Yaml {
    let mut entries = vec![("type", text(source.type_name()))];
    match source {
        CredentialsSource::Default => {}
        CredentialsSource::AccessKey(key) => entries.extend(show_key(key)),
        CredentialsSource::Sts { key, security_token } => {
            entries.extend(show_key(key));
            entries.push(show_secret(security_token, "security_token", "security_token_file"));
        }
        CredentialsSource::Profile { name, file } => {
            entries.extend(name.as_deref().map(|name| ("profile", text(name))));
            entries.extend(file.as_deref().map(|file| ("file", path(file))));
        }
        CredentialsSource::EcsRamRole { role_name } => {
            entries.extend(role_name.as_deref().map(|name| ("role_name", text(name))));
        }
        CredentialsSource::OidcRoleArn { role, oidc_provider_arn, oidc_token_file } => {
            entries.extend(show_role(role));
            let arn = oidc_provider_arn.as_deref();
            entries.extend(arn.map(|arn| ("oidc_provider_arn", text(arn))));
            entries.extend(oidc_token_file.as_deref().map(|file| ("oidc_token_file", path(file))));
        }
        CredentialsSource::RamRoleArn { role, external_id, source } => {
            entries.extend(show_role(role));
            entries.extend(external_id.as_deref().map(|id| ("external_id", text(id))));
            entries.push(("source", show_credentials(source)));
        }
        CredentialsSource::Uri { uri } => {
            entries.extend(uri.as_ref().map(|uri| ("uri", text(&without_secrets(uri)))));
        }
    }
    table(entries)
}

/// Where a URL leads to: password, path and query may hold a token.
fn without_secrets(url: &Secret) -> String {
    let origin = Url::parse(url.expose()).map(|url| url.origin().ascii_serialization());
    format!("{}/{SECRET_IN_URL}", origin.unwrap_or_default())
}

fn show_key(key: &AccessKey) -> [(&'static str, Yaml); 2] {
    [
        ("access_key_id", text(&key.id)),
        show_secret(&key.secret, "access_key_secret", "access_key_secret_file"),
    ]
}

fn show_secret(
    secret: &SecretSource,
    inline: &'static str,
    file: &'static str,
) -> (&'static str, Yaml) {
    match secret {
        SecretSource::Inline(_) => (inline, text(SECRET)),
        SecretSource::File(at) => (file, path(at)),
    }
}

fn show_role(role: &Role) -> Vec<(&'static str, Yaml)> {
    let Role { arn, session_name, policy, duration: lifetime } = role;
    let texts = [("role_arn", arn), ("role_session_name", session_name), ("policy", policy)];
    let texts = texts.into_iter().filter_map(|(key, value)| Some((key, text(value.as_deref()?))));
    texts.chain(lifetime.map(|lifetime| ("duration", duration(lifetime)))).collect()
}

fn show_polling(polling: &Polling) -> Yaml {
    let Polling {
        interval,
        idle_interval,
        lookback,
        deep_lookback,
        deep_interval,
        final_retention,
        page_size,
        concurrency,
        request_timeout,
        stale_after,
    } = polling;
    table([
        ("interval", duration(*interval)),
        ("idle_interval", duration(*idle_interval)),
        ("lookback", duration(*lookback)),
        ("deep_lookback", duration(*deep_lookback)),
        ("deep_interval", duration(*deep_interval)),
        ("final_retention", duration(*final_retention)),
        ("page_size", Yaml::Integer((*page_size).into())),
        ("concurrency", Yaml::Integer(i64::try_from(*concurrency).unwrap_or(i64::MAX))),
        ("request_timeout", duration(*request_timeout)),
        ("stale_after", duration(*stale_after)),
    ])
}

fn show_instance(instance: &Instance) -> Yaml {
    let Instance { id, region, engine, account, name, interval, idle_interval, lookback } =
        instance;
    table([
        ("id", text(id)),
        ("region", text(region)),
        ("engine", text(engine.as_str())),
        ("account", text(account)),
        ("name", text(name)),
        ("interval", duration(*interval)),
        ("idle_interval", duration(*idle_interval)),
        ("lookback", duration(*lookback)),
    ])
}

fn show_discovery(discovery: &Discovery) -> Yaml {
    let Discovery { account, regions, engines, tags, resource_group_id, exclude, refresh_interval } =
        discovery;
    let tags = tags.iter().map(|(key, value)| (text(key), text(value)));
    table([
        ("account", text(account)),
        (
            "regions",
            match regions {
                Regions::All => list([text("all")]),
                Regions::Named(regions) => list(regions.iter().map(|region| text(region))),
            },
        ),
        ("engines", list(engines.iter().map(|engine| text(engine.as_str())))),
        ("tags", Yaml::Hash(tags.collect())),
        ("resource_group_id", text(resource_group_id.as_deref().unwrap_or_default())),
        ("exclude", list(exclude.iter().map(|id| text(id)))),
        ("refresh_interval", duration(*refresh_interval)),
    ])
}

fn table(entries: impl IntoIterator<Item = (&'static str, Yaml)>) -> Yaml {
    Yaml::Hash(entries.into_iter().map(|(key, value)| (text(key), value)).collect::<Hash>())
}

fn list(items: impl IntoIterator<Item = Yaml>) -> Yaml {
    Yaml::Array(items.into_iter().collect())
}

fn text(text: &str) -> Yaml {
    Yaml::String(text.to_owned())
}

fn path(path: &Path) -> Yaml {
    text(&path.to_string_lossy())
}

fn duration(duration: Duration) -> Yaml {
    text(&format(duration))
}
