//! From a task that fails to the notification that wakes someone, with the shipped configurations.

use std::collections::BTreeSet;

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    Account, Control, Instance, Kind, Scenario, Simulator, Status, Task,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::stack::{Alertmanager, Prometheus, Webhook};
use super::{list, run};
use crate::pipeline::binary::{Binary, until};

#[test]
fn amtool_accepts_the_configuration() {
    let file = "deploy/alertmanager/alertmanager.yml";
    run("amtool", "prometheus-alertmanager", &["check-config", file]);
}

#[test]
fn alerts_go_where_their_severity_belongs() {
    let routed = |labels: &[&str]| {
        let config = "--config.file=deploy/alertmanager/alertmanager.yml";
        let arguments = [&["config", "routes", "test", config], labels].concat();
        run("amtool", "prometheus-alertmanager", &arguments)
    };
    let task = "db_instance_id=rm-1";
    assert!(
        routed(&["alertname=RdsImportTaskFailed", "severity=critical", task]).contains("on-call")
    );
    assert!(routed(&["alertname=RdsImportExporterDown", "severity=critical"]).contains("on-call"));
    assert!(routed(&["alertname=RdsImportInstanceGone", "severity=info", task]).contains("nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cause_silences_what_follows_from_it_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start(directory.path(), "http://127.0.0.1:9/").await;
    let url = format!("http://{}", alertmanager.address);
    let raise = |labels: &str| {
        let address = format!("--alertmanager.url={url}");
        let command = ["alert", "add", address.as_str()];
        let arguments: Vec<_> = command.into_iter().chain(labels.split(' ')).collect();
        run("amtool", "prometheus-alertmanager", &arguments);
    };
    let (silenced, heard) = (
        [
            "alertname=RdsImportPollFailing account=a region_id=r db_instance_id=rm-1",
            "alertname=RdsImportDataStale account=a region_id=r db_instance_id=rm-1",
            "alertname=RdsImportDiscoveryStale account=a region_id=r",
            "alertname=RdsImportPollFailing account=b region_id=r db_instance_id=rm-2",
            "alertname=RdsImportIncrementalLagHigh account=b region_id=r db_instance_id=rm-2 import_id=7",
        ],
        [
            "alertname=RdsImportAccountFailing account=a",
            "alertname=RdsImportTaskFailed account=a region_id=r db_instance_id=rm-1 import_id=7",
            "alertname=RdsImportDataStale account=b region_id=r db_instance_id=rm-2",
            "alertname=RdsImportPollFailing account=b region_id=r db_instance_id=rm-3",
            "alertname=RdsImportTaskStalled account=b region_id=r db_instance_id=rm-2 import_id=7",
            "alertname=RdsImportIncrementalLagHigh account=b region_id=r db_instance_id=rm-2 import_id=8",
        ],
    );
    silenced.iter().chain(&heard).for_each(|labels| raise(labels));

    let names = |alerts: &Value, inhibited: bool| {
        let chosen = list(alerts)
            .filter(|alert| (list(&alert["status"]["inhibitedBy"]).count() > 0) == inhibited);
        let mut labels: Vec<_> = chosen.map(|alert| alert["labels"].clone()).collect();
        labels.sort_by_key(Value::to_string);
        labels
    };
    let wanted = |raised: &[&str]| {
        let labels = raised.iter().map(|labels| {
            let pairs = labels.split(' ').map(|label| label.split_once('=').unwrap());
            pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Value>()
        });
        let mut labels: Vec<_> = labels.collect();
        labels.sort_by_key(Value::to_string);
        labels
    };
    until(&format!("{url}/api/v2/alerts"), |answer| {
        serde_json::from_str::<Value>(answer).is_ok_and(|alerts| {
            names(&alerts, true) == wanted(&silenced) && names(&alerts, false) == wanted(&heard)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_notified_once_with_its_instance_and_resolved_when_it_ends() {
    let simulator = Simulator::bind(scenario(), Clock::system(), "127.0.0.1:0".parse().unwrap());
    let simulator = simulator.await.unwrap();
    let (control, stop) = (simulator.control(), CancellationToken::new());
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    std::fs::write(&config, configuration(&simulator.base_url())).unwrap();
    tokio::spawn(simulator.serve(stop.clone()));
    set_both(&control, Status::FullImporting);

    let start = |listen: &str| {
        let file = format!("--config.file={}", config.display());
        let listen = format!("--web.listen-address={listen}");
        Binary::start(&[&file, &listen], &[])
    };
    let mut exporter = start("127.0.0.1:0");
    let (address, _) = tokio::task::block_in_place(|| exporter.address());
    let webhook = tokio::task::block_in_place(Webhook::start);
    let alertmanager = Alertmanager::start(directory.path(), &webhook.url).await;
    let prometheus = Prometheus::start(directory.path(), &address, &alertmanager.address).await;
    let all_up = "count(aliyun_rds_import_instance_up == 1) == 3";
    prometheus.until(all_up, |found| !found.is_empty()).await;

    set_both(&control, Status::Failed);
    let notified = tokio::task::block_in_place(|| [webhook.next(), webhook.next()]);
    assert_eq!(told(&notified, "firing"), both());

    // A restart says nothing, and does not resolve anything.
    let (code, _, log) = tokio::task::block_in_place(|| exporter.stop());
    assert_eq!(code, Some(0), "{log}");
    prometheus.until("up == 0", |found| !found.is_empty()).await;
    let _exporter = start(&address);
    prometheus.until(all_up, |found| !found.is_empty()).await;

    set_both(&control, Status::Success);
    let resolved = tokio::task::block_in_place(|| [webhook.next(), webhook.next()]);
    assert_eq!(told(&resolved, "resolved"), both());
    stop.cancel();
}

/// The failed tasks, as one notification tells them: the instance, then its tasks.
fn both() -> BTreeSet<(String, Vec<String>)> {
    let told = |instance: &str, tasks: &[&str]| {
        (instance.to_owned(), tasks.iter().map(|&task| task.to_owned()).collect())
    };
    BTreeSet::from([told("rm-a", &["1", "2"]), told("rm-b", &["1"])])
}

/// What notifications of this status tell.
fn told(notifications: &[Value], status: &str) -> BTreeSet<(String, Vec<String>)> {
    let of = |notification: &Value| {
        assert_eq!(notification["status"], status, "{notification}");
        assert_eq!(notification["receiver"], "on-call", "{notification}");
        let group = notification["groupLabels"].as_object().unwrap();
        assert!(group.keys().eq(["account", "db_instance_id", "region_id"]), "{notification}");
        let mut tasks: Vec<_> = list(&notification["alerts"])
            .map(|alert| {
                assert_eq!(alert["status"], status, "{alert}");
                assert_eq!(alert["labels"]["alertname"], "RdsImportTaskFailed", "{alert}");
                assert!(alert["annotations"]["runbook_url"].is_string(), "{alert}");
                alert["labels"]["import_id"].as_str().unwrap().to_owned()
            })
            .collect();
        tasks.sort();
        (group["db_instance_id"].as_str().unwrap().to_owned(), tasks)
    };
    notifications.iter().map(of).collect()
}

/// Gives the tasks that fail later this status, those of an instance at once.
fn set_both(control: &Control, status: Status) {
    let task = |id| Task::steady(id, Kind::Full, status);
    let done = Task::steady(3, Kind::Full, Status::Success);
    assert!(control.set_tasks("rm-a", vec![task(1), task(2), done]));
    assert!(control.set_tasks("rm-b", vec![task(1)]));
}

fn scenario() -> Scenario {
    let account = Account {
        access_key_id: Some("LTAItest".into()),
        access_key_secret: Some("testSecret".into()),
        ..Account::new("default")
    };
    let calm = Instance::new("rm-c", vec![Task::steady(1, Kind::Full, Status::Success)]);
    let instances = vec![Instance::new("rm-a", vec![]), Instance::new("rm-b", vec![]), calm];
    Scenario { accounts: vec![account], ..Scenario::of(instances) }
}

fn configuration(endpoint: &str) -> String {
    format!(
        "accounts:
  default:
    credentials: {{type: access_key, access_key_id: LTAItest, access_key_secret: testSecret}}
    requests_per_second: 50
    endpoints: {{rds: '{endpoint}'}}
polling: {{interval: 1s, idle_interval: 1s}}
instances:
  - {{id: rm-a, region: cn-hangzhou, engine: MySQL}}
  - {{id: rm-b, region: cn-hangzhou, engine: MySQL}}
  - {{id: rm-c, region: cn-hangzhou, engine: MySQL}}
"
    )
}
