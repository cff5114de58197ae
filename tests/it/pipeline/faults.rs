//! What the API and the network do wrong, one test a fault: the daemon goes on, the old tasks stay,
//! the page says what happened, other instances are not delayed, and all is well again by itself.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    ApiError, Drift, Drip, Effect, Endless, Fault, Field, Hint, Instance, Kind, Scenario, State,
    Status, Task,
};

use super::{Pipeline, is_up, tasks};

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

/// What is to be seen while every walk of an instance fails with `code`, and afterwards.
async fn survives_failing(
    code: &str,
    each_call_fails: bool,
    begin: impl FnOnce(&Pipeline),
    end: impl FnOnce(&Pipeline),
) {
    let pipeline = all_well().await;
    let before = tasks(&pipeline.page().await, FAULTY);
    assert_eq!(before.len(), 150);

    begin(&pipeline);
    let failed = pipeline.until_up(FAULTY, false).await;

    let labels = [("code", code)];
    let failures = failed.value("aliyun_rds_import_exporter_walk_failures_total", &labels);
    assert!(failures >= Some(1.0), "{code}: {failed:#?}");
    let calls = failed.value("aliyun_rds_import_exporter_api_request_failures_total", &labels);
    assert_eq!(calls >= Some(1.0), each_call_fails, "{code}");
    assert_eq!(tasks(&failed, FAULTY), before, "{code}: the old snapshot stays");
    let good = |page: &crate::exposition::Page, instance: &str| {
        let name = "aliyun_rds_import_instance_last_success_timestamp_seconds";
        page.value(name, &[("db_instance_id", instance)])
    };
    let polled = good(&failed, OTHER);
    let later = pipeline.until("the other is polled", |page| good(page, OTHER) > polled).await;
    assert_eq!(is_up(&later, OTHER), Some(1.0), "{code}");
    assert_eq!(tasks(&later, FAULTY), before, "{code}");

    end(&pipeline);
    // A walk that the end of the fault met half way may show more than there is until the next one.
    pipeline
        .until("all is well again", |page| {
            is_up(page, FAULTY) == Some(1.0) && tasks(page, FAULTY) == before
        })
        .await;
}

async fn survives(code: &str, effect: Effect) {
    let faults = vec![Fault::on(FAULTY, effect)];
    let begin = |pipeline: &Pipeline| pipeline.control.set_faults(faults);
    survives_failing(code, true, begin, |pipeline| pipeline.control.set_faults(Vec::new())).await;
}

async fn survives_state(code: &str, state: State) {
    let set = |pipeline: &Pipeline, state| assert!(pipeline.control.set_state(FAULTY, state));
    survives_failing(code, true, |p| set(p, state), |p| set(p, State::Normal)).await;
}

fn api_error(status: u16, code: &str) -> Effect {
    let message = "of the simulator".to_owned();
    Effect::Error(ApiError { status, code: code.to_owned(), message, retry_after: None })
}

/// A list that moves is begun again, counted by `reason`, and no task is lost by it.
async fn rides_out(reason: &str, effect: Effect) {
    let pipeline = all_well().await;
    let before = tasks(&pipeline.page().await, FAULTY);

    pipeline.control.set_faults(vec![Fault::on(FAULTY, effect)]);
    let page = pipeline
        .until(reason, |page| {
            let name = "aliyun_rds_import_exporter_walk_restarts_total";
            page.value(name, &[("reason", reason)]) >= Some(1.0)
        })
        .await;

    assert_eq!(is_up(&page, FAULTY), Some(1.0));
    let shown = tasks(&page, FAULTY);
    assert!(before.iter().all(|task| shown.contains(task)), "{reason} lost a task");
}

/// Something odd that costs no walk.
async fn tolerates(effect: Effect) {
    let pipeline =
        Pipeline::start(Scenario { faults: vec![Fault::on(FAULTY, effect)], ..scenario() }).await;
    let page = pipeline.until_up(FAULTY, true).await;
    assert_eq!(tasks(&page, FAULTY).len(), 150);
}

#[tokio::test]
async fn throttling() {
    survives("Throttling.User", Effect::Throttle(Hint::default())).await;
}

#[tokio::test]
async fn internal_error() {
    survives("InternalError", api_error(500, "InternalError")).await;
}

#[tokio::test]
async fn busy_instance() {
    survives("IncorrectDBInstanceState", api_error(500, "IncorrectDBInstanceState")).await;
}

