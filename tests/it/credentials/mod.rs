//! Every way people hold keys, against small services on loopback that answer what a test wants.
//!
//! How STS and the metadata service behave as a whole is the simulator's part; here their answers
//! are taken apart, good and malformed ones.

mod bad_input;
mod canary;
mod chain;
mod endpoints;
mod failing;
mod metadata;
mod profiles;
mod renewal;
mod roles;
mod service;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aliyun_rds_import_exporter::auth::{Credentials, CredentialsError, Provider};
use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{
    AccessKey, Account, CredentialsSource, Polling, Role, SecretSource,
};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::transport::Transport;

use service::Service;

const NOON: &str = "2026-11-24T12:00:00Z";
const ONE_O_CLOCK: &str = "2026-11-24T13:00:00Z";
const ROLE: &str = "acs:ram::1234567890:role/monitoring";

/// All that a provider may see of the world: a home directory, an environment, an account.
struct World {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
    account: Account,
    hands: ManualClock,
    instruments: Instruments,
}

impl World {
    /// An empty home directory, and a metadata service that is not there.
    fn new(credentials: CredentialsSource) -> Self {
        let home = tempfile::tempdir().unwrap();
        let variables = vec![("HOME".to_owned(), home.path().display().to_string())];
        let mut account = Account { credentials, ..Account::default() };
        account.endpoints.metadata = Some("http://127.0.0.1:1".to_owned());
        account.endpoints.sts = Some("http://127.0.0.1:1".to_owned());
        Self {
            home,
            variables,
            account,
            hands: ManualClock::new(NOON.parse().unwrap()),
            instruments: Instruments::new().unwrap(),
        }
    }

    fn with_variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    fn with_sts(mut self, service: &Service) -> Self {
        self.account.endpoints.sts = Some(service.url());
        self
    }

    fn with_metadata(mut self, service: &Service) -> Self {
        self.account.endpoints.metadata = Some(service.url());
        self
    }

    /// Writes a file into the home directory.
    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn provider(&self) -> Provider {
        let name = Arc::from("default");
        let environment = self.variables.iter().cloned().collect();
        let transport =
            Transport::new(&name, &self.account, &Polling::default(), &environment).unwrap();
        let clock = self.hands.clock();
        let instruments = self.instruments.clone();
        Provider::new(&name, &self.account, transport, &environment, clock, instruments)
    }

    async fn credentials(&self) -> Result<Arc<Credentials>, CredentialsError> {
        self.provider().credentials().await
    }

    async fn error(&self) -> String {
        self.credentials().await.unwrap_err().to_string()
    }

    /// The value of the sample that has these labels.
    fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let name = format!("aliyun_rds_import_exporter_{name}");
        let families = self.instruments.gather(chrono::DateTime::UNIX_EPOCH);
        let family = families.iter().find(|family| family.name() == name)?;
        let metric = family.get_metric().iter().find(|metric| {
            let has = |wanted: &(&str, &str)| {
                metric.get_label().iter().any(|l| (l.name(), l.value()) == *wanted)
            };
            labels.iter().all(has)
        })?;
        Some(metric.get_counter().get_value() + metric.get_gauge().get_value())
    }
}

/// Key ID, secret and token in one text.
fn told(credentials: &Credentials) -> String {
    let token = credentials.security_token.as_ref().map_or("-", |token| token.expose());
    format!("{} {} {token}", credentials.access_key_id, credentials.access_key_secret.expose())
}

fn key(id: &str, secret: &str) -> AccessKey {
    AccessKey { id: id.into(), secret: SecretSource::Inline(Secret::new(secret)) }
}

fn role() -> Role {
    Role { arn: Some(ROLE.to_owned()), ..Role::default() }
}

fn role_of(source: CredentialsSource) -> CredentialsSource {
    CredentialsSource::RamRoleArn { role: role(), external_id: None, source: Box::new(source) }
}

fn oidc(token_file: &Path) -> CredentialsSource {
    CredentialsSource::OidcRoleArn {
        role: role(),
        oidc_provider_arn: Some("acs:ram::1234567890:oidc-provider/ack".into()),
        oidc_token_file: Some(token_file.to_owned()),
    }
}
