//! The demo, scraped by a real Prometheus.

use std::process::Command;

use serde_json::Value;

use super::binary::{Binary, until};
use crate::deploy::stack::Prometheus;
use crate::exposition::{assert_promtool_is_silent, parse};

const STATUSES: [&str; 10] = [
    "Canceled",
    "Canceling",
    "Failed",
    "FullExporting",
    "FullImporting",
    "IncrementalImporting",
    "IncrementalWaiting",
    "NotStart",
    "StopSyncing",
    "Success",
];

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_the_demo_and_sees_every_status() {
    let mut demo = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0"], &[]);
    let metrics = tokio::task::block_in_place(|| demo.told("metrics:"));
    let target = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();

    let directory = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(directory.path(), target, "127.0.0.1:9").await;
    let seen = "group by (status) (max_over_time(aliyun_rds_import_task_status[10m]))";
    let every = |found: &[Value]| {
        STATUSES.iter().all(|status| found.iter().any(|one| one["metric"]["status"] == *status))
    };
    prometheus.until(seen, every).await;
    prometheus.until("scrape_samples_scraped > 0", |found| !found.is_empty()).await;

    let page = until(&metrics, |page| page.contains("Throttling.User")).await;
    parse(&page).unwrap();
    assert_promtool_is_silent(&page);
    let compressed = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--compressed", &metrics])
        .output()
        .expect("curl does not start: install the Debian package curl");
    assert!(compressed.status.success(), "{compressed:?}");
    parse(std::str::from_utf8(&compressed.stdout).unwrap()).unwrap();

    let (code, ..) = tokio::task::block_in_place(|| demo.stop());
    assert_eq!(code, Some(0));
}
