//! Pages, windows, single tasks, rates, and lists that change under a walk.

use aliyun_rds_import_exporter::simulator::{
    Generator, Instance, Kind, Order, Scenario, Status, Task, Throttle,
};

use super::{Fixture, INSTANCE, account, instance, scenario};

#[tokio::test]
async fn pages_hold_the_whole_list_and_nothing_after_it() {
    let fixture = Fixture::with(130, Vec::new()).await;
    for (size, pages) in [("30", 5), ("50", 3), ("100", 2)] {
        let mut ids = Vec::new();
        for number in 1..=pages + 1 {
            let request = fixture.request().with("PageSize", size);
            let answer = fixture.send(&request.with("PageNumber", &number.to_string())).await;
            let json = answer.json();
            assert_eq!(json["TotalRecordCount"], 130);
            assert_eq!(json["PageNumber"], number);
            let page = answer.ids();
            assert_eq!(json["PageRecordCount"], page.len());
            assert_eq!(page.is_empty(), number > pages, "page {number} of size {size}");
            ids.extend(page);
        }
        assert_eq!(ids, (1..=130).rev().collect::<Vec<_>>(), "size {size}");
    }
}

#[tokio::test]
async fn a_scenario_orders_its_lists() {
    let scenario =
        Scenario { order: Order::OldestFirst, ..scenario(vec![instance(3)], Vec::new()) };
    let fixture = Fixture::start(scenario).await;
    assert_eq!(fixture.page(1).await.ids(), [1, 2, 3]);
}

#[tokio::test]
async fn one_task_is_found_by_its_number_inside_the_window() {
    let fixture = Fixture::with(50, Vec::new()).await;
    let find = async |id: &str, start: &str| {
        let request = fixture.request().with("ImportId", id).with("StartTime", start);
        let answer = fixture.send(&request).await;
        (answer.ids(), answer.total())
    };
    assert_eq!(find("7", "2024-01-01T00:00Z").await, (vec![7], 1));
    assert_eq!(find("51", "2024-01-01T00:00Z").await, (vec![], 0));
    assert_eq!(find("7", "2024-01-02T03:04Z").await, (vec![], 0), "created at 03:03:22");
}

#[tokio::test]
async fn the_window_counts_minutes_of_creation_and_includes_both_ends() {
    // Created at 03:03:00, 03:03:59, 03:04:00 and 03:04:05; it is 03:04:05.
    let task = |id, seconds| Task {
        created: chrono::TimeDelta::seconds(seconds),
        ..Task::steady(id, Kind::Full, Status::NotStart)
    };
    let tasks = vec![task(1, -65), task(2, -6), task(3, -5), task(4, 0)];
    let fixture = Fixture::start(scenario(vec![Instance::new(INSTANCE, tasks)], Vec::new())).await;
    for (from, to, ids) in [
        ("03:03", "03:04", &[4, 3, 2, 1][..]),
        ("03:03", "03:03", &[2, 1]),
        ("03:04", "03:04", &[4, 3]),
        ("03:02", "03:02", &[]),
        ("03:05", "03:06", &[]),
        ("03:04", "03:03", &[]),
    ] {
        let time = |time: &str| format!("2024-01-02T{time}Z");
        let request = fixture.request().with("StartTime", &time(from)).with("EndTime", &time(to));
        assert_eq!(fixture.send(&request).await.ids(), ids, "{from} to {to}");
    }
}

#[tokio::test]
async fn items_have_the_documented_fields() {
    let tasks = vec![
        Task::steady(1, Kind::Full, Status::Success),
        Task::steady(2, Kind::Incremental, Status::NotStart),
        Task::steady(3, Kind::Incremental, Status::IncrementalImporting),
    ];
    let fixture = Fixture::start(scenario(vec![Instance::new(INSTANCE, tasks)], Vec::new())).await;
    fixture.advance(30);
    let json = fixture.page(1).await.json();
    let expected = serde_json::json!([
        {
            "ImportId": 3,
            "ImportDataType": "Incremental",
            "ImportDataStatus": "IncrementalImporting",
            "ImportDataStatusDescription": "incremental data is being synchronized",
            "IncrementalImportingTime": "2024-01-02T03:04:30Z",
        },
        {
            "ImportId": 2,
            "ImportDataType": "Incremental",
            "ImportDataStatus": "NotStart",
            "ImportDataStatusDescription": "not started yet",
            "IncrementalImportingTime": "",
        },
        {
            "ImportId": 1,
            "ImportDataType": "Full",
            "ImportDataStatus": "Success",
            "ImportDataStatusDescription": "finished",
        },
    ]);
    assert_eq!(json["Items"]["ImportResultFromDB"], expected);
}

