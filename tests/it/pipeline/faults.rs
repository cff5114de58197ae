//! Faults that need virtual time, or a look at what the API was asked; the table of all others is in
//! `crate::faults`.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    Effect, Endless, Fault, Instance, Kind, Scenario, Simulator, State, Status, Task,
};
use chrono::TimeDelta;

use super::{ManualClock, Pipeline, config, is_up, tasks};

const FAULTY: &str = "rm-faulty";
const OTHER: &str = "rm-other";

fn scenario() -> Scenario {
    let many = (1..=150).map(|id| Task::steady(id, Kind::Full, Status::FullImporting));
    let one = Task::steady(1, Kind::Incremental, Status::IncrementalImporting);
    Scenario::of(vec![Instance::new(FAULTY, many.collect()), Instance::new(OTHER, vec![one])])
}

async fn all_well() -> Pipeline {
    let pipeline = Pipeline::start(scenario()).await;
    pipeline.until_up(FAULTY, true).await;
    pipeline.until_up(OTHER, true).await;
    pipeline
}

#[tokio::test]
async fn endless_pages() {
    let pipeline = all_well().await;
    let before = tasks(&pipeline.page().await, FAULTY);
    let calls = pipeline.control.request_count();

    pipeline.control.set_faults(vec![Fault::on(FAULTY, Effect::EndlessPages(Endless::Growing))]);
    let page = pipeline.until_up(FAULTY, false).await;

    assert!(pipeline.control.request_count() - calls >= 1_000);
    let labels = [("code", "bad_response")];
    let failures = page.value("aliyun_rds_import_exporter_walk_failures_total", &labels);
    assert!(failures >= Some(1.0));
    assert_eq!(tasks(&page, FAULTY), before);
    assert_eq!(is_up(&page, OTHER), Some(1.0));
}

#[tokio::test]
async fn undocumented_words_are_shown_and_counted() {
    let faults = vec![
        Fault::on(FAULTY, Effect::UnknownStatus("Paused".into())),
        Fault::on(FAULTY, Effect::UnknownType("Partial".into())),
    ];
    let pipeline = Pipeline::start(Scenario { faults, ..scenario() }).await;

    let page = pipeline.until_up(FAULTY, true).await;

    assert!(tasks(&page, FAULTY).iter().any(|task| task.2 == "Paused"), "{page:#?}");
    for field in ["ImportDataStatus", "ImportDataType"] {
        let unknown =
            page.value("aliyun_rds_import_exporter_unknown_values_total", &[("field", field)]);
        assert!(unknown >= Some(1.0), "{field}");
    }
}

#[tokio::test]
async fn a_time_that_makes_no_sense_costs_the_lag_alone() {
    let faults = vec![Fault::on(OTHER, Effect::ImportingTime("0001-01-01T00:00:00Z".into()))];
    let pipeline = Pipeline::start(Scenario { faults, ..scenario() }).await;

    let page = pipeline.until_up(OTHER, true).await;

    assert_eq!(tasks(&page, OTHER).len(), 1);
    assert!(page.samples("aliyun_rds_import_task_incremental_lag_seconds").is_empty());
}

#[tokio::test]
async fn a_clock_that_is_off_is_measured_and_made_up_for() {
    let skew = chrono::TimeDelta::hours(-2);
    let faults = vec![Fault::always(Effect::ClockSkew(skew))];
    let pipeline = Pipeline::start(Scenario { faults, ..scenario() }).await;

    let page = pipeline.until_up(OTHER, true).await;

    let name = "aliyun_rds_import_exporter_clock_skew_seconds";
    let measured = page.value(name, &[("account", "default")]).unwrap();
    assert!((7_190.0..=7_210.0).contains(&measured), "ours minus theirs: {measured}");
    let expired = page.value(
        "aliyun_rds_import_exporter_api_request_failures_total",
        &[("code", "InvalidTimeStamp.Expired")],
    );
    assert!(expired >= Some(1.0));
}

#[tokio::test]
async fn a_disabled_key_backs_the_account_off_and_comes_back() {
    let pipeline = all_well().await;
    let before = tasks(&pipeline.page().await, FAULTY);

    assert!(pipeline.control.set_key_active("default", false));
    pipeline.until_up(FAULTY, false).await;
    let page = pipeline.until_up(OTHER, false).await;
    let labels = [("code", "InvalidAccessKeyId.Inactive")];
    let failures = page.value("aliyun_rds_import_exporter_walk_failures_total", &labels);
    assert!(failures >= Some(2.0));
    assert_eq!(tasks(&page, FAULTY), before);
    // One call at a time, from 5 seconds to 5 minutes apart: never as many as the polls missed.
    let calls = pipeline.control.request_count();
    for _ in 0..240 {
        pipeline.hands.advance(Duration::from_millis(250));
        pipeline.page().await;
    }
    assert!(pipeline.control.request_count() - calls <= 5);

    assert!(pipeline.control.set_key_active("default", true));
    pipeline.until_up(FAULTY, true).await;
    pipeline.until_up(OTHER, true).await;
}

