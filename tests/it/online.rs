//! `check --online` against the simulator: what works, what does not, and what to do about it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aliyun_rds_import_exporter::check::check_online;
use aliyun_rds_import_exporter::clock::{Clock, ManualClock};
use aliyun_rds_import_exporter::config::Environment;
use aliyun_rds_import_exporter::domain::{LIST_IMPORTS, LIST_INSTANCES};
use aliyun_rds_import_exporter::simulator::{
    Account, Control, Effect, Fault, Instance, Kind, Scenario, Simulator, State, Status, Task, When,
};
use chrono::TimeDelta;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::golden::assert_golden;

/// A simulated cloud whose time is the machine's unless a test says otherwise.
struct Cloud {
    url: String,
    control: Control,
    _stop: DropGuard,
}

impl Cloud {
    async fn start(scenario: Scenario) -> Self {
        Self::at(scenario, Clock::system()).await
    }

    async fn at(scenario: Scenario, clock: Clock) -> Self {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, clock, loopback).await.unwrap();
        let (url, control) = (simulator.base_url(), simulator.control());
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve(stop.clone()));
        Self { url, control, _stop: stop.drop_guard() }
    }

    /// An account of a configuration that calls this cloud with the key of `account(name)`.
    fn account(&self, name: &str) -> String {
        let url = &self.url;
        format!(
            "  {name}:\n    credentials: {{type: access_key, access_key_id: LTAI-{name}, \
             access_key_secret: secret}}\n    endpoints: {{rds: '{url}'}}\n    \
             requests_per_second: 10000\n"
        )
    }

    /// A configuration with these accounts, one walk at a time, and `rest`.
    fn config(&self, accounts: &[&str], rest: &str) -> String {
        let accounts: String = accounts.iter().map(|name| self.account(name)).collect();
        format!("accounts:\n{accounts}polling: {{concurrency: 1, request_timeout: 10s}}\n{rest}\n")
    }
}

/// Result and output of a check, in which the cloud's address and IDs of requests are made equal.
async fn checked(cloud: &Cloud, config: &str) -> (bool, String) {
    let (ok, out) = check_with(config, &Clock::system(), &Environment::default()).await;
    (ok, out.replace(&cloud.url, "http://simulator"))
}

async fn check_with(config: &str, clock: &Clock, environment: &Environment) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    write(&file, config);
    let mut out = Vec::new();
    let ok = check_online(&file, environment, clock, &mut out, None).await.unwrap();
    let out = String::from_utf8(out).unwrap().replace(&file.display().to_string(), "config.yaml");
    (ok, without_request_ids(&out))
}

/// Writes a file that only its owner may read.
fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

fn without_request_ids(text: &str) -> String {
    let mut parts = text.split("(RequestId ");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        plain += "(RequestId ...";
        plain += &part[part.find(')').unwrap()..];
    }
    plain
}

fn account(name: &str) -> Account {
    Account {
        access_key_id: Some(format!("LTAI-{name}")),
        access_key_secret: Some("secret".to_owned()),
        ..Account::new(name)
    }
}

fn instance(account: &str, id: &str) -> Instance {
    let tasks = vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    Instance { account: Some(account.to_owned()), ..Instance::new(id, tasks) }
}

fn listed(account: &str, ids: &[&str]) -> String {
    let line = |id: &&str| {
        format!("  - {{id: {id}, region: cn-hangzhou, engine: MySQL, account: {account}}}\n")
    };
    ids.iter().map(line).collect()
}

fn one_instance() -> Scenario {
    Scenario { accounts: vec![account("one")], ..Scenario::of(vec![instance("one", "rm-1")]) }
}

