//! Fleets to look at, by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::api::Error;
use aliyun_rds_import_exporter::domain::{
    Engine, ImportId, InstanceKey, Position, Task, TaskStatus, TaskType,
};
use aliyun_rds_import_exporter::store::history::{AccountHistory, Observed, Poll, Walked};
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, PollState, Store};
use chrono::{DateTime, TimeDelta, Utc};

use crate::web::Server;

/// When the fleets were last polled; the clock of the server stands here.
pub(super) const NOW: i64 = 1_787_220_000;

pub(super) fn at(unix_seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(unix_seconds, 0).unwrap()
}

pub(super) fn key(account: &str, region_id: &str, id: &str) -> InstanceKey {
    InstanceKey { account: account.into(), region_id: region_id.into(), db_instance_id: id.into() }
}

/// A task without a position.
pub(super) fn task(import_id: u64, status: TaskStatus) -> Task {
    Task { import_id: ImportId(import_id), kind: TaskType::FULL, status, position: None }
}

/// An incremental task that is this far behind.
pub(super) fn lagging(import_id: u64, lag_seconds: u32) -> Task {
    let position = Position { unix_seconds: NOW as u32 - lag_seconds, lag_seconds };
    Task {
        kind: TaskType::INCREMENTAL,
        position: Some(position),
        ..task(import_id, TaskStatus::INCREMENTAL_IMPORTING)
    }
}

/// Publishes an instance that was polled just now, as a poll does.
pub(super) fn polled(store: &Store, key: &InstanceKey, name: &str, tasks: Vec<Task>) {
    polled_at(store, key, name, tasks, NOW, &[]);
}

/// The same at another time, with descriptions.
pub(super) fn polled_at(
    store: &Store,
    key: &InstanceKey,
    name: &str,
    tasks: Vec<Task>,
    unix_seconds: i64,
    descriptions: &[(u64, &str)],
) {
    let is_active = tasks.iter().any(|task| !task.status.is_final());
    let before = store.get(key).and_then(|before| before.last_good.clone());
    let before: BTreeMap<_, _> = before
        .iter()
        .flat_map(|good| good.tasks.iter())
        .map(|task| (task.import_id, task.status))
        .collect();
    let entered: Vec<_> = tasks
        .iter()
        .filter(|task| before.get(&task.import_id).is_some_and(|status| *status != task.status))
        .map(|task| task.import_id)
        .collect();
    let count = tasks.len();
    let walk = GoodWalk {
        ended_at: at(unix_seconds),
        duration: Duration::from_millis(420),
        pages: count.div_ceil(100).max(1) as u32,
        tasks: tasks.into_iter().collect(),
    };
    let descriptions: Vec<_> =
        descriptions.iter().map(|(id, text)| (ImportId(*id), (*text).into())).collect();
    let walked = Walked { pages: walk.pages, tasks: count };
    store.record(|history| {
        let tasks = walk.tasks.clone();
        let observed = Observed {
            tasks,
            entered: &entered,
            descriptions: &descriptions,
            has_new_positions: true,
        };
        history.observe(key, at(unix_seconds), observed);
        history.poll_ended(Poll {
            key: key.clone(),
            ended_at: at(unix_seconds),
            duration: walk.duration,
            calls: walked.pages,
            walked: Some(walked),
            failure: None,
        });
    });
    store.publish(InstanceSnapshot {
        state: if is_active { PollState::Active } else { PollState::Idle },
        up: Some(true),
        next_poll: Some(at(unix_seconds + 60)),
        last_good: Some(walk),
        ..pending(key, name)
    });
}

/// Publishes that the last poll of an instance failed just now.
pub(super) fn failed(store: &Store, key: &InstanceKey, name: &str, error: &Error) {
    failed_at(store, key, name, error, NOW);
}

/// The same at another time.
fn failed_at(store: &Store, key: &InstanceKey, name: &str, error: &Error, unix_seconds: i64) {
    store.record(|history| {
        let failure = Some(history.failure(error));
        history.poll_ended(Poll {
            key: key.clone(),
            ended_at: at(unix_seconds),
            duration: Duration::from_secs(2),
            calls: 3,
            walked: None,
            failure,
        });
    });
    let before = store.get(key).map_or_else(|| pending(key, name), |before| (*before).clone());
    store.publish(InstanceSnapshot {
        state: PollState::Failing,
        up: Some(false),
        next_poll: Some(at(unix_seconds + 300)),
        ..before
    });
}

pub(super) fn pending(key: &InstanceKey, name: &str) -> InstanceSnapshot {
    let stale_after = Duration::from_secs(900);
    InstanceSnapshot::pending(key.clone(), Engine::MySQL, Arc::from(name), stale_after)
}

pub(super) fn account(server: &Server, name: &str, failure: Option<&Error>) {
    server.instruments.budget(name, 5.0);
    server.store.record(|history| {
        let backing_off =
            failure.map(|error| (at(NOW) - TimeDelta::minutes(7), history.failure(error)));
        let account = AccountHistory { requests_per_second: 5.0, backing_off };
        history.account_changed(&name.into(), account);
    });
}

/// Something of everything: fresh and old failures, lag that falls, an instance that fails, one
/// that did and one that nobody asked yet.
pub(super) fn mixed(server: &Server) {
    let store = &server.store;
    let [orders, ledger, trial, new] = [
        key("production", "cn-hangzhou", "rm-orders"),
        key("production", "ap-southeast-1", "rm-ledger"),
        key("staging", "cn-hangzhou", "rm-trial"),
        key("staging", "cn-hangzhou", "rm-new"),
    ];
    account(server, "production", None);
    account(server, "staging", None);
    let before = [
        task(1, TaskStatus::FULL_IMPORTING),
        task(2, TaskStatus::FAILED),
        task(3, TaskStatus::SUCCESS),
        lagging(4, 1_500),
        task(5, TaskStatus::parse("PausedByOperator").unwrap()),
    ];
    let words = [(1, "2 of 7 tables"), (2, "failed: the disk is full")];
    for n in 0..8 {
        let lag = 1_500 - 100 * n;
        let failed = task(1, TaskStatus::FAILED);
        let tasks = [&before[1..3], &[lagging(4, lag), before[4]]].concat();
        let first = if n < 7 { before[0] } else { failed };
        let tasks = [&[first][..], &tasks].concat();
        let words = if n < 7 { words } else { [(1, "failed: refused"), words[1]] };
        polled_at(store, &orders, "orders", tasks, NOW - 60 * i64::from(7 - n), &words);
    }
    polled_at(store, &ledger, "ledger", vec![task(1, TaskStatus::NOT_START)], NOW - 600, &[]);
    let id = Some("6E4A1A1C-5C6D-4A59-9D3F-6F2B3E0A1B2C".to_owned());
    let down = Error::answered("ServiceUnavailable", 503, "The service is down.", id);
    failed(store, &ledger, "ledger", &down);
    failed_at(store, &trial, "", &down, NOW - 90);
    polled(store, &trial, "", vec![task(9, TaskStatus::CANCELED)]);
    store.publish(pending(&new, "new"));
}
