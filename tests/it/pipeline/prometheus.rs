//! The demo, scraped by a real Prometheus.

use std::path::Path;
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

/// A Prometheus that scrapes.
pub(crate) struct Prometheus {
    process: Child,
    address: String,
}

impl Prometheus {
    /// Starts it with this configuration; its files are put into `directory`.
    pub(crate) fn start(directory: &Path, config: &str) -> Self {
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let address = free_address();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus does not start: install the Debian package prometheus");
        Self { process, address }
    }

    /// Where it answers a query, which is encoded already.
    pub(crate) fn query(&self, query: &str) -> String {
        format!("http://{}/api/v1/query?query={query}", self.address)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago: Prometheus cannot tell which one it chose for port 0.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_the_demo_and_sees_every_status() {
    let mut demo = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0"], &[]);
    let metrics = tokio::task::block_in_place(|| demo.told("metrics:"));
    let target = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();

    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "scrape_configs:\n- job_name: demo\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: ['{target}']\n"
    );
    let prometheus = Prometheus::start(directory.path(), &config);
    let query = |query: &str| prometheus.query(query);

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