#[tokio::test]
async fn tells_what_works_and_what_to_do_about_the_rest() {
    let read_only =
        Account { allow: Some(vec!["rds:Describe*".to_owned()]), ..account("read-only") };
    let cloud = Cloud::start(Scenario {
        accounts: vec![
            account("good"),
            Account { inactive: true, ..account("disabled") },
            read_only,
        ],
        ..Scenario::of(vec![
            instance("good", "rm-found-1"),
            instance("good", "rm-found-2"),
            instance("good", "rm-listed"),
            Instance { state: State::UnsupportedType, ..instance("good", "rm-other") },
            instance("read-only", "rm-hidden-1"),
            instance("read-only", "rm-hidden-2"),
        ])
    })
    .await;
    let config = cloud.config(
        &["good", "disabled", "read-only"],
        &format!(
            "discovery:\n  - {{account: good, regions: [cn-hangzhou]}}\n  \
             - {{account: read-only, regions: [cn-hangzhou]}}\ninstances:\n{}{}",
            listed("good", &["rm-listed", "rm-gone"]),
            listed("disabled", &["rm-a", "rm-b", "rm-c"]),
        ),
    );

    let (ok, out) = checked(&cloud, &config).await;

    assert!(!ok);
    assert_golden("tests/golden/check-online.txt", &out);
}

#[tokio::test]
async fn passes_when_everything_works() {
    let cloud = Cloud::start(one_instance()).await;
    let instances = format!("instances:\n{}", listed("one", &["rm-1"]));
    let (ok, out) = checked(&cloud, &cloud.config(&["one"], &instances)).await;
    assert!(ok, "{out}");
    assert!(out.ends_with("config.yaml: everything works\n"), "{out}");
    assert!(!out.contains("problem") && !out.contains("AliyunRDSReadOnlyAccess"), "{out}");
    assert_eq!(cloud.control.request_count(), 1);
}

