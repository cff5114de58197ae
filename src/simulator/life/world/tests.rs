use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::simulator::{Generator, Lag, Step, Task};

const ID: &str = "rm-one";

fn start() -> DateTime<Utc> {
    "2024-01-02T03:04:05Z".parse().unwrap()
}

fn world(scenario: &Scenario) -> (ManualClock, World) {
    let hands = ManualClock::new(start());
    let world = World::new(scenario, hands.clock());
    (hands, world)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything that the API could tell of the instance, without a window.
fn items(world: &World) -> Vec<(u64, Status, Option<String>)> {
    let (instance, moment) = (world.instance(ID).unwrap(), world.moment());
    let entries = world.list(&instance, &moment, always());
    let items = entries.iter().map(|entry| entry.item(&moment));
    items.map(|item| (item.import_id, item.status, item.importing_time)).collect()
}

fn always() -> (DateTime<Utc>, DateTime<Utc>) {
    ("0001-01-01T00:00:00Z".parse().unwrap(), "9999-12-31T23:59:00Z".parse().unwrap())
}

#[test]
fn a_task_lives_by_the_clock_and_the_speed() {
    let life = Life::every_kind().remove(0);
    let tasks = vec![
        Task { created: TimeDelta::seconds(-15), ..Task::new(1, life.clone()) },
        Task { created: TimeDelta::seconds(40), ..Task::new(2, life) },
    ];
    let scenario = Scenario { speed: 4.0, ..Scenario::of(vec![Instance::new(ID, tasks)]) };
    let (hands, world) = world(&scenario);
    let statuses = || {
        let items = items(&world).into_iter();
        let statuses = items.map(|(id, status, _)| (id, status.as_str())).collect::<Vec<_>>();
        hands.advance(seconds(5));
        statuses
    };
    // Every five seconds are twenty of the world's.
    assert_eq!(statuses(), [(1, "FullExporting")]);
    assert_eq!(statuses(), [(1, "FullImporting")]);
    assert_eq!(statuses(), [(2, "NotStart"), (1, "FullImporting")]);
    assert_eq!(statuses(), [(2, "FullExporting"), (1, "Success")]);
}

#[test]
fn the_position_is_behind_the_wall_by_the_lag_whatever_the_speed() {
    let lag = Lag { low: seconds(10), high: seconds(40), period: seconds(600) };
    let life =
        Life { lag: Some(lag), ..Life::steady(Kind::Incremental, Status::IncrementalWaiting) };
    let instance = Instance::new(ID, vec![Task::new(1, life)]);
    let (hands, world) = world(&Scenario { speed: 10.0, ..Scenario::of(vec![instance]) });
    let mut behind = Vec::new();
    for _ in 0..5 {
        let position = items(&world).remove(0).2.unwrap().parse::<DateTime<Utc>>().unwrap();
        behind.push((hands.clock().now() - position).num_seconds());
        hands.advance(seconds(15));
    }
    assert_eq!(behind, [10, 25, 40, 25, 10]);
}

#[test]
fn the_position_stands_still_when_synchronisation_has_stopped() {
    let steps =
        vec![Step::lasting(Status::IncrementalImporting, 60), Step::last(Status::StopSyncing)];
    let life = Life { importing_time: Precision::Minutes, ..Life::new(Kind::Incremental, steps) };
    let scenario = Scenario::of(vec![Instance::new(ID, vec![Task::new(1, life)])]);
    let (hands, world) = world(&scenario);
    hands.advance(seconds(60));
    let stopped = items(&world);
    assert_eq!(stopped[0].2.as_deref(), Some("2024-01-02T03:05Z"));
    hands.advance(seconds(86_400));
    assert_eq!(items(&world), stopped);
}

#[test]
fn a_jump_of_the_wall_moves_no_task() {
    let scenario = Scenario::of(vec![Instance::generated(ID, Generator::standing(9))]);
    let (hands, world) = world(&scenario);
    let before: Vec<_> = items(&world).into_iter().map(|(id, status, _)| (id, status)).collect();
    hands.jump(TimeDelta::hours(-5));
    let after: Vec<_> = items(&world).into_iter().map(|(id, status, _)| (id, status)).collect();
    assert_eq!(before, after);
}

fn a_step() -> impl Strategy<Value = Step> {
    (0..10_usize, 1..200_u64).prop_map(|(at, lasts)| Step::lasting(Status::ALL[at], lasts))
}

fn a_life() -> impl Strategy<Value = Life> {
    (prop::collection::vec(a_step(), 1..6), any::<bool>(), any::<bool>()).prop_map(
        |(steps, repeat, incremental)| {
            let kind = if incremental { Kind::Incremental } else { Kind::Full };
            Life { repeat, ..Life::new(kind, steps) }
        },
    )
}

fn a_task() -> impl Strategy<Value = Task> {
    (1..500_u32, -5_000..5_000_i64, a_life()).prop_map(|(import_id, created, life)| Task {
        import_id,
        created: TimeDelta::seconds(created),
        life,
    })
}

fn a_scenario() -> impl Strategy<Value = Scenario> {
    let generator =
        (1..150_u32, prop::option::of(1..300_u64), prop::collection::vec(a_life(), 1..4));
    let generator = generator.prop_map(|(count, every, lives)| Generator {
        every: every.map(seconds),
        first_id: 1_000,
        lives,
        ..Generator::standing(count)
    });
    let parts = (
        prop::collection::vec(a_task(), 0..40),
        prop::option::of(generator),
        prop::sample::select(vec![0.5, 1.0, 7.0, 60.0]),
        any::<bool>(),
    );
    parts.prop_map(|(mut tasks, generate, speed, oldest)| {
        let mut ids = HashSet::new();
        tasks.retain(|task| ids.insert(task.import_id));
        let order = if oldest { Order::OldestFirst } else { Order::NewestFirst };
        let instance = Instance { generate, ..Instance::new(ID, tasks) };
        Scenario { speed, order, ..Scenario::of(vec![instance]) }
    })
}

proptest! {
    #[test]
    fn at_any_time_each_task_has_one_documented_status(
        scenario in a_scenario(),
        at in 0..100_000_u64,
    ) {
        prop_assert_eq!(scenario.problems(), []);
        let (hands, world) = world(&scenario);
        hands.advance(seconds(at));
        let items = items(&world);
        let ids: HashSet<_> = items.iter().map(|(id, _, _)| *id).collect();
        prop_assert_eq!(ids.len(), items.len());
        let documented = |word| Status::ALL.iter().any(|status| status.as_str() == word);
        prop_assert!(items.iter().all(|(_, status, _)| documented(status.as_str())));
        let positions = items.iter().filter_map(|(_, _, time)| time.as_deref());
        for position in positions.filter(|position| !position.is_empty()) {
            let position: DateTime<Utc> = position.parse().unwrap();
            prop_assert!(position <= hands.clock().now());
        }
        prop_assert_eq!(self::items(&world), items);
    }

    #[test]
    fn windows_that_meet_partition_the_list(
        scenario in a_scenario(),
        at in 0..10_000_u64,
        cut in -6_000..6_000_i64,
    ) {
        let (hands, world) = world(&scenario);
        hands.advance(seconds(at));
        let (instance, moment) = (world.instance(ID).unwrap(), world.moment());
        let ids = |from, to| {
            let entries = world.list(&instance, &moment, (from, to));
            entries.iter().map(|entry| entry.import_id).collect::<Vec<_>>()
        };
        let (first, last) = always();
        let minute = start() + TimeDelta::seconds(cut);
        let minute = minute - TimeDelta::seconds(minute.timestamp() % 60);
        let (mut older, mut newer) = (ids(first, minute), ids(minute + TimeDelta::minutes(1), last));
        let all = if world.order == Order::OldestFirst {
            older.append(&mut newer);
            older
        } else {
            newer.append(&mut older);
            newer
        };
        prop_assert_eq!(all, ids(first, last));
    }
}
