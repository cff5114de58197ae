//! What polls tell people, beside the metrics: as JSON, from the simulated API on.

use aliyun_rds_import_exporter::simulator::{
    ApiError, Effect, Fault, Instance, Kind, Lag, Life, Scenario, Status, Step, Task, When,
};
use serde_json::Value;

use super::{Duration, PATIENCE, Pipeline, get};

impl Pipeline {
    async fn list(&self, name: &str) -> Vec<Value> {
        let url = self.url.replace("/metrics", &format!("/api/v1/{name}"));
        let answer: Value = serde_json::from_str(&get(&url).await.unwrap()).unwrap();
        answer[name].as_array().unwrap().clone()
    }

    /// Lets time pass until the first item of the list is as `wanted`.
    async fn until_first(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                if let Some(first) = self.list(name).await.first().filter(|first| wanted(first)) {
                    return first.clone();
                }
                self.hands.advance(Duration::from_millis(250));
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        match found {
            Ok(first) => first,
            Err(_) => panic!("never came: {:#?}", self.list(name).await),
        }
    }
}

fn life(kind: Kind, steps: Vec<Step>) -> Life {
    Life::new(kind, steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_the_apis_words_and_its_time() {
    let steps = vec![Step::lasting(Status::FullImporting, 60), Step::last(Status::Failed)];
    let life = Life { description: Some("the disk is full".into()), ..life(Kind::Full, steps) };
    let scenario = Scenario::of(vec![Instance::new("rm-1", vec![Task::new(7, life)])]);
    let pipeline = Pipeline::start(scenario).await;

    let running = pipeline.until_first("tasks", |task| task["status"] == "FullImporting").await;
    let failed = pipeline.until_first("tasks", |task| task["status"] == "Failed").await;

    assert_eq!(running["status_seen_to_begin"], false);
    assert_eq!(failed["status_seen_to_begin"], true);
    assert_eq!(failed["status_description"], "the disk is full");
    let since = |task: &Value| task["status_seen_since_timestamp_seconds"].as_u64().unwrap();
    let between = since(&failed) - since(&running);
    assert!((30..=90).contains(&between), "{between}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lag_that_falls_has_an_estimated_end() {
    let [low, high, period] = [0, 200, 400].map(Duration::from_secs);
    let lag = Some(Lag { low, high, period });
    let steps = vec![Step::last(Status::IncrementalImporting)];
    let task = Task::new(1, Life { lag, ..life(Kind::Incremental, steps) });
    let pipeline = Pipeline::start(Scenario::of(vec![Instance::new("rm-1", vec![task])])).await;

    // It grows for 200 seconds, then falls by a second each second.
    let seen = |task: &Value| task["catch_up_seconds"].as_u64();
    let falling = pipeline.until_first("tasks", |task| seen(task).is_some()).await;

    let lag = falling["task_incremental_lag_seconds"].as_u64().unwrap() as f64;
    let estimate = seen(&falling).unwrap() as f64;
    // The first readings of a fall still have some of the rise in them.
    assert!((0.9..6.0).contains(&(estimate / lag)), "{estimate} s for {lag} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_tells_its_last_error_and_every_call_that_it_took() {
    let unavailable = ApiError {
        status: 503,
        code: "ServiceUnavailable".into(),
        message: "Later.".into(),
        retry_after: None,
    };
    let until = Some(Duration::from_secs(30));
    let instance = Some("rm-1".to_owned());
    let when = When { instance, until, ..When::default() };
    let list = vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    let scenario = Scenario {
        faults: vec![Fault { when, effect: Effect::Error(unavailable) }],
        ..Scenario::of(vec![Instance::new("rm-1", list)])
    };
    let pipeline = Pipeline::start(scenario).await;

    let failing =
        pipeline.until_first("instances", |one| one["failures_in_a_row"].as_u64() >= Some(2)).await;
    assert_eq!(failing["state"], "failing");
    assert!(failing["last_poll_calls"].as_u64() > Some(1), "it tried again: {failing}");
    let error = &failing["last_error"];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&"ServiceUnavailable".into(), &"Later.".into())
    );
    assert_eq!(error["request_id"].as_str().map(str::len), Some(36));
    assert!(error["hint"].as_str().unwrap().contains("the exporter goes on trying"));

    let well = pipeline.until_first("instances", |one| one["failures_in_a_row"] == 0).await;
    assert_eq!(well["instance_up"], 1);
    assert_eq!(well["last_error"]["code"], "ServiceUnavailable", "it is remembered");
    assert_eq!(well["tasks"]["FullImporting"], 1);
}
