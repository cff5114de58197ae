//! Shards: each shows its own instances, and together they show them all once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{Config, Shard};

use super::cloud::{Cloud, Instance, LIST_IMPORTS, LIST_INSTANCES};
use super::{Daemon, tasks};

const SHARDS: u32 = 3;

async fn shards(config: &Config) -> Vec<Daemon> {
    let mut shards = Vec::new();
    for index in 0..SHARDS {
        let shard = Shard::new(Some(index), SHARDS, "").unwrap();
        let config = Config { shard, ..config.clone() };
        let hands = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
        shards.push(Daemon::start(&config, hands).await);
    }
    shards
}

#[tokio::test]
async fn every_instance_is_polled_and_shown_by_one_shard() {
    let ids: Vec<_> = (0..12).map(|number| format!("rm-{number:02}")).collect();
    let cloud = Cloud::start(ids.iter().map(Instance::new).collect()).await;
    let config = cloud.config(&["cn-hangzhou"]);
    let mut shown = BTreeMap::new();

    for (index, daemon) in shards(&config).await.iter().enumerate() {
        let idle = [("state", "idle")];
        let own = ids.iter().filter(|id| {
            let shard = Shard::new(Some(index as u32), SHARDS, "").unwrap();
            shard.owns("default", "cn-hangzhou", id)
        });
        let own = own.count() as f64;
        let page = daemon
            .until("all of the shard's own", |page| {
                page.value("aliyun_rds_import_exporter_instances", &idle) == Some(own)
            })
            .await;
        for id in ids.iter().filter(|id| !tasks(&page, id).is_empty()) {
            *shown.entry(id.clone()).or_insert(0) += 1;
        }
        let found = page.value("aliyun_rds_import_exporter_discovered_instances", &[]);
        assert_eq!(found, Some(12.0), "each finds them all");
        let budget = "aliyun_rds_import_exporter_api_budget_requests_per_second";
        assert_eq!(page.value(budget, &[]), Some(100.0 / f64::from(SHARDS)));
    }

    let once: BTreeMap<_, _> = ids.into_iter().map(|id| (id, 1)).collect();
    assert_eq!(shown, once);
    let polled: std::collections::BTreeSet<_> =
        cloud.requests(LIST_IMPORTS).iter().map(|r| r["DBInstanceId"].clone()).collect();
    assert_eq!(polled.len(), 12);
    assert!(cloud.requests(LIST_INSTANCES).len() >= SHARDS as usize);
}

#[tokio::test]
async fn a_reload_leaves_an_instance_with_its_shard() {
    let ids: Vec<_> = (0..12).map(|number| format!("rm-{number:02}")).collect();
    let cloud = Cloud::start(ids.iter().map(Instance::new).collect()).await;
    let mut config = cloud.config(&["cn-hangzhou"]);
    config.shard = Shard::new(Some(1), SHARDS, "").unwrap();
    let hands = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let daemon = Daemon::start(&config, hands).await;
    let found = |page: &crate::exposition::Page| {
        !page.samples("aliyun_rds_import_instance_info").is_empty()
    };
    let before = daemon.until("its instances", found).await;

    config.polling.interval = Duration::from_secs(30);
    config.discovery[0].exclude = [Arc::from("rm-none")].into();
    daemon.reload_good(config).await;

    let count =
        |page: &crate::exposition::Page| page.samples("aliyun_rds_import_instance_info").len();
    assert_eq!(count(&daemon.page().await), count(&before));
}
