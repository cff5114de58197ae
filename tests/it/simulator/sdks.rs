//! The official Python SDKs, unchanged, against the simulator. They sign with the machine's time, so
//! the simulator takes that too.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::Status;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{INSTANCE, KEY, SECRET, instance, scenario, serve};

const TASKS: u32 = 75;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_lists_finds_and_is_refused() {
    let got = run("new_sdk.py", &[]).await;
    check(&got);
    assert_eq!(got["wrong_secret"], json!([400, "SignatureDoesNotMatch"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_sdk_lists_finds_and_is_refused_in_json() {
    let got = run("old_sdk.py", &["JSON"]).await;
    check(&got);
    // Its own name for a signature that fits the server's string to sign but not its secret.
    assert_eq!(got["wrong_secret"], json!([400, "InvalidAccessKeySecret"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_sdk_lists_finds_and_is_refused_in_xml() {
    let got = run("old_sdk.py", &["XML"]).await;
    check(&got);
    assert_eq!(got["wrong_secret"], json!([400, "SignatureDoesNotMatch"]));
}

/// Runs a client against an instance of 75 tasks, in pages of 30, the newest first.
async fn run(script: &str, more: &[&str]) -> Value {
    let clock = Clock::system();
    let (address, _control, _stop) =
        serve(scenario(vec![instance(TASKS)], Vec::new()), clock.clone()).await;
    let minute = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%MZ").to_string();
    let now = clock.now();
    let output = Command::new(python())
        .arg(root().join("tests/clients").join(script))
        .args([&address.to_string(), KEY, SECRET, INSTANCE, "30"])
        .args([minute(now - TimeDelta::days(1)), minute(now + TimeDelta::minutes(5))])
        .args(more)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script} failed; are tests/requirements.txt installed?\n{errors}"
    );
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{script} printed no JSON:\n{errors}"))
}

fn check(got: &Value) {
    let pages: Vec<Vec<u64>> = got["pages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|page| page.as_array().unwrap().iter().map(|t| t[0].as_u64().unwrap()).collect())
        .collect();
    let ids = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(pages, [ids(75, 46), ids(45, 16), ids(15, 1)]);
    assert_eq!(got["total"], TASKS);

    let first = &got["pages"][0][0];
    let status = Status::IncrementalImporting;
    assert_eq!(first[1], "Incremental");
    assert_eq!(first[2], status.as_str());
    assert_eq!(first[3], status.description());
    assert!(first[4].as_str().unwrap().ends_with('Z'), "{first}");
    assert_eq!(got["one"].as_array().unwrap().len(), 1);
    assert_eq!(got["one"][0][0], 75);
    assert_eq!(got["unknown_instance"], json!([404, "InvalidDBInstanceId.NotFound"]));
    assert_eq!(got["bad_page_size"], json!([400, "InvalidPageSize.Malformed"]));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> PathBuf {
    let python = std::env::var_os("TEST_PYTHON")
        .map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    assert!(
        python.exists() || python.components().count() == 1,
        "{} is missing: make it with `python3 -m venv .venv && .venv/bin/pip install -r \
         tests/requirements.txt`, or name an interpreter that has these packages in TEST_PYTHON",
        python.display()
    );
    python
}
