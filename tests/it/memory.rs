//! How much memory an instance takes, counted by the allocator: on every machine the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::config::{Environment, load};
use aliyun_rds_import_exporter::domain::{
    Engine, ImportId, InstanceKey, Position, Task, TaskStatus, TaskType,
};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::metrics::{Coding, Exposition, Format};
use aliyun_rds_import_exporter::store::history::Observed;
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, Store, TaskList};
use allocation_counter::{AllocationInfo, measure};
use chrono::{DateTime, Utc};

const INSTANCES: u64 = 1_000;

// Bytes for each instance, an eighth more than what it was when they were written down. What is
// shown is there twice: the last page lives on with what it was made of until the next one is.
const SHOWN: u64 = 2_300;
const SHOWN_AT_MOST: u64 = 3_600;
const CONFIGURED: u64 = 175;
const CONFIGURED_AT_MOST: u64 = 1_500;

/// A fleet of instances of 10 tasks, as polls publish it.
struct Fleet {
    store: Store,
    exposition: Exposition,
    account: Arc<str>,
    region_id: Arc<str>,
}

impl Fleet {
    fn new() -> Self {
        let store = Store::new();
        let exposition = Exposition::new(store.clone(), Instruments::new().unwrap());
        Self { store, exposition, account: "default".into(), region_id: "cn-hangzhou".into() }
    }

    /// Publishes every instance with tasks that all have changed, and scrapes.
    fn change(&self, turn: u32) {
        for number in 0..INSTANCES {
            let key = InstanceKey {
                account: Arc::clone(&self.account),
                region_id: Arc::clone(&self.region_id),
                db_instance_id: format!("rm-{number:07}").into(),
            };
            let tasks: TaskList = (0..10).map(|task| changed(number * 10 + task, turn)).collect();
            let entered: Vec<_> = tasks.iter().map(|task| task.import_id).collect();
            let said: Arc<str> = "going well".into();
            let descriptions: Vec<_> = entered.iter().map(|id| (*id, Arc::clone(&said))).collect();
            let observed = Observed {
                tasks: tasks.clone(),
                entered: &entered,
                descriptions: &descriptions,
                has_new_positions: true,
            };
            self.store.record(|history| history.observe(&key, at(turn), observed));
            let name = Arc::from("");
            let stale_after = Duration::from_secs(900);
            let mut snapshot = InstanceSnapshot::pending(key, Engine::MySQL, name, stale_after);
            snapshot.up = Some(true);
            let duration = Duration::from_millis(80);
            snapshot.last_good = Some(GoodWalk { ended_at: at(turn), duration, pages: 1, tasks });
            self.store.publish(snapshot);
        }
        let page = self.exposition.page(Format::Text, Coding::Gzip, at(turn));
        assert!(page.size() > INSTANCES);
    }
}

fn at(turn: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_787_220_000 + i64::from(turn) * 60, 0).unwrap()
}

fn changed(number: u64, turn: u32) -> Task {
    let statuses = [TaskStatus::INCREMENTAL_IMPORTING, TaskStatus::INCREMENTAL_WAITING];
    let place = (number + u64::from(turn)) % 2;
    let lag_seconds = (number * 7_919 % 900) as u32 + turn;
    Task {
        import_id: ImportId(1_000_000 + number),
        kind: TaskType::INCREMENTAL,
        status: statuses[place as usize],
        position: Some(Position { unix_seconds: 1_787_220_000 - lag_seconds, lag_seconds }),
    }
}

/// Bytes for each instance.
fn each(bytes: u64) -> u64 {
    bytes / INSTANCES
}

#[test]
fn an_instance_of_ten_tasks_takes_little_memory_while_it_is_shown() {
    let fleet = Fleet::new();
    // The compressors, the registry and the like are there once the first page is.
    fleet.exposition.page(Format::Text, Coding::Gzip, at(0));
    let AllocationInfo { bytes_current, bytes_max, .. } = measure(|| {
        for turn in 1..4 {
            fleet.change(turn);
        }
    });
    let held = each(bytes_current.unsigned_abs());
    assert!(held < SHOWN, "{held} bytes held for each instance");
    let most = each(bytes_max);
    assert!(most < SHOWN_AT_MOST, "{most} bytes at most for each instance");
}

#[test]
fn a_configuration_is_read_in_little_memory() {
    let items = (0..INSTANCES)
        .map(|number| format!("  - {{id: rm-{number:07}, region: cn-hangzhou, engine: MySQL}}\n"));
    let text = format!("instances:\n{}", items.collect::<String>());
    let environment = Environment::default();
    let read = || load::from_str(&text, "config.yaml", Path::new(""), &environment).unwrap();
    drop(read());
    let mut loaded = None;
    let AllocationInfo { bytes_current, bytes_max, .. } = measure(|| loaded = Some(read()));
    let held = each(bytes_current.unsigned_abs());
    assert!(held < CONFIGURED, "{held} bytes held for each instance");
    let most = each(bytes_max);
    assert!(most < CONFIGURED_AT_MOST, "{most} bytes at most for each instance");
}
