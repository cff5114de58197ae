//! For any snapshots the page keeps the rules and says what the snapshots say, no more, no less.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::domain::{Engine, Position, TaskStatus};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::metrics::Exposition;
use aliyun_rds_import_exporter::store::{
    GoodWalk, InstanceSnapshot, PollState, Revised, Store, TaskList, Transitions,
};
use chrono::{DateTime, TimeDelta, Utc};
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

fn tasks() -> impl Strategy<Value = TaskList> {
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
    let entered = btree_map(select(&STATUSES), 0..1_000u32, 0..4);
    (key, name(), state, next_poll, option::of(good_walk()), entered).prop_map(
        |((account, region, id), name, (state, up, sql_server), next_poll, last_good, entered)| {
            let engine = if sql_server { Engine::SQLServer } else { Engine::MySQL };
            let key = fixtures::key(&account, &region, &id);
            let mut snapshot = fixtures::pending(key, engine, &name);
            snapshot.state = state;
            snapshot.up = up;
            snapshot.next_poll = next_poll.and_then(DateTime::from_timestamp_millis);
            snapshot.last_good = last_good;
            let mut transitions = Transitions::clone(&snapshot.transitions);
            for (word, tasks) in entered {
                transitions.add(TaskStatus::parse(word).unwrap(), tasks);
            }
            snapshot.transitions = Revised::new(transitions);
            snapshot
        },
    )
}

/// What a page must say of these snapshots, by the contract.
fn expected(store: &Store) -> BTreeMap<Series, f64> {
    let mut series = BTreeMap::new();
    for snapshot in store.snapshots() {
        let key = snapshot.key();
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
        let engine = snapshot.identity.engine.as_str();
        add("instance_info", &[("engine", engine), ("name", &snapshot.identity.name)], 1.0, false);
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
        for (status, count) in snapshot.transitions.iter() {
            add("task_transitions_total", &[("status", status.as_str())], f64::from(count), false);
        }
        let Some(tasks) = snapshot.tasks_shown(fixtures::now()) else { continue };
        for kind in ["Full", "Incremental"] {
            for status in TaskStatus::DOCUMENTED {
                add("tasks", &[("type", kind), ("status", status.as_str())], 0.0, true);
            }
        }
        for task in tasks.iter() {
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
                ("account", &*snapshot.key().account),
                ("region_id", &*snapshot.key().region_id),
                ("state", state.as_str()),
            ];
            let labels = scope.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
            let count = series.entry(("exporter_instances".to_owned(), labels)).or_insert(0.0);
            *count += f64::from(u8::from(state == snapshot.state));
        }
    }
    series
}

/// What happens to a fleet between scrapes.
#[derive(Clone, Debug)]
enum Event {
    Publish(Box<InstanceSnapshot>),
    /// The instance at this place, if there is one, is forgotten,
    Remove(usize),
    /// or polled: its answer was the same as before,
    PollUnchanged(usize),
    /// or lost its last task,
    DropTask(usize),
    /// or cannot be reached any more.
    Fail(usize),
    /// Time goes on, or back.
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => snapshot().prop_map(|snapshot| Event::Publish(Box::new(snapshot))),
        1 => (0..8_usize).prop_map(Event::Remove),
        2 => (0..8_usize).prop_map(Event::PollUnchanged),
        2 => (0..8_usize).prop_map(Event::DropTask),
        1 => (0..8_usize).prop_map(Event::Fail),
        2 => (-600_000..1_200_000_i64).prop_map(Event::Pass),
    ]
}

fn happen(store: &Store, now: &mut DateTime<Utc>, event: Event) {
    let known = |place: usize| store.snapshots().get(place).cloned();
    match event {
        Event::Publish(snapshot) => store.publish(*snapshot),
        Event::Remove(place) => {
            if let Some(snapshot) = known(place) {
                store.remove(snapshot.key());
            }
        }
        Event::PollUnchanged(place) => change(store, known(place), |snapshot, good| {
            snapshot.up = Some(true);
            good.ended_at = *now;
            good.tasks = good.tasks.changed_to(good.tasks.to_vec());
        }),
        Event::DropTask(place) => change(store, known(place), |_, good| {
            let left = good.tasks.len().saturating_sub(1);
            good.tasks = good.tasks.changed_to(good.tasks[..left].to_vec());
        }),
        Event::Fail(place) => change(store, known(place), |snapshot, _| snapshot.up = Some(false)),
        Event::Pass(milliseconds) => *now += TimeDelta::milliseconds(milliseconds),
    }
}

fn change(
    store: &Store,
    snapshot: Option<Arc<InstanceSnapshot>>,
    change: impl FnOnce(&mut InstanceSnapshot, &mut GoodWalk),
) {
    let Some(snapshot) = snapshot else { return };
    let mut snapshot = InstanceSnapshot::clone(&snapshot);
    let Some(mut good) = snapshot.last_good.take() else { return };
    change(&mut snapshot, &mut good);
    snapshot.last_good = Some(good);
    store.publish(snapshot);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_page_says_what_the_snapshots_say(snapshots in vec(snapshot(), 0..6)) {
        let store = Store::new();
        for snapshot in snapshots {
            store.publish(snapshot);
        }
        let instruments = Instruments::new().unwrap();
        let own: Vec<_> = instruments.gather(fixtures::now()).iter().map(|own| own.name().to_owned()).collect();

        let page = text::page(&store, &instruments);
        let page = parse(&page).map_err(|error| TestCaseError::fail(error.to_string()))?;

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

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // Each makes dozens of pages, in every form.
        cases: 32,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_page_that_takes_over_from_the_one_before_is_the_same_as_one_made_anew(
        events in vec((event(), any::<bool>()), 0..40),
    ) {
        let (store, instruments, mut now) = (Store::new(), Instruments::new().unwrap(), fixtures::now());
        let kept = Exposition::new(store.clone(), instruments.clone());
        for (event, scraped) in events {
            happen(&store, &mut now, event);
            if scraped {
                let anew = Exposition::new(store.clone(), instruments.clone());
                prop_assert_eq!(text::page_of(&kept, now), text::page_of(&anew, now));
            }
        }
    }
}