#[tokio::test]
async fn an_account_is_throttled_by_its_own_rate_with_a_hint() {
    let mut scenario = scenario(vec![instance(1)], Vec::new());
    scenario.accounts[0].throttle = Some(Throttle { rate: 0.5, burst: 2, hint: true });
    let fixture = Fixture::start(scenario).await;
    assert_eq!(fixture.page(1).await.status, 200);
    assert_eq!(fixture.page(1).await.status, 200);
    let throttled = fixture.page(1).await;
    assert_eq!(throttled.outcome(), (400, "Throttling.User".to_owned()));
    assert_eq!(throttled.header("x-acs-retry-after"), Some("2000"));

    fixture.advance(1);
    assert_eq!(fixture.page(1).await.header("x-acs-retry-after"), Some("1000"));
    fixture.advance(1);
    assert_eq!(fixture.page(1).await.status, 200);
}

#[tokio::test]
async fn one_accounts_rate_is_not_the_others_and_a_hint_is_optional() {
    let mut throttled = account();
    throttled.throttle = Some(Throttle { rate: 1.0, burst: 1, hint: false });
    let mut free = account();
    free.name = "free".to_owned();
    free.access_key_id = Some("LTAI_FREE".to_owned());
    let theirs = Instance { id: "rm-free".into(), account: Some("free".into()), ..instance(1) };
    let mut scenario = scenario(vec![instance(1), theirs], Vec::new());
    scenario.accounts = vec![throttled, free];
    let fixture = Fixture::start(scenario).await;
    let free =
        || fixture.request().with("AccessKeyId", "LTAI_FREE").with("DBInstanceId", "rm-free");
    assert_eq!(fixture.page(1).await.status, 200);
    let refused = fixture.page(1).await;
    assert_eq!(refused.outcome().1, "Throttling.User");
    assert_eq!(refused.header("x-acs-retry-after"), None);
    for _ in 0..20 {
        assert_eq!(fixture.send(&free()).await.status, 200);
    }
}

#[tokio::test]
async fn the_control_changes_tasks_at_once() {
    let fixture = Fixture::with(2, Vec::new()).await;
    let control = &fixture.control;
    assert!(control.put_task(INSTANCE, Task::steady(9, Kind::Full, Status::NotStart)));
    assert!(control.put_task(INSTANCE, Task::steady(1, Kind::Full, Status::Failed)));
    assert_eq!(fixture.page(1).await.ids(), [9, 2, 1]);
    assert!(fixture.page(1).await.text().contains("Failed"));

    assert!(control.remove_task(INSTANCE, 2));
    assert!(!control.remove_task(INSTANCE, 2));
    assert_eq!(fixture.page(1).await.ids(), [9, 1]);

    assert!(control.set_tasks(INSTANCE, vec![Task::steady(5, Kind::Full, Status::Success)]));
    assert_eq!(fixture.page(1).await.ids(), [5]);
    for known in [
        control.put_task("rm-unknown", Task::default()),
        control.set_tasks("rm-unknown", Vec::new()),
        control.remove_task("rm-unknown", 1),
    ] {
        assert!(!known);
    }
}

#[tokio::test]
async fn a_hook_moves_the_list_between_two_pages() {
    let fixture = Fixture::with(60, Vec::new()).await;
    fixture.control.on_request(|request, control| {
        if request.parameter("PageNumber") == Some("1") {
            control.put_task(INSTANCE, Task::steady(61, Kind::Full, Status::NotStart));
        }
    });
    let first = fixture.page(1).await;
    let second = fixture.page(2).await;
    assert_eq!((first.total(), second.total()), (60, 61));
    assert_eq!(first.ids().last(), Some(&31));
    assert_eq!(second.ids().first(), Some(&31), "the list moved by one");
}

#[tokio::test]
async fn generated_tasks_come_and_go_and_stay_as_many() {
    let generator = Generator::standing(130).moving(std::time::Duration::from_secs(10));
    let generated = Instance::generated(INSTANCE, generator);
    let fixture = Fixture::start(scenario(vec![generated], Vec::new())).await;
    for newest in [130, 131, 136] {
        let mut ids = Vec::new();
        for page in 1..=2 {
            let request = fixture.request().with("PageSize", "100");
            let answer = fixture.send(&request.with("PageNumber", &page.to_string())).await;
            assert_eq!(answer.total(), 130);
            ids.extend(answer.ids());
        }
        assert_eq!(ids, (newest - 129..=newest).rev().collect::<Vec<_>>());
        fixture.advance(if newest == 130 { 10 } else { 59 });
    }
}
