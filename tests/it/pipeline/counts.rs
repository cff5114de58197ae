//! How many calls a walk costs, and that a scrape costs none.

use std::collections::BTreeSet;

use aliyun_rds_import_exporter::config::cost::{
    SERIES_PER_INCREMENTAL_TASK, SERIES_PER_INSTANCE, SERIES_PER_TASK,
};
use aliyun_rds_import_exporter::simulator::{Instance, Kind, Scenario, Status, Task};

use super::{Pipeline, tasks};

#[tokio::test]
async fn every_task_is_shown_once_at_the_cost_of_its_pages() {
    for count in [0_u32, 1, 29, 30, 31, 100, 101, 250, 3_000] {
        for size in [30, 50, 100] {
            let list = (1..=count).map(|id| Task::steady(id, Kind::Full, Status::Success));
            let scenario = Scenario::of(vec![Instance::new("rm-1", list.collect())]);
            let pipeline = Pipeline::with(scenario, |config| {
                config.polling.page_size = size;
                // Regular walks only: the deep one would ask for the same pages again.
                config.polling.deep_lookback = config.instances[0].lookback;
            })
            .await;

            let page = pipeline.until_up("rm-1", true).await;

            let ids: Vec<u64> = tasks(&page, "rm-1").into_iter().map(|(id, ..)| id).collect();
            assert_eq!(ids, (1..=u64::from(count)).collect::<Vec<_>>(), "{count} by {size}");
            let pages = count.div_ceil(size).max(1) as usize;
            let requests = pipeline.control.requests();
            let walk = &requests[..pages];
            let numbers: Vec<_> = walk.iter().map(|r| r.parameter("PageNumber")).collect();
            let expected: Vec<_> = (1..=pages).map(|number| number.to_string()).collect();
            assert_eq!(numbers, expected.iter().map(|n| Some(n.as_str())).collect::<Vec<_>>());
            let windows: BTreeSet<_> =
                walk.iter().map(|r| (r.parameter("StartTime"), r.parameter("EndTime"))).collect();
            assert_eq!(windows.len(), 1, "one window a walk");
            let read = page.value("aliyun_rds_import_instance_walk_pages", &[]);
            assert_eq!(read, Some(pages as f64), "{count} by {size}");
        }
    }
}

#[tokio::test]
async fn the_series_are_as_many_as_the_check_expects() {
    let list = vec![
        Task::steady(1, Kind::Incremental, Status::IncrementalImporting),
        Task::steady(2, Kind::Full, Status::FullImporting),
        Task::steady(3, Kind::Full, Status::Success),
    ];
    let pipeline = Pipeline::start(Scenario::of(vec![Instance::new("rm-1", list)])).await;
    pipeline.until_up("rm-1", true).await;

    let text = super::get(&pipeline.url).await.unwrap();

    let own = text.lines().filter(|line| line.contains("db_instance_id=\"rm-1\"")).count();
    let of_tasks = SERIES_PER_INCREMENTAL_TASK + 2 * SERIES_PER_TASK;
    assert_eq!(own, SERIES_PER_INSTANCE + of_tasks);
}

#[tokio::test]
async fn a_thousand_scrapes_cause_no_call() {
    let list = vec![Task::steady(1, Kind::Incremental, Status::IncrementalImporting)];
    let pipeline = Pipeline::start(Scenario::of(vec![Instance::new("rm-1", list)])).await;
    pipeline
        .until("the deep walk", |page| {
            page.value("aliyun_rds_import_exporter_api_requests_total", &[]) == Some(2.0)
        })
        .await;
    let before = pipeline.control.request_count();

    for _ in 0..1_000 {
        pipeline.page().await;
    }

    assert_eq!(pipeline.control.request_count(), before);
}
