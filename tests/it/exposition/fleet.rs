//! A fleet whose page is long enough to be kept in many parts.

use std::sync::Arc;

use aliyun_rds_import_exporter::domain::{Engine, Position, Task};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::metrics::Exposition;
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{fixtures, text};

const INSTANCES: u64 = 24;
const TASKS: u64 = 100;

/// What happens to an instance between two scrapes.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It has twice the tasks, or half of them.
    Grow,
    Shrink,
    /// Its tasks go on.
    Move,
    Remove,
    /// Another one takes the place behind it.
    Insert,
}

const EVENTS: [Event; 5] = [Event::Grow, Event::Shrink, Event::Move, Event::Remove, Event::Insert];

fn instance(id: &str, tasks: u64, lag_seconds: u32) -> InstanceSnapshot {
    let key = fixtures::key("default", "cn-hangzhou", id);
    let mut snapshot = fixtures::pending(key, Engine::MySQL, "orders");
    let position = Some(Position { unix_seconds: 1_787_000_000, lag_seconds });
    let task = |number: u64| -> Task {
        fixtures::task(number, "Incremental", "IncrementalImporting", position)
    };
    snapshot.up = Some(true);
    snapshot.last_good = Some(GoodWalk {
        ended_at: fixtures::now(),
        duration: std::time::Duration::from_secs(1),
        pages: 1,
        tasks: (0..tasks).map(|number| task(7 * number)).collect(),
    });
    snapshot
}

fn happen(store: &Store, place: usize, event: Event) {
    let snapshots = store.snapshots();
    let Some(snapshot) = snapshots.get(place % snapshots.len().max(1)) else { return };
    let InstanceSnapshot { last_good: Some(good), .. } = &**snapshot else { return };
    let id = Arc::clone(&snapshot.key().db_instance_id);
    let (count, lag) = (good.tasks.len() as u64, good.tasks.first().and_then(|t| t.position));
    let lag = lag.map_or(0, |position| position.lag_seconds);
    match event {
        Event::Grow => store.publish(instance(&id, count * 2, lag)),
        Event::Shrink => store.publish(instance(&id, count / 2, lag)),
        Event::Move => store.publish(instance(&id, count, lag + 1)),
        Event::Remove => store.remove(snapshot.key()),
        Event::Insert => store.publish(instance(&format!("{id}-b"), TASKS, 5)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // Each makes two dozen pages of near a megabyte.
        cases: 5,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_to_a_fleet_its_page_is_the_one_made_anew(
        rounds in vec(vec((any::<usize>(), select(&EVENTS)), 1..4), 3),
    ) {
        let (store, instruments) = (Store::new(), Instruments::new().unwrap());
        for number in 0..INSTANCES {
            store.publish(instance(&format!("rm-{number:03}"), TASKS, 7));
        }
        let kept = Exposition::new(store.clone(), instruments.clone());
        for events in rounds {
            for (place, event) in events {
                happen(&store, place, event);
            }
            let anew = Exposition::new(store.clone(), instruments.clone());
            let now = fixtures::now();
            // Not by prop_assert_eq, which would print both.
            prop_assert!(text::page_of(&kept, now) == text::page_of(&anew, now));
        }
    }
}
