//! Reloads: all or nothing, and what does not change keeps its state.

use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::config::{AccessKey, Config, CredentialsSource, SecretSource};
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::simulator::{
    Account, Instance, Kind, Scenario, Simulator, Status, Task,
};

use super::{File, ManualClock, Pipeline, config, is_up, tasks};
use crate::exposition::Page;

const NEXT_POLL: &str = "aliyun_rds_import_instance_next_poll_timestamp_seconds";
const TRANSITIONS: &str = "aliyun_rds_import_task_transitions_total";
const SUCCESSFUL: &str = "aliyun_rds_import_exporter_config_last_reload_successful";
const SUCCESS_TIME: &str =
    "aliyun_rds_import_exporter_config_last_reload_success_timestamp_seconds";

/// A pipeline of three instances, all of them walked, and its configuration.
async fn three() -> (Pipeline, Config) {
    let list = || vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    let instances = ["rm-1", "rm-2", "rm-3"].map(|id| Instance::new(id, list()));
    let (pipeline, config) = of(Scenario::of(instances.into())).await;
    for id in ["rm-1", "rm-2", "rm-3"] {
        pipeline.until_up(id, true).await;
    }
    let calls = "aliyun_rds_import_exporter_api_requests_total";
    pipeline.until("the deep walks", |page| page.value(calls, &[]) >= Some(6.0)).await;
    (pipeline, config)
}

async fn of(scenario: Scenario) -> (Pipeline, Config) {
    let hands = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
    let config = config(&simulator);
    (Pipeline::of(simulator, &config, hands).await, config)
}

/// What the page says of an instance, but for what a poll changes.
fn of_instance(page: &Page, name: &str, instance: &str) -> Option<f64> {
    page.value(name, &[("db_instance_id", instance)])
}

/// The account's second key, which works while the first one does not.
fn rotated(mut config: Config, id: &str, secret: &str) -> Config {
    for account in config.accounts.values_mut() {
        account.credentials = CredentialsSource::AccessKey(AccessKey {
            id: id.to_owned(),
            secret: SecretSource::Inline(Secret::new(secret)),
        });
    }
    config
}

#[tokio::test]
async fn a_reload_that_changes_nothing_changes_nothing() {
    let (pipeline, config) = three().await;
    let before = pipeline.page().await;
    let calls = pipeline.control.request_count();

    for _ in 0..3 {
        pipeline.reload_good(config.clone()).await;
    }

    let after = pipeline.page().await;
    for name in [NEXT_POLL, "aliyun_rds_import_instance_last_success_timestamp_seconds"] {
        for id in ["rm-1", "rm-2", "rm-3"] {
            assert_eq!(of_instance(&after, name, id), of_instance(&before, name, id), "{name}");
        }
    }
    // Time stands still, so nothing was due: whatever asks now was made to by the reloads.
    assert_eq!(pipeline.control.request_count(), calls);
    assert_eq!(after.value(SUCCESSFUL, &[]), Some(1.0));
}

#[tokio::test]
async fn instances_come_and_go_and_the_others_keep_their_history() {
    let (pipeline, mut config) = three().await;
    pipeline.control.set_tasks("rm-2", vec![Task::steady(1, Kind::Full, Status::Failed)]);
    let failed = [("db_instance_id", "rm-2"), ("status", "Failed")];
    let once = |page: &Page| page.value(TRANSITIONS, &failed) == Some(1.0);
    pipeline.until("the failure", once).await;

    let gone = config.instances.remove(0);
    let mut new = gone.clone();
    new.id = "rm-new".into();
    config.instances.push(new);
    pipeline.reload_good(config.clone()).await;
    let page = pipeline.until("the new one", |page| is_up(page, "rm-new") == Some(0.0)).await;

    assert_eq!(page.value(TRANSITIONS, &failed), Some(1.0));
    let text = super::get(&pipeline.url).await.unwrap();
    assert!(!text.contains("rm-1\""), "{text}");

    // One that returns begins anew.
    config.instances.push(gone);
    pipeline.reload_good(config).await;
    pipeline.until_up("rm-1", true).await;
}

