//! Temporary keys over time: renewed before they expire, kept while that fails, asked for once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aliyun_rds_import_exporter::auth::{Credentials, Provider};
use aliyun_rds_import_exporter::config::CredentialsSource;
use aliyun_rds_import_exporter::secret::Secret;
use chrono::{DateTime, TimeDelta, Utc};

use super::World;
use super::service::{Answer, Service, keys};

/// Longest real time in which something that must happen has to.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service whose keys live for an hour and are numbered.
struct Issuer {
    world: World,
    service: Service,
    refuses: Arc<AtomicBool>,
}

impl Issuer {
    async fn start(lifetime: TimeDelta) -> Self {
        let mut world = World::new(CredentialsSource::Default);
        let (clock, refuses) = (world.hands.clock(), Arc::new(AtomicBool::new(false)));
        let (issued, refusing) = (AtomicUsize::new(0), Arc::clone(&refuses));
        let service = Service::start(move |_| {
            if refusing.load(Ordering::SeqCst) {
                return Answer::status(503);
            }
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let expiration = (clock.now() + lifetime).to_rfc3339();
            Answer::ok(keys(&format!("STS.{number}"), "s", "t", &expiration))
        })
        .await;
        world.account.credentials =
            CredentialsSource::Uri { uri: Some(Secret::new(service.url())) };
        Self { world, service, refuses }
    }

    fn refuse(&self, refuse: bool) {
        self.refuses.store(refuse, Ordering::SeqCst);
    }

    fn pass(&self, minutes: u64) {
        self.world.hands.advance(Duration::from_secs(60 * minutes));
    }

    /// Waits until the service was asked this often.
    async fn asked(&self, times: usize) {
        let asked = async {
            while self.service.requests().len() < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("never asked");
    }
}

async fn id(provider: &Provider) -> String {
    provider.credentials().await.unwrap().access_key_id.clone()
}

/// Waits until the provider gives these keys.
async fn until(provider: &Provider, wanted: &str) {
    let given = async {
        while id(provider).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given).await.unwrap_or_else(|_| panic!("{wanted} never came"));
}

fn an_hour() -> TimeDelta {
    TimeDelta::hours(1)
}

#[tokio::test]
async fn keys_are_kept_until_a_quarter_of_an_hour_before_they_expire() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    for minutes in [0, 20, 24] {
        issuer.pass(minutes);
        assert_eq!(id(&provider).await, "STS.1");
    }
    assert_eq!(issuer.service.requests().len(), 1);

    issuer.pass(1);
    until(&provider, "STS.2").await;
    assert_eq!(issuer.service.requests().len(), 2);
}

#[tokio::test]
async fn keys_that_nobody_asks_for_are_renewed_all_the_same() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    provider.credentials().await.unwrap();
    for renewals in 2..5 {
        issuer.pass(45);
        issuer.asked(renewals).await;
        until(&provider, &format!("STS.{renewals}")).await;
    }
}

#[tokio::test]
async fn the_expiry_is_a_metric() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    let expiry = || {
        let name = "credentials_expiration_timestamp_seconds";
        let seconds = issuer.world.sample(name, &[("account", "default")])?;
        DateTime::from_timestamp(seconds as i64, 0)
    };
    assert_eq!(expiry(), None);
    provider.credentials().await.unwrap();
    let one_o_clock: DateTime<Utc> = super::ONE_O_CLOCK.parse().unwrap();
    assert_eq!(expiry(), Some(one_o_clock));

    issuer.pass(45);
    until(&provider, "STS.2").await;
    assert_eq!(expiry(), Some(one_o_clock + TimeDelta::minutes(45)));
}

#[tokio::test]
async fn old_keys_serve_until_they_expire_while_renewing_fails() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    provider.credentials().await.unwrap();
    issuer.refuse(true);
    issuer.pass(45);
    issuer.asked(2).await;
    issuer.pass(14);
    assert_eq!(id(&provider).await, "STS.1");

    issuer.pass(1);
    let error = provider.credentials().await.unwrap_err().to_string();
    assert!(error.ends_with("answered HTTP status 503"), "{error}");

    issuer.refuse(false);
    assert_eq!(id(&provider).await, "STS.2", "at the next call, without a pause");
}

#[tokio::test]
async fn renewing_pauses_after_a_failure_and_goes_on() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    provider.credentials().await.unwrap();
    issuer.refuse(true);
    issuer.pass(45);
    issuer.asked(2).await;
    // Whatever is going on now ends before time does: nothing more is asked by itself.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(id(&provider).await, "STS.1");
    }
    assert_eq!(issuer.service.requests().len(), 2);

    issuer.refuse(false);
    let renewed = async {
        while id(&provider).await != "STS.2" {
            issuer.world.hands.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
    assert_eq!(issuer.service.requests().len(), 3);
}

#[tokio::test]
async fn short_lived_keys_are_renewed_at_half_their_life() {
    let issuer = Issuer::start(TimeDelta::minutes(10)).await;
    let provider = issuer.world.provider();
    provider.credentials().await.unwrap();
    issuer.pass(4);
    assert_eq!(id(&provider).await, "STS.1");
    issuer.pass(1);
    until(&provider, "STS.2").await;
}

#[tokio::test]
async fn refused_keys_are_asked_for_anew_once_whoever_reports_them() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    let refused: Arc<Credentials> = provider.credentials().await.unwrap();

    for _ in 0..3 {
        provider.invalidate(&refused);
        assert_eq!(id(&provider).await, "STS.2");
    }
    assert_eq!(issuer.service.requests().len(), 2);
}

#[tokio::test]
async fn many_who_need_keys_at_once_ask_for_them_once() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = Arc::new(issuer.world.provider());
    for refuse in [true, false] {
        issuer.refuse(refuse);
        let before = issuer.service.requests().len();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let provider = Arc::clone(&provider);
            waiting.spawn(async move { provider.credentials().await.is_err() });
        }
        assert!(waiting.join_all().await.into_iter().all(|failed| failed == refuse));
        assert_eq!(issuer.service.requests().len() - before, 1);
    }
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_neither_ends_nor_lengthens_the_life_of_keys() {
    let issuer = Issuer::start(an_hour()).await;
    let provider = issuer.world.provider();
    provider.credentials().await.unwrap();
    issuer.world.hands.jump(TimeDelta::hours(5));
    assert_eq!(id(&provider).await, "STS.1");
    issuer.world.hands.jump(TimeDelta::hours(-10));
    issuer.pass(45);
    until(&provider, "STS.2").await;
}
