//! The demo, scraped by a real Prometheus.

use std::process::{Child, Command, Stdio};

use super::binary::{Binary, until};
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

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago: Prometheus cannot tell which one it chose for port 0.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_the_demo_and_sees_every_status() {
    let mut demo = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0"], &[]);
    let metrics = tokio::task::block_in_place(|| demo.told("metrics:"));
    let target = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();

    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    let text = format!(
        "scrape_configs:\n- job_name: demo\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: ['{target}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let address = free_address();
    let _prometheus = Prometheus(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus does not start: install the Debian package prometheus"),
    );
    let query = |query: &str| format!("http://{address}/api/v1/query?query={query}");

    until(&query("up"), |answer| answer.contains(r#","1"]"#)).await;
    let seen = query("group%20by(status)(max_over_time(aliyun_rds_import_task_status[10m]))");
    until(&seen, |answer| STATUSES.iter().all(|status| answer.contains(&format!("\"{status}\""))))
        .await;
    until(&query("scrape_samples_scraped"), |answer| !answer.contains(r#","0"]"#)).await;

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
