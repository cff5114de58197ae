//! Every way of holding keys, end to end: the daemon polls with them, and goes on when they are
//! rotated or expire.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{
    self, AccessKey, Config, CredentialsSource, Endpoints, Environment, Polling, SecretSource,
    Signature,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::simulator::{
    Account, Control, CredentialsUri, Instance, Key, Kind, Metadata, OidcToken, OidcTrust, Role,
    Scenario, Simulator, Status, Task,
};
use serde_json::json;
use tempfile::TempDir;

use super::Daemon;
use crate::exposition::Page;

const ROLE: &str = "acs:ram::1234567890123456:role/exporter";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/cluster";
const NEXT_POLL: &str = "aliyun_rds_import_instance_next_poll_timestamp_seconds";
const UP: &str = "aliyun_rds_import_instance_up";
const EXPIRY: &str = "aliyun_rds_import_exporter_credentials_expiration_timestamp_seconds";
const INTERVAL: Duration = Duration::from_secs(60);

/// Ways of holding keys whose keys never end; of the others they do, after an hour.
const LASTING: [&str; 6] =
    ["access_key", "chain-environment", "profile-ini", "profile-json", "secret-file", "sts"];

/// A simulated cloud in which keys can be had in every way, and the daemon's configuration.
struct World {
    folder: TempDir,
    simulator: Option<Simulator>,
    control: Control,
    config: Config,
    environment: Environment,
    url: String,
}

impl World {
    /// An instance `rm-NAME` for each of `names`, all of one simulated account.
    async fn new(names: &[String], hands: &ManualClock) -> Self {
        let tasks = || vec![Task::steady(1, Kind::Full, Status::FullImporting)];
        let token = Key {
            access_key_id: "STS.listed".into(),
            access_key_secret: "secret".into(),
            security_token: Some("token".into()),
            inactive: false,
            inactive_from: None,
            expires: None,
        };
        let trust = OidcTrust {
            provider_arn: PROVIDER.into(),
            tokens: vec![OidcToken { token: "oidc-token".into(), until: None }],
        };
        let hour = Duration::from_secs(3_600);
        let scenario = Scenario {
            accounts: vec![Account {
                access_key_id: Some("LTAI".into()),
                access_key_secret: Some("secret".into()),
                more_keys: vec![token],
                ..Account::new("default")
            }],
            roles: vec![Role { oidc: Some(trust), ..Role::new(ROLE) }],
            metadata: Metadata { lifetime: hour, ..Metadata::of("exporter") },
            credentials_uris: vec![CredentialsUri::new("/credentials", "exporter")],
            ..Scenario::of(
                names.iter().map(|name| Instance::new(format!("rm-{name}"), tasks())).collect(),
            )
        };
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            control: simulator.control(),
            url: simulator.base_url(),
            simulator: Some(simulator),
            config: Config { polling: Polling::default(), ..Config::default() },
            environment: Environment::default(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Adds an account of this name, and its instance.
    fn add(&mut self, name: &str, credentials: CredentialsSource, signature: Signature) {
        let endpoints = Endpoints {
            rds: Some(self.url.clone()),
            sts: Some(self.url.clone()),
            metadata: Some(self.url.clone()),
        };
        let account: Arc<str> = name.into();
        let settings = config::Account {
            credentials,
            signature,
            endpoints,
            requests_per_second: 100.0,
            ..config::Account::default()
        };
        self.config.accounts.insert(Arc::clone(&account), settings);
        self.config.instances.push(config::Instance {
            id: format!("rm-{name}").into(),
            region: "cn-hangzhou".into(),
            engine: Engine::MySQL,
            account,
            name: "".into(),
            interval: INTERVAL,
            idle_interval: INTERVAL,
            lookback: Duration::from_secs(30 * 86_400),
        });
    }

    fn set_environment(&mut self, variables: &[(&str, &str)]) {
        let owned = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        self.environment = owned.collect();
    }

    async fn start(&mut self, hands: ManualClock) -> Daemon {
        let daemon = Daemon::start_in(&self.environment, &self.config, hands).await;
        let simulator = self.simulator.take().unwrap();
        tokio::spawn(simulator.serve(daemon.stop.clone()));
        daemon
    }
}

fn key(id: &str, secret: SecretSource) -> AccessKey {
    AccessKey { id: id.into(), secret }
}

fn inline(text: &str) -> SecretSource {
    SecretSource::Inline(Secret::new(text))
}

fn role() -> config::Role {
    config::Role { arn: Some(ROLE.into()), ..config::Role::default() }
}

fn cli_profile(id: &str, secret: &str, fields: &serde_json::Value) -> String {
    let mut profile =
        json!({"name": "p", "mode": "AK", "access_key_id": id, "access_key_secret": secret});
    profile.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"current": "p", "profiles": [profile]}).to_string()
}