#[tokio::test]
async fn every_kind_of_failure_has_its_advice() {
    let error = |status, code: &str| {
        let error = serde_json::json!({"error": {"status": status, "code": code, "message": "m"}});
        serde_json::from_value::<Effect>(error).unwrap()
    };
    for (effect, code, advice) in [
        (
            error(404, "InvalidAccessKeyId.NotFound"),
            "InvalidAccessKeyId.NotFound",
            "no such access key",
        ),
        (
            error(400, "SignatureDoesNotMatch"),
            "SignatureDoesNotMatch",
            "the secret does not belong",
        ),
        (error(403, "NoPermission"), "NoPermission", "rds:DescibeImportsFromDatabase, spelled so"),
        (error(403, "Forbidden.RAM"), "Forbidden.RAM", "AliyunRDSReadOnlyAccess does not cover it"),
        (
            error(404, "InvalidDBInstanceId.NotFound"),
            "InvalidDBInstanceId.NotFound",
            "no such instance in cn-hangzhou",
        ),
        (
            error(403, "OperationDenied.DBInstanceType"),
            "OperationDenied.DBInstanceType",
            "correct the engine",
        ),
        (
            error(400, "InvalidSecurityToken.Expired"),
            "InvalidSecurityToken.Expired",
            "have expired",
        ),
        (error(400, "InvalidStartTime.Malformed"), "other", "lookback"),
        (Effect::InvalidJson, "bad_response", "check proxy and endpoint"),
        (Effect::Http(407), "http_407", "https_proxy, with its user and password"),
    ] {
        let faults = vec![Fault { when: When::default(), effect }];
        let cloud = Cloud::start(Scenario { faults, ..one_instance() }).await;
        let instances = format!("instances:\n{}", listed("one", &["rm-1"]));
        let (ok, out) = checked(&cloud, &cloud.config(&["one"], &instances)).await;
        assert!(!ok, "{code}: {out}");
        let problem = format!(
            "problem: account one: {LIST_IMPORTS} in cn-hangzhou fails with {code} for 1 instance: rm-1\n"
        );
        assert!(out.contains(&problem), "{code}: {out}");
        assert!(out.contains(advice), "{code}: {out}");
        assert!(out.ends_with("config.yaml: 1 problem\n"), "{code}: {out}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_reached_is_given_up_after_some_tries() {
    let nobody = crate::pipeline::prometheus::free_address();
    let cloud = Cloud::start(one_instance()).await;
    let spoken = cloud.url.replace("http://", "https://");
    let ids = ["rm-1", "rm-2", "rm-3", "rm-4", "rm-5"];
    for (url, code, advice) in [
        (format!("http://{nobody}"), "connect", "the endpoint is not reached: check firewall"),
        (spoken, "tls", "name its CA in ca_file"),
        ("https://rds.invalid".to_owned(), "connect", "the name of the endpoint is not resolved"),
    ] {
        let instances = format!("instances:\n{}", listed("one", &ids));
        let config = cloud.config(&["one"], &instances).replace(&cloud.url, &url);
        let (ok, out) = checked(&cloud, &config).await;
        assert!(!ok, "{out}");
        let problem = format!("fails with {code} for 3 instances: rm-1, rm-2, rm-3\n");
        assert!(out.contains(&problem), "{url}: {out}");
        assert!(out.contains(advice), "{url}: {out}");
        assert!(out.contains("one: 2 instances were not tried, because of"), "{url}: {out}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_in_seconds() {
    for (seconds, told) in [(3_600, "about 3599 s ahead of"), (-1_800, "about 1800 s behind")] {
        let theirs = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
        let ours = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
        ours.jump(TimeDelta::seconds(seconds));
        let cloud = Cloud::at(one_instance(), theirs.clock()).await;
        let instances = format!("instances:\n{}", listed("one", &["rm-1"]));
        let config = cloud.config(&["one"], &instances);

        // The daemon gets over it, and so does the check.
        let (ok, out) = check_with(&config, &ours.clock(), &Environment::default()).await;
        assert!(ok, "{out}");
        let warning = format!("warning: accounts.one: this machine's clock is {told}");
        assert!(out.contains(&warning), "{out}");

        let when = When::default();
        let expired = serde_json::json!({
            "error": {"status": 400, "code": "InvalidTimeStamp.Expired", "message": "m"}
        });
        let effect = serde_json::from_value(expired).unwrap();
        cloud.control.set_faults(vec![Fault { when, effect }]);
        let (ok, out) = check_with(&config, &ours.clock(), &Environment::default()).await;
        assert!(!ok, "{out}");
        let to_do = format!("to do: this machine's clock is {told}");
        assert!(out.contains(&to_do), "{out}");
    }
}

#[tokio::test]
async fn an_account_without_keys_tells_where_they_were_looked_for_and_harms_no_other() {
    let cloud = Cloud::start(one_instance()).await;
    let config = cloud
        .config(
            &["one"],
            &format!("instances:\n{}{}", listed("one", &["rm-1"]), listed("none", &["rm-2"])),
        )
        .replace("polling:", "  none: {endpoints: {metadata: 'http://127.0.0.1:1'}}\npolling:");

    let (ok, out) = checked(&cloud, &config).await;

    assert!(!ok);
    assert!(out.contains("problem: account none: fails with no_credentials\n"), "{out}");
    assert!(out.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{out}");
    assert!(out.contains("none: 1 instance was not tried"), "{out}");
    assert_eq!(cloud.control.requests().len(), 1);
    assert!(out.ends_with("config.yaml: 1 problem\n"), "{out}");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_a_problem_of_its_own() {
    let cloud = Cloud::start(one_instance()).await;
    let instances = format!("instances:\n{}", listed("one", &["rm-1"]));
    let proxy = [("https_proxy".to_owned(), "http://".to_owned())];
    let environment = proxy.into_iter().collect();
    let config = cloud.config(&["one"], &instances);
    let (ok, out) = check_with(&config, &Clock::system(), &environment).await;
    assert!(!ok);
    assert!(out.contains("problem: account one: fails with https\n"), "{out}");
    assert!(out.contains("one: 1 instance was not tried"), "{out}");
}

#[tokio::test]
async fn a_configuration_with_problems_is_not_tried() {
    let cloud = Cloud::start(one_instance()).await;
    let (ok, out) = checked(&cloud, &cloud.config(&["one"], "nonsense: 1")).await;
    assert!(!ok);
    assert!(out.contains("nonsense: is an unknown key"), "{out}");
    assert_eq!(cloud.control.request_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_instances_are_found_and_asked_with_their_failures_in_one_line() {
    let many = Instance { copies: Some(9_900), ..instance("one", "rm-fleet") };
    let denied =
        Instance { copies: Some(100), state: State::Denied, ..instance("one", "rm-secret") };
    let cloud = Cloud::start(Scenario {
        accounts: vec![account("one")],
        ..Scenario::of(vec![many, denied])
    })
    .await;
    let discovery = "discovery: [{account: one, regions: [cn-hangzhou]}]";
    let config = cloud.config(&["one"], discovery).replace("concurrency: 1,", "");

    let (ok, out) = checked(&cloud, &config).await;

    assert!(!ok);
    assert_eq!(cloud.control.request_count(), 100 + 10_000);
    assert_eq!(out.matches("problem: ").count(), 1);
    let problem =
        "fails with Forbidden.RAM for 100 instances: rm-secret-1, rm-secret-10, rm-secret-100, ";
    assert!(out.contains(problem) && out.contains(" and 90 more\n"));
    assert!(out.contains("\nexpected series: 360000, "));
    // 100 pages, six times an hour, and a deep and 288 regular walks for each.
    let calls = 100 * 144 + 10_000 * 289;
    assert!(out.contains(&format!("at one page a walk: {calls} (every instance idle)")));
    let last = cloud.control.requests();
    assert!(last.iter().all(|request| request.parameter("Action") != Some(LIST_INSTANCES)));
}

#[tokio::test]
async fn what_is_found_counts_for_the_budget() {
    let many = Instance { copies: Some(100), ..instance("one", "rm-fleet") };
    let cloud =
        Cloud::start(Scenario { accounts: vec![account("one")], ..Scenario::of(vec![many]) }).await;
    let discovery = "discovery: [{account: one, regions: [cn-hangzhou]}]";
    // A second's worth of calls is enough to ask everything at once.
    let config = cloud.config(&["one"], discovery).replace("10000", "101");
    let config = config.replace(
        "concurrency: 1",
        "concurrency: 1, interval: 1s, idle_interval: 1s, stale_after: 5s",
    );
    let (ok, out) = checked(&cloud, &config).await;
    assert!(ok, "{out}");
    assert!(!out.contains("warning"), "{out}");

    let config = config.replace("requests_per_second: 101", "requests_per_second: 99");
    let (ok, out) = checked(&cloud, &config).await;
    assert!(ok, "a warning is no problem: {out}");
    let warning =
        "accounts.one.requests_per_second: 99 is less than the up to 100.00 calls a second";
    assert!(out.contains(warning), "{out}");
}

#[tokio::test]
async fn progress_is_drawn_on_a_terminal_and_wiped_away() {
    let cloud = Cloud::start(one_instance()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let instances = format!("instances:\n{}", listed("one", &["rm-1"]));
    write(&file, &cloud.config(&["one"], &instances));
    let (mut out, mut terminal) = (Vec::new(), Vec::new());
    let environment = Environment::default();
    let looking = Some(&mut terminal as &mut dyn std::io::Write);

    let ok = check_online(&file, &environment, &Clock::system(), &mut out, looking).await.unwrap();

    assert!(ok);
    let drawn = String::from_utf8(terminal).unwrap();
    assert!(drawn.starts_with("\r\x1b[Kasked 0 of 1 instances"), "{drawn:?}");
    assert!(drawn.ends_with("\r\x1b[K"), "{drawn:?}");
    assert!(!String::from_utf8(out).unwrap().contains('\r'));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_exits_with_1_on_any_problem_and_draws_nothing_in_a_log() {
    let cloud = Cloud::start(one_instance()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    for (id, code) in [("rm-1", 0), ("rm-2", 1)] {
        let instances = format!("instances:\n{}", listed("one", &[id]));
        write(&file, &cloud.config(&["one"], &instances));
        let mut command =
            std::process::Command::new(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"));
        command.env_clear().arg("check").arg("--online").arg("--config.file").arg(&file);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(!log.contains('\r') && !log.contains("asked"), "{log}");
    }
}
