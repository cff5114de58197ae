use super::*;

use Status::{
    Canceled, Canceling, Failed, FullExporting, FullImporting, IncrementalImporting,
    IncrementalWaiting, NotStart, StopSyncing, Success,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn lives_pass_through_their_statuses_at_their_times() {
    let [full, failing, incremental, canceled] = Life::every_kind().try_into().unwrap();
    let begin = [(0, NotStart), (9, NotStart), (10, FullExporting), (29, FullExporting)];
    let table: [(&Life, &[(u64, Status)]); 4] = [
        (&full, &[(30, FullImporting), (59, FullImporting), (60, Success), (1 << 40, Success)]),
        (&failing, &[(30, Failed), (1 << 40, Failed)]),
        (
            &incremental,
            &[
                (30, FullImporting),
                (60, IncrementalWaiting),
                (79, IncrementalWaiting),
                (80, IncrementalImporting),
                (179, IncrementalImporting),
                (180, StopSyncing),
            ],
        ),
        (&canceled, &[(59, FullImporting), (60, Canceling), (69, Canceling), (70, Canceled)]),
    ];
    for (life, times) in table {
        for &(age, status) in begin.iter().chain(times) {
            assert_eq!(life.status_at(seconds(age)), status, "{:?} at {age}", life.kind);
        }
    }
}

#[test]
fn a_life_that_repeats_begins_again() {
    let steps =
        vec![Step::lasting(IncrementalWaiting, 10), Step::lasting(IncrementalImporting, 20)];
    let life = Life { repeat: true, ..Life::new(Kind::Incremental, steps) };
    for (age, status) in [
        (0, IncrementalWaiting),
        (10, IncrementalImporting),
        (29, IncrementalImporting),
        (30, IncrementalWaiting),
        (40, IncrementalImporting),
        (3_000_000_009, IncrementalWaiting),
    ] {
        assert_eq!(life.status_at(seconds(age)), status, "{age}");
    }
}

#[test]
fn lag_grows_and_shrinks() {
    let lag = Lag { low: seconds(5), high: seconds(35), period: seconds(60) };
    let at = [0, 10, 30, 45, 60, 70].map(|age| lag.at(seconds(age)).as_secs());
    assert_eq!(at, [5, 15, 35, 20, 5, 15]);
}

#[test]
fn synchronisation_begins_goes_on_and_stops_where_it_was() {
    let steps = vec![
        Step::lasting(FullImporting, 10),
        Step::lasting(IncrementalWaiting, 10),
        Step::lasting(IncrementalImporting, 10),
        Step::last(StopSyncing),
    ];
    let life = Life::new(Kind::Incremental, steps);
    let reached = [0, 9, 10, 15, 29, 30, 99]
        .map(|age| life.synchronised_at(seconds(age)).map(|synchronised| synchronised.age));
    let expected = [None, None, Some(10), Some(15), Some(29), Some(30), Some(30)];
    assert_eq!(reached, expected.map(|age| age.map(seconds)));

    let full = Life { kind: Kind::Full, ..life.clone() };
    assert_eq!(full.synchronised_at(seconds(15)), None);
    let mute = Life { lag: None, ..life };
    assert_eq!(mute.synchronised_at(seconds(15)), None);
}

#[test]
fn a_generator_keeps_its_count_and_never_renames_a_task() {
    let generator = Generator::standing(3).moving(seconds(10));
    assert_eq!(generator.places(seconds(0)), 0..3);
    assert_eq!(generator.places(seconds(9)), 0..3);
    assert_eq!(generator.places(seconds(10)), 1..4);
    assert_eq!(generator.places(seconds(25)), 2..5);
    let created = [0, 2, 3, 4].map(|place| generator.created(place).num_seconds());
    assert_eq!(created, [-20, 0, 10, 20]);
    assert_eq!(generator.import_id(3), 4);
    assert_eq!(generator.life(5), generator.life(1));

    let in_batches = Generator { batch: 2, ..generator };
    assert_eq!(in_batches.places(seconds(19)), 0..4);
    assert_eq!(in_batches.places(seconds(20)), 2..5);

    let standing = Generator::standing(3);
    assert_eq!(standing.places(seconds(1 << 40)), 0..3);
}

#[test]
fn every_status_is_in_the_lives_that_generators_use() {
    let lives = Life::every_kind();
    let shown = |status| lives.iter().any(|l| l.steps.iter().any(|step| step.status == status));
    assert!(Status::ALL.into_iter().all(shown));
}

#[test]
fn statuses_are_spelled_as_the_reference_spells_them() {
    assert_eq!(
        Status::ALL.map(Status::as_str),
        [
            "NotStart",
            "FullExporting",
            "FullImporting",
            "IncrementalWaiting",
            "IncrementalImporting",
            "StopSyncing",
            "Canceling",
            "Canceled",
            "Success",
            "Failed",
        ]
    );
}