/// Every way of holding keys, by name.
fn sources(world: &World) -> Vec<(&'static str, CredentialsSource)> {
    let profile = |file: PathBuf| CredentialsSource::Profile { name: None, file: Some(file) };
    let ini = "[default]\ntype = access_key\naccess_key_id = LTAI\naccess_key_secret = secret\n";
    let of_role = json!({"mode": "RamRoleArn", "ram_role_arn": ROLE, "ram_session_name": "test"});
    let static_key = || CredentialsSource::AccessKey(key("LTAI", inline("secret")));
    vec![
        ("access_key", static_key()),
        (
            "secret-file",
            CredentialsSource::AccessKey(key(
                "LTAI",
                SecretSource::File(world.file("secret", "secret\n")),
            )),
        ),
        (
            "sts",
            CredentialsSource::Sts {
                key: key("STS.listed", inline("secret")),
                security_token: inline("token"),
            },
        ),
        (
            "profile-json",
            profile(world.file("ak.json", &cli_profile("LTAI", "secret", &json!({})))),
        ),
        (
            "profile-role",
            profile(world.file("role.json", &cli_profile("LTAI", "secret", &of_role))),
        ),
        ("profile-ini", profile(world.file("credentials", ini))),
        ("ecs_ram_role", CredentialsSource::EcsRamRole { role_name: None }),
        (
            "oidc_role_arn",
            CredentialsSource::OidcRoleArn {
                role: role(),
                oidc_provider_arn: Some(PROVIDER.into()),
                oidc_token_file: Some(world.file("oidc", "oidc-token\n")),
            },
        ),
        (
            "ram_role_arn",
            CredentialsSource::RamRoleArn {
                role: role(),
                external_id: None,
                source: Box::new(static_key()),
            },
        ),
        (
            "uri",
            CredentialsSource::Uri { uri: Some(Secret::new(format!("{}/credentials", world.url))) },
        ),
        ("chain-metadata", CredentialsSource::Default),
    ]
}

fn by_both_signatures(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| [format!("{name}-v1"), format!("{name}-v3")]).collect()
}

fn sum(page: &Page, family: &str) -> f64 {
    let name = format!("aliyun_rds_import_exporter_{family}");
    page.samples(&name).iter().map(|sample| sample.value).sum()
}

/// Lets `count` intervals pass, and waits each time until every poll that was due has ended well.
async fn poll_on(daemon: &Daemon, count: usize) -> Page {
    let mut page = daemon.page().await;
    for _ in 0..count {
        daemon.hands.advance(INTERVAL);
        let now = daemon.hands.clock().now().timestamp() as f64;
        let ended = async {
            loop {
                page = daemon.page().await;
                let due = page.samples(NEXT_POLL).iter().any(|sample| sample.value <= now);
                let up = page.samples(UP);
                assert!(up.iter().all(|sample| sample.value == 1.0), "{up:?}");
                if !due && !up.is_empty() {
                    return;
                }
            }
        };
        tokio::time::timeout(super::PATIENCE, ended).await.expect("a poll did not end");
    }
    page
}

fn assert_no_poll_was_lost(page: &Page, instances: usize) {
    assert_eq!(page.samples(UP).len(), instances);
    assert_eq!(sum(page, "walk_failures_total"), 0.0);
}

#[tokio::test]
async fn every_provider_polls_by_both_signatures_and_outlives_its_keys() {
    let hands = super::hands();
    let unused = World::new(&[], &hands).await;
    let names: Vec<_> = sources(&unused).into_iter().map(|(name, _)| name).collect();
    let names = by_both_signatures(&names);
    let mut world = World::new(&names, &hands).await;
    for (name, source) in sources(&world) {
        world.add(&format!("{name}-v1"), source.clone(), Signature::HmacSha1);
        world.add(&format!("{name}-v3"), source, Signature::Acs3HmacSha256);
    }
    let daemon = world.start(hands.clone()).await;

    // Keys of an hour end twice.
    let page = poll_on(&daemon, 110).await;

    assert_no_poll_was_lost(&page, names.len());
    assert_eq!(sum(&page, "api_request_failures_total"), 0.0);
    let now = hands.clock().now().timestamp() as f64;
    for name in &names {
        let expiry = page.value(EXPIRY, &[("account", name)]);
        let (source, _) = name.rsplit_once('-').unwrap();
        assert_eq!(expiry.is_none(), LASTING.contains(&source), "{name}: {expiry:?}");
        assert!(expiry.is_none_or(|expiry| expiry > now), "{name}: {expiry:?}");
    }
}

