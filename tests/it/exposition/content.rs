//! For any snapshots the page keeps the rules and says what the snapshots say, no more, no less.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::domain::{Engine, Position, Task, TaskStatus};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, PollState, Store};
use chrono::DateTime;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{fixtures, parse, text};

/// A series and its value. The name is without its prefix.
type Series = (String, Vec<(String, String)>);

/// Undocumented words live as long as the process, and only so many: a few hostile ones must do.
const STATUSES: [&str; 6] = ["Success", "IncrementalImporting", "Zz", "a\"b", "c\\", "迁\n移"];
const TYPES: [&str; 4] = ["Full", "Incremental", "\\\"\n", "🚚"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["default", "cn-hangzhou", "", "\\", "\"", "\n", "{}", "\",x=\"", "\\n", "ü"])
            .prop_map(String::from),
        ".{0,6}",
    ]
}

fn tasks() -> impl Strategy<Value = Arc<[Task]>> {
    let position = (any::<u32>(), any::<u32>())
        .prop_map(|(unix_seconds, lag_seconds)| Position { unix_seconds, lag_seconds });
    let what = (select(&TYPES), select(&STATUSES), option::of(position));
    let id = prop_oneof![0..200u64, any::<u64>()];
    btree_map(id, what, 0..12).prop_map(|tasks| {
        let tasks = tasks.into_iter();
        tasks
            .map(|(id, (kind, status, position))| fixtures::task(id, kind, status, position))
            .collect()
    })
}

fn good_walk() -> impl Strategy<Value = GoodWalk> {
    let age = prop_oneof![0..1_000_000i64, 890_000..910_000i64];
    (age, any::<u32>(), any::<u32>(), tasks()).prop_map(|(age, micros, pages, tasks)| GoodWalk {
        ended_at: fixtures::now() - chrono::TimeDelta::milliseconds(age),
        duration: Duration::from_micros(micros.into()),
        pages,
        tasks,
    })
}

fn snapshot() -> impl Strategy<Value = InstanceSnapshot> {
    let key = (name(), name(), name());
    let state = (select(&PollState::ALL), option::of(any::<bool>()), any::<bool>());
    let next_poll = option::of(0..4_102_444_800_000i64);
    let entered = btree_map(select(&STATUSES), 0..1_000u64, 0..4);
    (key, name(), state, next_poll, option::of(good_walk()), entered).prop_map(
        |((account, region, id), name, (state, up, sql_server), next_poll, last_good, entered)| {
            let mut snapshot = fixtures::pending(fixtures::key(&account, &region, &id), &name);
            if sql_server {
                snapshot.engine = Engine::SQLServer;
            }
            snapshot.state = state;
            snapshot.up = up;
            snapshot.next_poll = next_poll.and_then(DateTime::from_timestamp_millis);
            snapshot.last_good = last_good;
            let entered = entered.into_iter();
            let entered = entered.map(|(word, count)| (TaskStatus::parse(word).unwrap(), count));
            snapshot.transitions = Arc::new(entered.collect());
            snapshot
        },
    )
}

/// What a page must say of these snapshots, by the contract.
fn expected(store: &Store) -> BTreeMap<Series, f64> {
    let mut series = BTreeMap::new();
    for snapshot in store.snapshots() {
        let key = &snapshot.key;
        let head = [
            ("account", &*key.account),
            ("region_id", &*key.region_id),
            ("db_instance_id", &*key.db_instance_id),
        ];
        let mut add = |name: &str, rest: &[(&str, &str)], value: f64, sum: bool| {
            let labels = head.iter().chain(rest).map(|&(n, v)| (n.to_owned(), v.to_owned()));
            let old = series.entry((name.to_owned(), labels.collect())).or_insert(0.0);
            *old = if sum { *old + value } else { value };
        };
        let engine = snapshot.engine.as_str();
        add("instance_info", &[("engine", engine), ("name", &snapshot.name)], 1.0, false);
        if let Some(up) = snapshot.up {
            add("instance_up", &[], f64::from(u8::from(up)), false);
        }
        if let Some(next_poll) = snapshot.next_poll {
            let seconds = next_poll.timestamp_millis() as f64 / 1e3;
            add("instance_next_poll_timestamp_seconds", &[], seconds, false);
        }
        if let Some(good) = &snapshot.last_good {
            let ended_at = good.ended_at.timestamp_millis() as f64 / 1e3;
            add("instance_last_success_timestamp_seconds", &[], ended_at, false);
            add("instance_walk_duration_seconds", &[], good.duration.as_secs_f64(), false);
            add("instance_walk_pages", &[], f64::from(good.pages), false);
        }
        for status in TaskStatus::DOCUMENTED {
            add("task_transitions_total", &[("status", status.as_str())], 0.0, false);
        }
        for (status, count) in &*snapshot.transitions {
            add("task_transitions_total", &[("status", status.as_str())], *count as f64, false);
        }
        let Some(tasks) = snapshot.tasks_shown(fixtures::now()) else { continue };
        for kind in ["Full", "Incremental"] {
            for status in TaskStatus::DOCUMENTED {
                add("tasks", &[("type", kind), ("status", status.as_str())], 0.0, true);
            }
        }
        for task in tasks {
            let id = task.import_id.to_string();
            let what = [("type", task.kind.as_str()), ("status", task.status.as_str())];
            add("tasks", &what, 1.0, true);
            add("task_status", &[[("import_id", &*id)].as_slice(), &what].concat(), 1.0, false);
            if let Some(Position { unix_seconds, lag_seconds }) = task.position {
                let id = [("import_id", &*id)];
                let name = "task_incremental_position_timestamp_seconds";
                add(name, &id, unix_seconds.into(), false);
                add("task_incremental_lag_seconds", &id, lag_seconds.into(), false);
            }
        }
    }
    for snapshot in store.snapshots() {
        for state in PollState::ALL {
            let scope = [
                ("account", &*snapshot.key.account),
                ("region_id", &*snapshot.key.region_id),
                ("state", state.as_str()),
            ];
            let labels = scope.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
            let count = series.entry(("exporter_instances".to_owned(), labels)).or_insert(0.0);
            *count += f64::from(u8::from(state == snapshot.state));
        }
    }
    series
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_page_says_what_the_snapshots_say(snapshots in vec(snapshot(), 0..6)) {
        let store = Store::new();
        for snapshot in snapshots {
            store.publish(snapshot);
        }
        let instruments = Instruments::new().unwrap();
        let own: Vec<_> = instruments.gather().iter().map(|own| own.name().to_owned()).collect();

        let page = match parse(&text::page(&store, &instruments)) {
            Ok(page) => page,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };

        let shown = page.families.into_iter().filter(|family| !own.contains(&family.name));
        let shown: BTreeMap<Series, f64> = shown
            .flat_map(|family| family.samples)
            .map(|sample| {
                let name = sample.name.strip_prefix("aliyun_rds_import_").unwrap().to_owned();
                ((name, sample.labels), sample.value)
            })
            .collect();
        prop_assert_eq!(shown, expected(&store));
    }
}