#[tokio::test]
async fn an_instance_that_fails_for_ever_is_withdrawn_when_it_is_stale_and_harms_no_other() {
    let stale_after = Duration::from_secs(600);
    let adjust = |config: &mut super::Config| config.polling.stale_after = stale_after;
    let pipeline = Pipeline::with(scenario(), adjust).await;
    pipeline.until_up(FAULTY, true).await;
    let last = pipeline.until_up(OTHER, true).await;
    let name = "aliyun_rds_import_instance_last_success_timestamp_seconds";
    let good = |page: &crate::exposition::Page, id| page.value(name, &[("db_instance_id", id)]);
    let before = tasks(&last, FAULTY);

    assert!(pipeline.control.set_state(FAULTY, State::Missing));
    let mut page = pipeline.until_up(FAULTY, false).await;
    let since = good(&page, FAULTY).unwrap();
    while pipeline.hands.clock().now().timestamp() as f64 - since < 2.0 * 600.0 {
        let (age, shown) = (pipeline.hands.clock().now(), tasks(&page, FAULTY));
        if age.timestamp() as f64 - since < 590.0 {
            assert_eq!(shown, before, "they stay until then");
        }
        pipeline.hands.advance(Duration::from_secs(5));
        page = pipeline.page().await;
        assert_eq!(is_up(&page, FAULTY), Some(0.0));
        assert_eq!(is_up(&page, OTHER), Some(1.0));
    }

    assert!(tasks(&page, FAULTY).is_empty(), "nobody knows what they are now");
    assert_eq!(good(&page, FAULTY), Some(since));
    let later =
        pipeline.until("the other is polled", |page| good(page, OTHER) > good(&last, OTHER));
    later.await;
    assert!(pipeline.control.set_state(FAULTY, State::Normal));
    let page = pipeline.until_up(FAULTY, true).await;
    assert_eq!(tasks(&page, FAULTY), before);
}

#[tokio::test]
async fn a_clock_that_jumps_delays_no_poll_and_loses_no_task() {
    let start = "2026-11-24T12:00:00Z".parse().unwrap();
    let (ours, theirs) = (ManualClock::new(start), ManualClock::new(start));
    let old = |task| Task { created: TimeDelta::days(-2), ..task };
    let running = Task::steady(1, Kind::Incremental, Status::IncrementalImporting);
    let list = vec![old(running), old(Task::steady(2, Kind::Full, Status::Success))];
    let scenario = Scenario::of(vec![Instance::new(FAULTY, list)]);
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, theirs.clock(), loopback).await.unwrap();
    let config = config(&simulator);
    let pipeline = Pipeline::of(simulator, &config, ours).await;
    let before = tasks(&pipeline.until_up(FAULTY, true).await, FAULTY);
    assert_eq!(before.len(), 2);

    let skew = |page: &crate::exposition::Page| {
        page.value("aliyun_rds_import_exporter_clock_skew_seconds", &[]).unwrap_or_default()
    };
    let mut off = 0.0;
    for jump in [3_600, -7_200, 90_000, -86_400, 60, -60] {
        pipeline.hands.jump(TimeDelta::seconds(jump));
        off += jump as f64;
        let walks = "aliyun_rds_import_exporter_walks_total";
        let count = pipeline.page().await.value(walks, &[]);
        let began = pipeline.hands.clock().monotonic();
        let page = pipeline
            .until("two more polls", |page| page.value(walks, &[]) >= count.map(|n| n + 2.0))
            .await;

        let took = pipeline.hands.clock().monotonic() - began;
        assert!(
            took <= Duration::from_secs(60),
            "{jump}: polls are due by monotonic time: {took:?}"
        );
        assert_eq!(is_up(&page, FAULTY), Some(1.0), "{jump}");
        assert_eq!(tasks(&page, FAULTY), before, "{jump}");
        // Our clock has gone on a little meanwhile, theirs stands.
        assert!((0.0..600.0).contains(&(skew(&page) - off)), "{jump}: {} {off}", skew(&page));
    }
}