#[tokio::test]
async fn the_chain_takes_what_the_environment_offers() {
    let token = tempfile::tempdir().unwrap();
    let token = token.path().join("oidc");
    std::fs::write(&token, "oidc-token").unwrap();
    let token = token.display().to_string();
    for (name, variables) in [
        (
            "environment",
            vec![
                ("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI"),
                ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret"),
            ],
        ),
        (
            "oidc",
            vec![
                ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
                ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
                ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &token),
            ],
        ),
        ("uri", vec![("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]),
    ] {
        let hands = super::hands();
        let names = by_both_signatures(&["chain"]);
        let mut world = World::new(&names, &hands).await;
        let uri = format!("{}/credentials", world.url);
        let mut variables = variables;
        variables.push(("ALIBABA_CLOUD_CREDENTIALS_URI", &uri));
        world.set_environment(&variables);
        world.add("chain-v1", CredentialsSource::Default, Signature::HmacSha1);
        world.add("chain-v3", CredentialsSource::Default, Signature::Acs3HmacSha256);
        let daemon = world.start(hands).await;

        let page = poll_on(&daemon, 2).await;

        assert_no_poll_was_lost(&page, 2);
        let temporary = page.samples(EXPIRY).len();
        assert_eq!(temporary, if name == "environment" { 0 } else { 2 }, "{name}");
    }
}

/// Writes a file as secrets are mounted: the new one takes the old one's place at once.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn a_rotated_key_costs_no_poll() {
    let hands = super::hands();
    let names = ["secret", "profile", "role"].map(str::to_owned);
    let mut world = World::new(&names, &hands).await;
    let secret = world.file("secret", "secret");
    let profile = world.file("config.json", &cli_profile("LTAI-1", "first", &json!({})));
    let from_file = CredentialsSource::AccessKey(key("LTAI", SecretSource::File(secret.clone())));
    let of_role = CredentialsSource::RamRoleArn {
        role: role(),
        external_id: None,
        source: Box::new(from_file.clone()),
    };
    let from_profile = CredentialsSource::Profile { name: None, file: Some(profile.clone()) };
    world.add("secret", from_file, Signature::HmacSha1);
    world.add("profile", from_profile, Signature::Acs3HmacSha256);
    world.add("role", of_role, Signature::HmacSha1);
    let another = |id: &str, secret: &str| Key {
        access_key_id: id.into(),
        access_key_secret: secret.into(),
        security_token: None,
        inactive: false,
        inactive_from: None,
        expires: None,
    };
    assert!(world.control.put_key("default", &another("LTAI-1", "first")));
    let daemon = world.start(hands).await;
    poll_on(&daemon, 3).await;

    // The profile goes over to another key, and its first one is disabled. The file has another
    // secret of the same key, and so has the cloud.
    assert!(world.control.put_key("default", &another("LTAI-2", "second")));
    replace(&profile, &cli_profile("LTAI-2", "second", &json!({})));
    replace(&secret, "rotated");
    assert!(world.control.set_access_key_active("LTAI-1", false));
    assert!(world.control.put_key("default", &another("LTAI", "rotated")));
    let page = poll_on(&daemon, 3).await;
    assert_no_poll_was_lost(&page, 3);
    let failures = "aliyun_rds_import_exporter_api_request_failures_total";
    for (account, code) in
        [("secret", "SignatureDoesNotMatch"), ("profile", "InvalidAccessKeyId.Inactive")]
    {
        let refused = [("account", account), ("code", code)];
        assert_eq!(page.value(failures, &refused), Some(1.0), "{account}");
    }

    // A role's keys are ended before their time.
    assert!(world.control.end_sessions() > 0);
    let page = poll_on(&daemon, 3).await;
    assert_no_poll_was_lost(&page, 3);
}