#[tokio::test]
async fn changed_settings_are_taken_over() {
    let (pipeline, mut config) = three().await;
    let before = pipeline.page().await;
    let due = of_instance(&before, NEXT_POLL, "rm-1").unwrap();

    let instance = Arc::from("renamed");
    config.instances[0].name = instance;
    config.instances[0].interval = Duration::from_secs(1);
    config.instances[1].interval = Duration::from_secs(3_600);
    pipeline.reload_good(config).await;
    let page = pipeline
        .until("the name", |page| {
            page.value("aliyun_rds_import_instance_info", &[("name", "renamed")]).is_some()
        })
        .await;

    let labels = [("db_instance_id", "rm-1"), ("name", "renamed")];
    assert_eq!(page.value("aliyun_rds_import_instance_info", &labels), Some(1.0));
    assert_eq!(tasks(&page, "rm-1"), tasks(&before, "rm-1"));
    assert!(of_instance(&page, NEXT_POLL, "rm-1").unwrap() <= due);
    let later = |page: &Page| {
        let next = |id| of_instance(page, NEXT_POLL, id).unwrap();
        next("rm-2") > next("rm-1") + 3_000.0
    };
    pipeline.until("the second one has its new interval", later).await;
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing_and_is_told() {
    let (pipeline, config) = three().await;
    let shown = pipeline.ask("GET", "/config").await;
    let before = pipeline.page().await;
    pipeline.hands.advance(Duration::from_millis(1));

    let text = "polling: {interval: soon}\ninstances:\n- {id: rm-9, region: cn-hangzhou}\n";
    let (status, error) = pipeline.reload(File::Bad(text)).await;

    assert_eq!(status, 500);
    for part in [
        "not reloaded: config.yaml:1: polling.interval: \"soon\" is not a duration",
        "config.yaml:3: instances[0].engine: is missing",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let after = pipeline.page().await;
    assert_eq!(after.value(SUCCESSFUL, &[]), Some(0.0));
    assert_eq!(after.value(SUCCESS_TIME, &[]), before.value(SUCCESS_TIME, &[]));
    assert_eq!(pipeline.ask("GET", "/config").await, shown);
    assert_eq!(tasks(&after, "rm-1"), tasks(&before, "rm-1"));

    pipeline.reload_good(config).await;
    let mended = pipeline.page().await;
    assert_eq!(mended.value(SUCCESSFUL, &[]), Some(1.0));
    assert!(mended.value(SUCCESS_TIME, &[]) > before.value(SUCCESS_TIME, &[]));
}

#[tokio::test]
async fn an_account_that_cannot_be_set_up_keeps_all_others_as_they_were() {
    let (pipeline, mut config) = three().await;
    let before = config.clone();
    config.instances.clear();
    let folder = tempfile::tempdir().unwrap();
    let mut broken = config.accounts["default"].clone();
    // The file was there when the configuration was read, and is gone now.
    broken.ca_file = Some(folder.path().join("gone.pem"));
    config.accounts.insert("z-broken".into(), broken);

    let (status, error) = pipeline.reload(File::Good(Box::new(config))).await;

    assert_eq!(status, 500);
    assert!(error.contains("account z-broken: cannot use ca_file"), "{error}");
    let page = pipeline.page().await;
    assert_eq!(page.samples("aliyun_rds_import_instance_up").len(), 3);
    assert_eq!(pipeline.ask("GET", "/config").await.1.trim_end(), before.to_yaml().trim_end());
}

#[tokio::test]
async fn a_new_key_is_used_at_once_and_the_snapshots_stay() {
    let (pipeline, config) = three().await;
    let before = pipeline.page().await;
    let old_key = config.accounts["default"].clone();
    assert!(pipeline.control.set_key_active("default", false));
    pipeline.until_up("rm-2", false).await;
    pipeline.until_up("rm-1", false).await;

    // A wrong key first: the account goes on backing off, with the new error.
    pipeline.reload_good(rotated(config.clone(), "LTAIwrong", "wrong")).await;
    let labels = [("code", "InvalidAccessKeyId.NotFound")];
    let failures = "aliyun_rds_import_exporter_api_request_failures_total";
    let page = pipeline.until("the refusal", |page| page.value(failures, &labels).is_some()).await;
    assert_eq!(tasks(&page, "rm-1"), tasks(&before, "rm-1"));

    assert!(pipeline.control.set_key_active("default", true));
    let calls = pipeline.control.request_count();
    let mut right = config;
    right.accounts.insert("default".into(), old_key);
    pipeline.reload_good(right).await;
    // No time has to pass: the pause was the old key's.
    while pipeline.control.request_count() == calls {
        tokio::task::yield_now().await;
    }
    let page = pipeline.until_up("rm-1", true).await;
    assert_eq!(tasks(&page, "rm-1"), tasks(&before, "rm-1"));
}

#[tokio::test]
async fn an_account_that_stays_goes_on_backing_off() {
    let (pipeline, mut config) = three().await;
    assert!(pipeline.control.set_key_active("default", false));
    pipeline.until_up("rm-1", false).await;
    pipeline.until_up("rm-2", false).await;
    let calls = pipeline.control.request_count();

    config.instances[2].name = "renamed".into();
    pipeline.reload_good(config).await;
    let info = [("name", "renamed")];
    pipeline
        .until("the name", |page| page.value("aliyun_rds_import_instance_info", &info).is_some())
        .await;

    assert!(pipeline.control.request_count() <= calls + 2);
}

#[tokio::test]
async fn an_account_that_goes_takes_its_series_along_and_may_come_back() {
    let list = || vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    let of_account = |id: &str, account: &str| Instance {
        account: Some(account.to_owned()),
        ..Instance::new(id, list())
    };
    let scenario = Scenario {
        accounts: vec![Account::new("one"), Account::new("two")],
        ..Scenario::of(vec![of_account("rm-1", "one"), of_account("rm-2", "two")])
    };
    let (pipeline, config) = of(scenario).await;
    pipeline.until_up("rm-1", true).await;
    pipeline.until_up("rm-2", true).await;

    let mut without = config.clone();
    without.accounts.remove("two");
    without.instances.retain(|instance| &*instance.account == "one");
    pipeline.reload_good(without).await;
    // The answer says that it is done.
    let page = pipeline.page().await;
    assert_eq!(page.samples("aliyun_rds_import_instance_up").len(), 1);
    let budget = "aliyun_rds_import_exporter_api_budget_requests_per_second";
    assert_eq!(page.samples(budget).len(), 1);

    pipeline.reload_good(config).await;
    pipeline.until_up("rm-2", true).await;
}

#[tokio::test]
async fn reloads_that_are_asked_for_at_once_come_one_after_the_other() {
    let (pipeline, config) = three().await;
    let mut fewer = config.clone();
    fewer.instances.truncate(1);
    *pipeline.file.lock().unwrap() = File::Good(Box::new(fewer));

    let mut answers = Vec::new();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let url = pipeline.url.replace("/metrics", "/-/reload");
        asking.spawn(async move { super::ask("PUT", &url).await.unwrap() });
    }
    while let Some(answer) = asking.join_next().await {
        answers.push(answer.unwrap().0);
    }

    assert_eq!(answers, [200; 20]);
    pipeline.reload_good(config).await;
    pipeline.until_up("rm-3", true).await;
}

#[tokio::test]
async fn the_configuration_in_force_is_shown_without_secrets() {
    let (pipeline, config) = three().await;
    let (status, shown) = pipeline.ask("GET", "/config").await;
    assert_eq!((status, shown.trim_end()), (200, config.to_yaml().trim_end()));

    pipeline.reload_good(rotated(config, "LTAIother", "c4n4ry")).await;

    let (_, shown) = pipeline.ask("GET", "/config").await;
    assert!(shown.contains("access_key_id: LTAIother"), "{shown}");
    assert!(shown.contains("access_key_secret: \"<secret>\""), "{shown}");
    assert!(!shown.contains("c4n4ry"), "{shown}");
}

#[tokio::test]
async fn any_row_of_reloads_ends_with_the_last_set_of_instances() {
    let list = || vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    let all: Vec<_> = (0..8).map(|number| format!("rm-{number}")).collect();
    let scenario = Scenario::of(all.iter().map(|id| Instance::new(id, list())).collect());
    let (pipeline, config) = of(scenario).await;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..60 {
        let mut next = config.clone();
        next.instances.retain(|_| random.bool());
        for instance in &mut next.instances {
            instance.interval = Duration::from_secs(random.u64(1..10));
            instance.name = Arc::from(format!("round {round}"));
        }
        let wanted: Vec<_> = next.instances.iter().map(|own| own.id.to_string()).collect();
        pipeline.reload_good(next).await;
        // Polls are under way while the next set comes.
        pipeline.hands.advance(Duration::from_millis(random.u64(0..4_000)));
        if round % 3 > 0 {
            continue;
        }

        let names = format!("round {round}");
        pipeline
            .until(&names, |page| {
                let shown = page.samples("aliyun_rds_import_instance_info");
                shown.iter().all(|sample| sample.label("name") == Some(&names))
                    && shown
                        .iter()
                        .map(|s| s.label("db_instance_id"))
                        .eq(wanted.iter().map(|id| Some(&**id)))
            })
            .await;
    }
    pipeline.reload_good(config).await;
    for id in all {
        pipeline.until_up(&id, true).await;
    }
}
