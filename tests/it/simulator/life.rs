//! The built-in world, watched over the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::simulator::{AccessKey, Engine, Scenario, Simulator, Status};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::raw::{Answer, Request};
use super::{loopback, start};

struct Demo {
    hands: ManualClock,
    address: SocketAddr,
    keys: BTreeMap<String, AccessKey>,
    _stop: DropGuard,
}

impl Demo {
    async fn start() -> Self {
        let hands = ManualClock::new(start());
        let simulator = Simulator::bind(Scenario::demo(), hands.clock(), loopback()).await.unwrap();
        let keys = simulator.accounts().iter().map(|key| (key.account.clone(), key.clone()));
        let (address, keys) = (simulator.local_addr(), keys.collect());
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve(stop.clone()));
        Self { hands, address, keys, _stop: stop.drop_guard() }
    }

    async fn page(&self, account: &str, instance: &str, engine: Engine, page: u32) -> Answer {
        let key = &self.keys[account];
        let request = Request::list(self.hands.clock().now())
            .with("AccessKeyId", &key.id)
            .with("DBInstanceId", instance)
            .with("Engine", engine.as_str())
            .with("PageSize", "100")
            .with("PageNumber", &page.to_string());
        request.signed(&key.secret).send(self.address).await.unwrap()
    }

    /// Every task of a MySQL instance of the first account.
    async fn tasks(&self, instance: &str) -> Vec<Value> {
        let mut tasks = Vec::new();
        for page in 1.. {
            let answer = self.page("production", instance, Engine::MySQL, page).await;
            let json = answer.json();
            tasks.extend(json["Items"]["ImportResultFromDB"].as_array().unwrap().clone());
            if tasks.len() as u64 >= answer.total() {
                break;
            }
        }
        tasks
    }

    async fn statuses(&self) -> BTreeSet<String> {
        let tasks = self.tasks("rm-demo1orders").await;
        let status = |task: &Value| task["ImportDataStatus"].as_str().unwrap().to_owned();
        tasks.iter().map(status).collect()
    }
}

/// A time as the API may write it, with seconds or without.
fn time(text: &str) -> DateTime<Utc> {
    let parse = |format| NaiveDateTime::parse_from_str(text, format);
    let time = parse("%Y-%m-%dT%H:%M:%SZ").or_else(|_| parse("%Y-%m-%dT%H:%MZ"));
    time.unwrap().and_utc()
}

fn every_status() -> BTreeSet<String> {
    Status::ALL.iter().map(|status| status.as_str().to_owned()).collect()
}

#[tokio::test]
async fn the_demo_shows_every_status_failures_and_throttling_within_two_minutes() {
    let demo = Demo::start().await;
    let mut statuses = BTreeSet::new();
    let (mut ledger, mut staging) = (Vec::new(), BTreeSet::new());
    let mut failed = BTreeSet::new();
    let mut others = ["rm-demo5retired", "rm-demo6trial", "rm-demo7rehearsal"];
    for _ in 0..24 {
        for task in demo.tasks("rm-demo1orders").await {
            let status = task["ImportDataStatus"].as_str().unwrap();
            if status == "Failed" {
                failed.insert(task["ImportId"].as_u64().unwrap());
            }
            statuses.insert(status.to_owned());
        }
        let answer = demo.page("production", "rm-demo3ledger", Engine::MySQL, 1).await;
        ledger.push(answer.outcome().1);
        others.rotate_left(1);
        for instance in others {
            let answer = demo.page("staging", instance, Engine::MySQL, 1).await;
            staging.insert((instance, answer.outcome().1));
        }
        demo.hands.advance(Duration::from_secs(5));
    }
    assert_eq!(statuses, every_status());

    ledger.dedup();
    assert_eq!(ledger, ["", "ServiceUnavailable", ""], "it fails for a while and recovers");
    assert!(staging.contains(&("rm-demo5retired", "InvalidDBInstanceId.NotFound".to_owned())));
    assert!(staging.contains(&("rm-demo6trial", String::new())));
    assert!(staging.iter().any(|(_, code)| code == "Throttling.User"));
    assert!(failed.iter().any(|id| *id > 1_230), "a task fails that the start did not have");
}

#[tokio::test]
async fn the_demo_has_several_pages_and_both_engines() {
    let demo = Demo::start().await;
    let mut ids = BTreeSet::new();
    for page in 1..=3 {
        let answer = demo.page("production", "rm-demo1orders", Engine::MySQL, page).await;
        assert_eq!(answer.total(), 230);
        ids.extend(answer.ids());
    }
    assert_eq!(ids.len(), 230);
    let reports = demo.page("production", "rm-demo4reports", Engine::SQLServer, 1).await;
    assert_eq!((reports.status, reports.total()), (200, 40));
}

#[tokio::test]
async fn lag_in_the_demo_grows_and_shrinks() {
    let demo = Demo::start().await;
    let mut lags: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for _ in 0..25 {
        let now = demo.hands.clock().now();
        for task in demo.tasks("rm-demo2payments").await {
            let lag = now - time(task["IncrementalImportingTime"].as_str().unwrap());
            let id = task["ImportId"].as_u64().unwrap();
            lags.entry(id).or_default().push(lag.num_seconds());
        }
        demo.hands.advance(Duration::from_secs(5));
    }
    assert_eq!(lags.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    let spread = |id: u64| {
        let lags = &lags[&id];
        (*lags.iter().min().unwrap(), *lags.iter().max().unwrap())
    };
    assert_eq!(spread(1), (2, 2));
    assert_eq!(spread(2), (5, 65));
    let steps: Vec<_> = lags[&2].windows(2).map(|two| (two[1] - two[0]).signum()).collect();
    assert!(steps.contains(&1) && steps.contains(&-1));
    assert!(spread(4).1 > 300, "one is far behind: {:?}", lags[&4]);
}

#[tokio::test]
async fn a_demo_left_alone_stays_alive_and_bounded() {
    let demo = Demo::start().await;
    for _ in 0..3 {
        demo.hands.advance(Duration::from_secs(30 * 3_600));
        let tasks = demo.tasks("rm-demo1orders").await;
        assert!((230..230 + 15).contains(&tasks.len()), "{} tasks", tasks.len());
        let mut seen = BTreeSet::new();
        for _ in 0..6 {
            seen.extend(demo.statuses().await);
            demo.hands.advance(Duration::from_secs(10));
        }
        assert_eq!(seen, every_status());
    }
}
