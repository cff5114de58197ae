//! The daemon over keys that fail, expire and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{
    Account, Config, CredentialsSource, Endpoints, Environment, Instance, Signature,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::secret::Secret;
use tokio_util::sync::CancellationToken;

use super::service::{Answer, Request, Service, keys};
use super::{NOON, key};
use crate::exposition::{Page, parse};
use crate::pipeline::get;

const PATIENCE: Duration = Duration::from_secs(300);
const EMPTY_PAGE: &str = r#"{"RequestId": "R", "PageNumber": 1, "PageRecordCount": 0, "TotalRecordCount": 0, "Items": {"ImportResultFromDB": []}}"#;

/// A daemon with an instance for each account; the instance has the account's name.
struct Daemon {
    url: String,
    hands: ManualClock,
    stop: CancellationToken,
}

impl Daemon {
    async fn start(rds: &Service, accounts: Vec<(&'static str, CredentialsSource)>) -> Self {
        Self::with(rds, accounts, Signature::HmacSha1).await
    }

    async fn with(
        rds: &Service,
        accounts: Vec<(&'static str, CredentialsSource)>,
        signature: Signature,
    ) -> Self {
        let hands = ManualClock::new(NOON.parse().unwrap());
        let instances = accounts.iter().map(|(name, _)| Instance {
            id: (*name).into(),
            region: "cn-hangzhou".into(),
            engine: Engine::MySQL,
            account: (*name).into(),
            name: "".into(),
            interval: Duration::from_secs(5),
            idle_interval: Duration::from_secs(5),
            lookback: Duration::from_secs(86_400),
        });
        let instances = instances.collect();
        let endpoints = Endpoints { rds: Some(rds.url()), ..Endpoints::default() };
        let accounts: BTreeMap<Arc<str>, _> = accounts
            .into_iter()
            .map(|(name, credentials)| {
                let endpoints = endpoints.clone();
                let account = Account { credentials, endpoints, signature, ..Account::default() };
                (name.into(), account)
            })
            .collect();
        let config = Config { accounts, instances, ..Config::default() };
        let serving = Serving::openly(vec!["127.0.0.1:0".parse().unwrap()]);
        let environment = Environment::default();
        let app = App::bind(&config, serving, &environment, hands.clock()).await.unwrap();
        let url = format!("http://{}/metrics", app.local_addrs()[0]);
        let stop = CancellationToken::new();
        tokio::spawn(app.run(stop.clone()));
        Self { url, hands, stop }
    }

    /// Lets time pass until the page is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Page) -> bool) -> Page {
        let waiting = async {
            loop {
                let text = get(&self.url).await.unwrap();
                let page = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
                if wanted(&page) {
                    return page;
                }
                self.hands.advance(Duration::from_millis(250));
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn up(page: &Page, instance: &str) -> Option<f64> {
    page.value("aliyun_rds_import_instance_up", &[("db_instance_id", instance)])
}

fn walks(page: &Page, instance: &str) -> f64 {
    let labels = [("account", instance)];
    page.value("aliyun_rds_import_exporter_walks_total", &labels).unwrap()
}

fn failures(page: &Page, labels: &[(&str, &str)]) -> Option<f64> {
    page.value("aliyun_rds_import_exporter_walk_failures_total", labels)
}

/// The key ID that a request names, by either signature.
fn key_id(request: &Request) -> String {
    let authorization = request.headers.get("authorization");
    let by_v3 = authorization.map(|text| {
        let (_, rest) = text.split_once("Credential=").unwrap();
        rest.split(',').next().unwrap().to_owned()
    });
    by_v3.unwrap_or_else(|| request.query()["AccessKeyId"].clone())
}

#[tokio::test]
async fn an_account_without_keys_fails_while_the_others_go_on() {
    let rds = Service::start(|_| Answer::ok(EMPTY_PAGE)).await;
    let good = CredentialsSource::AccessKey(key("LTAI", "secret"));
    let broken =
        CredentialsSource::Profile { name: None, file: Some("/nonexistent/config.json".into()) };
    let daemon = Daemon::start(&rds, vec![("good", good), ("broken", broken)]).await;

    let page = daemon
        .until("both attempted", |page| {
            up(page, "good") == Some(1.0) && up(page, "broken") == Some(0.0)
        })
        .await;

    let no_credentials = [("account", "broken"), ("code", "no_credentials")];
    assert!(failures(&page, &no_credentials) >= Some(1.0));
    let before = walks(&page, "good");
    daemon.until("the other account going on", |page| walks(page, "good") > before + 2.0).await;
    assert!(rds.requests().iter().all(|request| key_id(request) == "LTAI"));
}

#[tokio::test]
async fn an_expired_token_is_replaced_within_the_poll() {
    for signature in [Signature::HmacSha1, Signature::Acs3HmacSha256] {
        let issued = AtomicUsize::new(0);
        let issuer = Service::start(move |_| {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            Answer::ok(keys(&format!("STS.{number}"), "s", "t", "2026-11-25T12:00:00Z"))
        })
        .await;
        let rds = Service::start(|request| match key_id(request).as_str() {
            "STS.1" => Answer::error(400, "InvalidSecurityToken.Expired", "expired"),
            _ => Answer::ok(EMPTY_PAGE),
        })
        .await;
        let uri = CredentialsSource::Uri { uri: Some(Secret::new(issuer.url())) };
        let daemon = Daemon::with(&rds, vec![("rotated", uri)], signature).await;

        let page = daemon.until("the first walk", |page| up(page, "rotated") == Some(1.0)).await;

        assert_eq!(failures(&page, &[("account", "rotated")]), None);
        let ids: Vec<_> = rds.requests().iter().map(key_id).collect();
        assert_eq!(ids[..2], ["STS.1", "STS.2"]);
        assert_eq!(issuer.requests().len(), 2);
    }
}

#[tokio::test]
async fn keys_that_come_back_end_the_failure_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let rds = Service::start(|_| Answer::ok(EMPTY_PAGE)).await;
    let profile = CredentialsSource::Profile { name: None, file: Some(file.clone()) };
    let daemon = Daemon::start(&rds, vec![("late", profile)]).await;
    daemon.until("the failure", |page| up(page, "late") == Some(0.0)).await;

    let text = r#"{"current": "a", "profiles": [{"name": "a", "mode": "AK", "access_key_id": "LTAI", "access_key_secret": "s"}]}"#;
    std::fs::write(&file, text).unwrap();
    daemon.until("the recovery", |page| up(page, "late") == Some(1.0)).await;
}

#[tokio::test]
async fn v3_sends_the_parameters_in_the_query_and_the_rest_in_headers() {
    let rds = Service::start(|_| Answer::ok(EMPTY_PAGE)).await;
    let source = CredentialsSource::AccessKey(key("LTAI", "secret"));
    let daemon = Daemon::with(&rds, vec![("v3", source)], Signature::Acs3HmacSha256).await;
    daemon.until("the first walk", |page| up(page, "v3") == Some(1.0)).await;

    let request = &rds.requests()[0];
    let query = request.query();
    let names: Vec<_> = query.keys().map(String::as_str).collect();
    assert_eq!(names, ["DBInstanceId", "EndTime", "Engine", "PageNumber", "PageSize", "StartTime"]);
    assert_eq!(request.headers["x-acs-action"], "DescibeImportsFromDatabase");
    assert_eq!(request.headers["x-acs-version"], "2014-08-15");
    assert_eq!(request.headers["accept"], "application/json");
    assert_eq!(
        request.headers["authorization"].split(',').nth(1).unwrap(),
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;\
         x-acs-version"
    );
}
