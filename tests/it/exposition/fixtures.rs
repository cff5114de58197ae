//! Snapshots to show, in every state there is.

use std::time::Duration;

use aliyun_rds_import_exporter::domain::{
    Engine, ImportId, InstanceKey, LIST_IMPORTS, Position, Task, TaskStatus, TaskType,
};
use aliyun_rds_import_exporter::instruments::{Instruments, Scope};
use aliyun_rds_import_exporter::store::{
    GoodWalk, InstanceSnapshot, PollState, Revised, Store, Transitions,
};
use chrono::{DateTime, Utc};

/// 2026-08-20T10:00:00Z, when the fixtures are looked at.
pub(super) fn now() -> DateTime<Utc> {
    at(1_787_220_000.0)
}

fn at(unix_seconds: f64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis((unix_seconds * 1e3) as i64).unwrap()
}

pub(super) fn key(account: &str, region_id: &str, db_instance_id: &str) -> InstanceKey {
    InstanceKey {
        account: account.into(),
        region_id: region_id.into(),
        db_instance_id: db_instance_id.into(),
    }
}

pub(super) fn pending(key: InstanceKey, engine: Engine, name: &str) -> InstanceSnapshot {
    InstanceSnapshot::pending(key, engine, name.into(), Duration::from_secs(900))
}

pub(super) fn task(import_id: u64, kind: &str, status: &str, position: Option<Position>) -> Task {
    Task {
        import_id: ImportId(import_id),
        kind: TaskType::parse(kind).unwrap(),
        status: TaskStatus::parse(status).unwrap(),
        position,
    }
}

fn walked(unix_seconds: f64, pages: u32, tasks: Vec<Task>) -> Option<GoodWalk> {
    Some(GoodWalk {
        ended_at: at(unix_seconds),
        duration: Duration::from_millis(1_250),
        pages,
        tasks: tasks.into(),
    })
}

/// One instance in each situation, with every status and hostile names.
pub(super) fn every_situation() -> Store {
    let store = Store::new();
    for snapshot in [busy(), idle(), empty(), failing(), withdrawn(), hostile()] {
        store.publish(snapshot);
    }
    store.publish(pending(key("default", "cn-shanghai", "rm-never-polled"), Engine::MySQL, "new"));
    store
}

fn busy() -> InstanceSnapshot {
    let behind = |unix_seconds, lag_seconds| Some(Position { unix_seconds, lag_seconds });
    let mut tasks: Vec<_> = (95..)
        .zip(TaskStatus::DOCUMENTED)
        .map(|(number, status)| task(number, "Full", status.as_str(), None))
        .collect();
    tasks.push(task(900, "Incremental", "IncrementalImporting", behind(1_787_219_990, 10)));
    tasks.push(task(1_000, "Incremental", "IncrementalWaiting", behind(1_787_220_000, 0)));
    tasks.push(task(1_001, "Incremental", "IncrementalWaiting", None));
    tasks.push(task(u64::MAX, "Incremental", "PausedByOperator", None));
    tasks.insert(0, task(9, "Schema", "Success", None));

    let mut snapshot = pending(key("default", "cn-hangzhou", "rm-busy"), Engine::MySQL, "orders");
    snapshot.state = PollState::Active;
    snapshot.up = Some(true);
    snapshot.next_poll = Some(at(1_787_220_030.5));
    snapshot.last_good = walked(1_787_219_970.25, 3, tasks);
    let mut transitions = Transitions::clone(&snapshot.transitions);
    let paused = TaskStatus::parse("PausedByOperator").unwrap();
    for (status, tasks) in [(TaskStatus::FAILED, 2), (TaskStatus::SUCCESS, 7), (paused, 1)] {
        transitions.add(status, tasks);
    }
    snapshot.transitions = Revised::new(transitions);
    snapshot
}

fn idle() -> InstanceSnapshot {
    idle_as(key("default", "cn-hangzhou", "rm-idle"), "archive")
}

fn idle_as(key: InstanceKey, name: &str) -> InstanceSnapshot {
    let mut snapshot = pending(key, Engine::SQLServer, name);
    snapshot.state = PollState::Idle;
    snapshot.up = Some(true);
    snapshot.next_poll = Some(at(1_787_220_300.0));
    snapshot.last_good = walked(1_787_219_999.0, 1, vec![task(1, "Full", "Success", None)]);
    snapshot
}

fn empty() -> InstanceSnapshot {
    let mut snapshot = pending(key("default", "cn-hangzhou", "rm-empty"), Engine::MySQL, "");
    snapshot.state = PollState::Idle;
    snapshot.up = Some(true);
    snapshot.last_good = walked(1_787_219_999.0, 1, vec![]);
    snapshot
}

fn failing() -> InstanceSnapshot {
    failing_as(key("default", "cn-shanghai", "rm-failing"))
}

fn failing_as(key: InstanceKey) -> InstanceSnapshot {
    let mut snapshot = pending(key, Engine::MySQL, "billing");
    snapshot.state = PollState::Failing;
    snapshot.up = Some(false);
    snapshot.next_poll = Some(at(1_787_220_060.0));
    let tasks = vec![task(1, "Full", "FullImporting", None)];
    snapshot.last_good = walked(1_787_219_400.0, 1, tasks);
    snapshot
}

fn withdrawn() -> InstanceSnapshot {
    let mut snapshot = failing_as(key("default", "cn-shanghai", "rm-withdrawn"));
    snapshot.last_good = walked(1_787_219_000.0, 1, vec![task(1, "Full", "FullImporting", None)]);
    snapshot
}

fn hostile() -> InstanceSnapshot {
    let mut snapshot = idle_as(
        key("C:\\prod \"b\"", "cn-hangzhou\n", "rm-迁移🚚"),
        "two\nlines, a \\ and \"quotes\" {le=\"1\"} # HELP",
    );
    let tasks = vec![task(1, "\"Full\\", "Suc\ncess 状态", None)];
    snapshot.last_good = walked(1_787_219_999.0, 1, tasks);
    snapshot
}

/// Instruments in which every family has a sample, with the same values each time.
pub(super) fn every_instrument() -> Instruments {
    let instruments = Instruments::new().unwrap();
    let scope = Scope { account: "default", region_id: "cn-hangzhou" };
    instruments.announce(scope, 5.0);
    let took = Duration::from_millis(250);
    instruments.api_request(scope, LIST_IMPORTS, took, None);
    instruments.api_request(scope, LIST_IMPORTS, took, Some("Throttling.User"));
    instruments.throttled("default");
    instruments.budget("default", 2.5);
    instruments.clock_skew(scope, -0.5);
    instruments.credentials_expiration("Prod-B", "2026-11-24T18:00:00Z".parse().ok());
    let loaded = DateTime::from_timestamp_millis(1_763_985_600_250).unwrap();
    instruments.discovered(scope, 12, loaded);
    instruments.reloaded(Some(loaded));
    instruments.unknown_value("ImportDataStatus");
    instruments.walk(scope, None);
    instruments.walk(scope, Some("timeout"));
    instruments.walk_restart(scope, "count");
    instruments.schedule_delay(Duration::from_secs(2));
    instruments.http_request("metrics", 200, Duration::from_micros(750));
    instruments.http_request("other", 404, Duration::from_secs(2));
    instruments
}
