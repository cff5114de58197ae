//! The official Python SDKs, unchanged, against the simulator. They sign with the machine's time, so
//! the simulator takes that too.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    CredentialsUri, Instance, Metadata, OidcToken, OidcTrust, Region, Role, Scenario, Status,
    TokenMode,
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{INSTANCE, KEY, SECRET, instance, scenario, serve};

const TASKS: u32 = 75;
const ROLE: &str = "acs:ram::1234567890123456:role/exporter";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/cluster";
const TOKEN: &str = "header.payload.signature";

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_lists_discovers_assumes_a_role_and_is_refused_by_either_signature() {
    for (word, signature) in [("v3", "ACS3-HMAC-SHA256"), ("v2", "HMAC-SHA1")] {
        let got = run("new_sdk.py", &[PROVIDER, TOKEN, word], signature).await;
        check(&got);
        let (with_role, reached) = without_positions(&got["with_role"]);
        let (with_token, reached_later) = without_positions(&got["with_token"]);
        assert_eq!(with_token, with_role);
        // A second may have passed in between.
        assert!(reached.iter().zip(&reached_later).all(|(first, second)| first <= second));
        assert_eq!(got["wrong_secret"], json!([400, "SignatureDoesNotMatch"]), "{signature}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_sdk_lists_discovers_assumes_a_role_and_is_refused_in_json() {
    let got = run("old_sdk.py", &["JSON"], "HMAC-SHA1").await;
    check(&got);
    // Its own name for a signature that fits the server's string to sign but not its secret.
    assert_eq!(got["wrong_secret"], json!([400, "InvalidAccessKeySecret"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_sdk_lists_discovers_assumes_a_role_and_is_refused_in_xml() {
    let got = run("old_sdk.py", &["XML"], "HMAC-SHA1").await;
    check(&got);
    assert_eq!(got["wrong_secret"], json!([400, "SignatureDoesNotMatch"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_credentials_package_gets_keys_from_every_provider() {
    let got = run("credentials.py", &[PROVIDER, TOKEN], "ACS3-HMAC-SHA256").await;
    let outcomes = got.as_object().unwrap();
    assert_eq!(outcomes.len(), 5);
    let newest: Vec<_> = (TASKS - 29..=TASKS).rev().collect();
    for (provider, outcome) in outcomes {
        assert_eq!(*outcome, json!({ "temporary": true, "tasks": newest }), "{provider}");
    }
}

/// An instance of 75 tasks among 65 instances, and everything that hands out keys.
fn world() -> Scenario {
    let named = Instance {
        name: "Bestellungen 订单".to_owned(),
        tags: [("环境".to_owned(), "生产 *".to_owned())].into(),
        ..instance(TASKS)
    };
    let fleet = Instance { copies: Some(64), ..Instance::new("rm-fleet", Vec::new()) };
    let token = OidcToken { token: TOKEN.to_owned(), until: None };
    let oidc = OidcTrust { provider_arn: PROVIDER.to_owned(), tokens: vec![token] };
    let zones = ["cn-hangzhou-h", "cn-hangzhou-i"].map(str::to_owned).to_vec();
    Scenario {
        regions: vec![Region { id: "cn-hangzhou".to_owned(), zones, ..Region::default() }],
        roles: vec![Role { oidc: Some(oidc), ..Role::new(ROLE) }],
        metadata: Metadata { token: TokenMode::Required, ..Metadata::of("exporter") },
        credentials_uris: vec![CredentialsUri::new("/credentials", "exporter")],
        ..scenario(vec![named, fleet], Vec::new())
    }
}

/// Runs a client that is told where the simulator is, whom to sign as, and which instance to ask for.
/// Every signed request must be signed by one method.
async fn run(script: &str, more: &[&str], signature: &str) -> Value {
    let clock = Clock::system();
    let (address, control, _stop) = serve(world(), clock.clone()).await;
    let minute = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%MZ").to_string();
    let now = clock.now();
    let output = Command::new(python())
        .arg(root().join("tests/clients").join(script))
        .args([&address.to_string(), KEY, SECRET, INSTANCE])
        .args([minute(now - TimeDelta::days(1)), minute(now + TimeDelta::minutes(5))])
        .arg(ROLE)
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
    let imports = control.requests();
    let mut imports = imports.iter().filter(|request| request.parameter("DBInstanceId").is_some());
    assert!(imports.all(|request| request.signature == Some(signature)));
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
    assert_eq!(got["with_role"].as_array().unwrap()[0][0], 75);

    let found = got["instances"].as_array().unwrap();
    let lengths: Vec<_> = found.iter().map(|page| page.as_array().unwrap().len()).collect();
    assert_eq!(lengths, [30, 30, 5]);
    assert_eq!(got["tagged"], json!([[INSTANCE, "Bestellungen 订单"]]));
    let regions = json!([["cn-hangzhou", "cn-hangzhou-h"], ["cn-hangzhou", "cn-hangzhou-i"]]);
    assert_eq!(got["regions"], regions);

    assert_eq!(got["one"].as_array().unwrap().len(), 1);
    assert_eq!(got["one"][0][0], 75);
    assert_eq!(got["unknown_instance"], json!([404, "InvalidDBInstanceId.NotFound"]));
    assert_eq!(got["bad_page_size"], json!([400, "InvalidPageSize.Malformed"]));
}

/// Tasks, and how far each had come, which moves on with the machine's time.
fn without_positions(tasks: &Value) -> (Vec<&[Value]>, Vec<&str>) {
    let tasks = tasks.as_array().unwrap().iter().map(|task| task.as_array().unwrap());
    tasks.map(|task| (&task[..4], task[4].as_str().unwrap())).unzip()
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