#[tokio::test]
async fn undocumented_error() {
    survives("other", api_error(400, "Weird.Thing")).await;
}

#[tokio::test]
async fn bare_status() {
    survives("http_503", Effect::Http(503)).await;
}

#[tokio::test]
async fn too_many_requests() {
    survives("http_429", Effect::Http(429)).await;
}

#[tokio::test]
async fn redirect() {
    survives("http_302", Effect::Http(302)).await;
}

#[tokio::test]
async fn html_page_of_a_gateway() {
    survives("http_502", Effect::Html(502)).await;
}

#[tokio::test]
async fn html_page_with_success() {
    survives("bad_response", Effect::Html(200)).await;
}

#[tokio::test]
async fn hang() {
    survives("timeout", Effect::Hang).await;
}

#[tokio::test]
async fn latency_beyond_the_deadline() {
    survives("timeout", Effect::Latency(Duration::from_secs(30))).await;
}

#[tokio::test]
async fn drip_beyond_the_deadline() {
    survives("timeout", Effect::Drip(Drip { bytes: 1, pause: Duration::from_millis(100) })).await;
}

#[tokio::test]
async fn closed_connection() {
    survives("connect", Effect::Close).await;
}

#[tokio::test]
async fn reset_connection() {
    survives("connect", Effect::Reset).await;
}

#[tokio::test]
async fn cut_body() {
    survives("bad_response", Effect::CutBody).await;
}

#[tokio::test]
async fn announced_length_too_long() {
    survives("bad_response", Effect::ContentLength(10)).await;
}

#[tokio::test]
async fn announced_length_too_short() {
    survives("bad_response", Effect::ContentLength(-10)).await;
}

#[tokio::test]
async fn invalid_json() {
    survives("bad_response", Effect::InvalidJson).await;
}

#[tokio::test]
async fn missing_total() {
    survives("bad_response", Effect::Missing(Field::TotalRecordCount)).await;
}

#[tokio::test]
async fn missing_id() {
    survives("bad_response", Effect::Missing(Field::ImportId)).await;
}

#[tokio::test]
async fn missing_type() {
    survives("bad_response", Effect::Missing(Field::ImportDataType)).await;
}

#[tokio::test]
async fn null_status() {
    survives("bad_response", Effect::Nulled(Field::ImportDataStatus)).await;
}

#[tokio::test]
async fn total_of_another_type() {
    survives("bad_response", Effect::WrongType(Field::TotalRecordCount)).await;
}

#[tokio::test]
async fn oversized_body() {
    survives("bad_response", Effect::Oversized).await;
}

#[tokio::test]
async fn xml_instead_of_json() {
    survives("bad_response", Effect::Xml).await;
}

#[tokio::test]
async fn endless_total() {
    let faults = vec![Fault::on(FAULTY, Effect::EndlessPages(Endless::Fixed))];
    let begin = |pipeline: &Pipeline| pipeline.control.set_faults(faults);
    let end = |pipeline: &Pipeline| pipeline.control.set_faults(Vec::new());
    survives_failing("bad_response", false, begin, end).await;
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
async fn instance_that_was_released() {
    survives_state("InvalidDBInstanceId.NotFound", State::Missing).await;
}

#[tokio::test]
async fn instance_without_permission() {
    survives_state("Forbidden.RAM", State::Denied).await;
}

#[tokio::test]
async fn instance_of_an_unsupported_type() {
    survives_state("OperationDenied.DBInstanceType", State::UnsupportedType).await;
}

#[tokio::test]
async fn drifting_list() {
    rides_out("total_changed", Effect::Drift(Drift { insert: 1, remove: 0 })).await;
}

#[tokio::test]
async fn wrong_page_number() {
    rides_out("page_number", Effect::PageNumber(7)).await;
}

#[tokio::test]
async fn repeated_item() {
    rides_out("duplicate", Effect::DuplicateItems).await;
}

#[tokio::test]
async fn moving_total() {
    rides_out("total_changed", Effect::MovingTotal).await;
}

#[tokio::test]
async fn missing_page_number() {
    tolerates(Effect::Missing(Field::PageNumber)).await;
}

#[tokio::test]
async fn missing_request_id() {
    tolerates(Effect::Missing(Field::RequestId)).await;
}

#[tokio::test]
async fn page_record_count_of_the_documented_sample() {
    tolerates(Effect::PageRecordCount(30)).await;
}

#[tokio::test]
async fn missing_date() {
    tolerates(Effect::NoDate).await;
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
