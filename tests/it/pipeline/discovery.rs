//! Discovery: what is found becomes a target, what is gone leaves, and what goes wrong changes
//! nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{Config, Instance as Listed};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::simulator::{self, Effect, Fault, Scenario, When};

use super::cloud::{Cloud, Instance, LIST_IMPORTS, LIST_INSTANCES, LIST_REGIONS, Wrong, discovery};
use super::{Daemon, Pipeline, is_up, tasks};
use crate::exposition::Page;

const FOUND: &str = "aliyun_rds_import_exporter_discovered_instances";
const LAST_SUCCESS: &str = "aliyun_rds_import_exporter_discovery_last_success_timestamp_seconds";
const FAILURES: &str = "aliyun_rds_import_exporter_api_request_failures_total";

async fn start(config: &Config) -> Daemon {
    Daemon::start(config, ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap())).await
}

/// Every instance that the page shows.
fn shown(page: &Page) -> Vec<String> {
    let samples = page.samples("aliyun_rds_import_instance_info");
    samples.iter().map(|sample| sample.label("db_instance_id").unwrap().to_owned()).collect()
}

fn some(count: usize) -> Vec<Instance> {
    (0..count).map(|number| Instance::new(format!("rm-{number:05}"))).collect()
}

async fn until_shown(daemon: &Daemon, ids: &[&str]) -> Page {
    daemon.until(&format!("the instances {ids:?}"), |page| shown(page) == ids).await
}

fn listed(id: &str) -> Listed {
    Listed {
        id: id.into(),
        region: "cn-hangzhou".into(),
        engine: Engine::MySQL,
        account: "default".into(),
        name: "listed".into(),
        interval: Duration::from_secs(10),
        idle_interval: Duration::from_secs(20),
        lookback: Duration::from_secs(30 * 86_400),
    }
}

#[tokio::test]
async fn instances_that_the_operation_serves_are_found_and_polled() {
    let cloud = Cloud::start(vec![
        Instance::new("rm-mysql"),
        Instance { engine: "SQLServer", ..Instance::new("rm-sqlserver") },
        Instance { engine: "PostgreSQL", ..Instance::new("pgm-1") },
        Instance { engine: "MariaDB", ..Instance::new("rm-maria") },
        Instance { kind: "Readonly", ..Instance::new("rr-1") },
        Instance { region: "cn-beijing", ..Instance::new("rm-elsewhere") },
    ])
    .await;
    let daemon = start(&cloud.config(&["cn-hangzhou"])).await;

    daemon.until_up("rm-mysql", true).await;
    let page = daemon.until_up("rm-sqlserver", true).await;

    assert_eq!(shown(&page), ["rm-mysql", "rm-sqlserver"]);
    let info = [("engine", "SQLServer"), ("name", "name of rm-sqlserver")];
    assert_eq!(page.value("aliyun_rds_import_instance_info", &info), Some(1.0));
    assert_eq!(tasks(&page, "rm-mysql").len(), 1);
    let place = [("account", "default"), ("region_id", "cn-hangzhou")];
    assert_eq!(page.value(FOUND, &place), Some(2.0));
    assert!(page.value(LAST_SUCCESS, &place) >= Some(1_795_521_600.0));
    let calls = [("action", LIST_INSTANCES), ("region_id", "cn-hangzhou")];
    assert_eq!(page.value("aliyun_rds_import_exporter_api_requests_total", &calls), Some(1.0));
}

#[tokio::test]
async fn readiness_waits_for_the_first_discovery_and_for_what_it_finds() {
    let cloud = Cloud::start(some(3)).await;
    cloud.set_wrong(vec![Wrong::Hang("rm-00002")]);
    let daemon = start(&cloud.config(&["cn-hangzhou"])).await;
    let (status, text) = daemon.ask("GET", "/-/ready").await;
    assert_eq!(status, 503, "{text}");

    // What was found is awaited, and one of them does not answer.
    daemon.until_up("rm-00000", true).await;
    let (status, text) = daemon.ask("GET", "/-/ready").await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("instances not attempted yet: "), "{text}");

    cloud.set_wrong(vec![]);
    loop {
        let (status, text) = daemon.ask("GET", "/-/ready").await;
        if status == 200 {
            break;
        }
        assert!(text.starts_with("not ready: "), "{text}");
        daemon.hands.advance(Duration::from_millis(250));
    }
    let up = daemon.page().await;
    assert!((0..3).all(|number| is_up(&up, &format!("rm-{number:05}")).is_some()));
}

#[tokio::test]
async fn a_first_discovery_that_fails_is_an_attempt_too() {
    let cloud = Cloud::start(some(3)).await;
    let body = r#"{"Code":"Forbidden.RAM","Message":"no","RequestId":"R"}"#;
    let action = LIST_INSTANCES;
    cloud.set_wrong(vec![Wrong::Answer { action, page: 1, status: 403, body }]);
    let daemon = start(&cloud.config(&["cn-hangzhou"])).await;

    let labels = [("action", LIST_INSTANCES), ("code", "Forbidden.RAM")];
    let page = daemon.until("the refusal", |page| page.value(FAILURES, &labels) == Some(1.0)).await;
    assert!(page.samples(FOUND).is_empty());
    while daemon.ask("GET", "/-/ready").await.0 != 200 {
        tokio::task::yield_now().await;
    }

    cloud.set_wrong(vec![]);
    daemon.until_up("rm-00002", true).await;
}

#[tokio::test]
async fn instances_come_and_go_with_all_their_series() {
    let cloud = Cloud::start(some(3)).await;
    let daemon = start(&cloud.config(&["cn-hangzhou"])).await;
    daemon.until_up("rm-00001", true).await;
    let before = daemon.until_up("rm-00002", true).await;
    let good = "aliyun_rds_import_instance_last_success_timestamp_seconds";
    let polled = before.value(good, &[("db_instance_id", "rm-00001")]);
    assert!(polled.is_some());

    cloud.set_instances(vec![
        Instance::new("rm-00001"),
        Instance { description: "renamed".into(), ..Instance::new("rm-00002") },
        Instance::new("rm-new"),
    ]);
    let page = until_shown(&daemon, &["rm-00001", "rm-00002", "rm-new"]).await;

    assert!(page.value(good, &[("db_instance_id", "rm-00001")]) >= polled, "it keeps its walk");
    assert_eq!(tasks(&page, "rm-00001").len(), 1);
    assert_eq!(page.value("aliyun_rds_import_instance_info", &[("name", "renamed")]), Some(1.0));
    let text = super::get(&daemon.url).await.unwrap();
    assert!(!text.contains("rm-00000"), "{text}");
    assert_eq!(page.value(FOUND, &[]), Some(3.0));
    daemon.until_up("rm-new", true).await;
}

#[tokio::test]
async fn a_discovery_that_fails_changes_nothing() {
    let second = |status, body| Wrong::Answer { action: LIST_INSTANCES, page: 2, status, body };
    let first = |status, body| Wrong::Answer { action: LIST_INSTANCES, page: 1, status, body };
    let item = r#"{"Items":{"DBInstance":[{"Engine":"MySQL"}]}}"#;
    for (wrong, code) in [
        (Wrong::Cut { page: 2 }, "bad_response"),
        (Wrong::Half { page: 1 }, "bad_response"),
        (Wrong::Half { page: 2 }, "bad_response"),
        (Wrong::Endless, ""),
        (second(500, r#"{"Code":"InternalError"}"#), "InternalError"),
        (second(403, r#"{"Code":"Forbidden.RAM"}"#), "Forbidden.RAM"),
        (second(200, "<html>"), "bad_response"),
        (second(200, item), "bad_response"),
        (first(200, "{}"), "bad_response"),
        (first(200, r#"{"TotalRecordCount":2,"Items":{"DBInstance":[]}}"#), ""),
        (first(200, r#"{"Code":"InternalError"}"#), "bad_response"),
    ] {
        let cloud = Cloud::start(some(5)).await;
        cloud.set_page_size(2);
        let daemon = start(&cloud.config(&["cn-hangzhou"])).await;
        let before = daemon.until("all", |page| page.value(FOUND, &[]) == Some(5.0)).await;
        let since = before.value(LAST_SUCCESS, &[]);
        let asked = cloud.requests(LIST_INSTANCES).len();

        // Fewer instances are there, and an answer that is taken for whole would let them go.
        cloud.set_instances(some(3));
        cloud.set_wrong(vec![wrong]);
        let tried = |page: &Page| match code {
            // The answers are good, and make no list.
            "" => cloud.requests(LIST_INSTANCES).len() >= asked + 3,
            code => page.value(FAILURES, &[("action", LIST_INSTANCES), ("code", code)]).is_some(),
        };
        daemon.until(&format!("{wrong:?}"), tried).await;
        let page = daemon.page().await;
        assert_eq!(shown(&page).len(), 5, "{wrong:?}");
        assert_eq!(page.value(FOUND, &[]), Some(5.0), "{wrong:?}");
        assert_eq!(page.value(LAST_SUCCESS, &[]), since, "{wrong:?}");

        cloud.set_wrong(vec![]);
        let page = daemon.until("fewer", |page| shown(page).len() == 3).await;
        assert!(page.value(LAST_SUCCESS, &[]) > since, "{wrong:?}");
    }
}

#[tokio::test]
async fn ten_thousand_instances_cost_a_hundred_calls() {
    let cloud = Cloud::start(some(10_000)).await;
    let mut config = cloud.config(&["cn-hangzhou"]);
    config.discovery[0].refresh_interval = Duration::from_secs(86_400);
    config.polling.interval = Duration::from_secs(86_400);
    let daemon = start(&config).await;

    // Their first polls are spread over the interval.
    let pending = [("state", "pending")];
    let spread =
        |page: &Page| page.value("aliyun_rds_import_exporter_instances", &pending) >= Some(9_000.0);
    let page = daemon.until("all", spread).await;

    assert_eq!(page.value(FOUND, &[]), Some(10_000.0));
    assert_eq!(cloud.requests(LIST_INSTANCES).len(), 100);
}

#[tokio::test]
async fn the_simulators_ten_thousand_cost_a_hundred_calls_and_a_cut_answer_changes_nothing() {
    let many = simulator::Instance {
        copies: Some(10_000),
        ..simulator::Instance::new("rm-fleet", Vec::new())
    };
    let day = Duration::from_secs(86_400);
    let pipeline = Pipeline::with(Scenario::of(vec![many]), |config| {
        config.instances.clear();
        config.discovery = vec![discovery(&["cn-hangzhou"])];
        config.discovery[0].refresh_interval = Duration::from_secs(3_600);
        // Their first polls are spread over the interval.
        (config.polling.interval, config.polling.idle_interval) = (100 * day, 100 * day);
    })
    .await;
    let page = pipeline.until("all", |page| page.value(FOUND, &[]) == Some(10_000.0)).await;
    let calls = [("action", LIST_INSTANCES), ("region_id", "cn-hangzhou")];
    let calls = |page: &Page| page.value("aliyun_rds_import_exporter_api_requests_total", &calls);
    assert_eq!(calls(&page), Some(100.0));
    let since = page.value(LAST_SUCCESS, &[]);

    let when = When { action: Some(LIST_INSTANCES.to_owned()), page: Some(50), ..When::default() };
    pipeline.control.set_faults(vec![Fault { when, effect: Effect::CutBody }]);
    pipeline.hands.advance(Duration::from_secs(3_600));
    let labels = [("action", LIST_INSTANCES), ("code", "bad_response")];
    let page =
        pipeline.until("the cut answer", |page| page.value(FAILURES, &labels).is_some()).await;

    assert_eq!(page.value(FOUND, &[]), Some(10_000.0));
    assert_eq!(page.value(LAST_SUCCESS, &[]), since);
}

#[tokio::test]
async fn an_instance_that_is_listed_and_found_is_polled_once_as_listed() {
    let cloud = Cloud::start(some(2)).await;
    let mut config = cloud.config(&["cn-hangzhou"]);
    config.instances = vec![listed("rm-00001")];
    let daemon = start(&config).await;

    let page = until_shown(&daemon, &["rm-00000", "rm-00001"]).await;

    let listed = [("db_instance_id", "rm-00001"), ("name", "listed")];
    assert_eq!(page.value("aliyun_rds_import_instance_info", &listed), Some(1.0));
    // It stays when it is found no more.
    cloud.set_instances(vec![]);
    until_shown(&daemon, &["rm-00001"]).await;
}

#[tokio::test]
async fn the_filters_are_asked_for_as_the_api_takes_them() {
    let tagged = |id: &str, tags: &[(&'static str, &'static str)]| Instance {
        tags: tags.to_vec(),
        ..Instance::new(id)
    };
    let (team, env) = (("team", "dba"), ("env", "prod"));
    let cloud = Cloud::start(vec![
        tagged("rm-both", &[team, env]),
        tagged("rm-excluded", &[team, env]),
        tagged("rm-team", &[team]),
        tagged("rm-env", &[env]),
        Instance { engine: "SQLServer", ..tagged("rm-sqlserver", &[team, env]) },
    ])
    .await;
    let mut config = cloud.config(&["cn-hangzhou"]);
    let entry = &mut config.discovery[0];
    entry.engines = [Engine::MySQL].into();
    entry.tags = [team, env].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    entry.resource_group_id = Some("rg-1".into());
    entry.exclude = [Arc::from("rm-excluded")].into();
    let daemon = start(&config).await;

    let page = until_shown(&daemon, &["rm-both"]).await;

    assert_eq!(page.value(FOUND, &[]), Some(1.0));
    let requests = cloud.requests(LIST_INSTANCES);
    let tags: Vec<_> = requests.iter().map(|request| request["Tags"].as_str()).collect();
    assert_eq!(tags, [r#"{"env":"prod"}"#, r#"{"team":"dba"}"#]);
    for request in requests {
        assert_eq!(request["Engine"], "MySQL");
        assert_eq!(request["ResourceGroupId"], "rg-1");
        assert_eq!(request["MaxResults"], "100");
        assert!(!request.contains_key("PageNumber") && !request.contains_key("PageSize"));
    }
}

#[tokio::test]
async fn all_regions_are_searched_and_each_keeps_what_it_has_for_itself() {
    let mut instances = some(2);
    instances[1].region = "cn-beijing";
    let cloud = Cloud::start(instances).await;
    cloud.set_regions(vec!["cn-hangzhou", "cn-beijing", "cn-shanghai"]);
    let daemon = start(&cloud.config(&["all"])).await;

    let page = until_shown(&daemon, &["rm-00001", "rm-00000"]).await;

    let regions: BTreeSet<_> =
        cloud.requests(LIST_INSTANCES).iter().map(|request| request["RegionId"].clone()).collect();
    assert_eq!(regions.len(), 3);
    assert_eq!(cloud.requests(LIST_REGIONS).len(), 1);
    let none = page.value(FOUND, &[("region_id", "cn-shanghai")]);
    assert!(none.is_none_or(|none| none == 0.0), "{none:?}");

    // A list of regions that cannot be read removes none.
    let (action, page) = (LIST_REGIONS, 1);
    cloud.set_wrong(vec![Wrong::Answer { action, page, status: 200, body: "{}" }]);
    let labels = [("action", LIST_REGIONS), ("code", "bad_response"), ("region_id", "")];
    let page = daemon.until("the failure", |page| page.value(FAILURES, &labels).is_some()).await;
    assert_eq!(shown(&page).len(), 2);

    // One that can be read does, and so it goes for the instances there.
    cloud.set_wrong(vec![]);
    cloud.set_regions(vec!["cn-hangzhou"]);
    let page = until_shown(&daemon, &["rm-00000"]).await;
    assert_eq!(page.value(FOUND, &[("region_id", "cn-beijing")]), None);
    assert_eq!(page.value(LAST_SUCCESS, &[("region_id", "cn-beijing")]), None);
}

#[tokio::test]
async fn an_instance_that_goes_while_it_is_polled_leaves_at_once() {
    let cloud = Cloud::start(some(2)).await;
    let mut config = cloud.config(&["cn-hangzhou"]);
    config.polling.request_timeout = Duration::from_secs(3_600);
    let daemon = start(&config).await;
    daemon.until_up("rm-00001", true).await;
    cloud.set_wrong(vec![Wrong::Hang("rm-00001")]);
    let polls = || {
        let requests = cloud.requests(LIST_IMPORTS);
        requests.iter().filter(|request| request["DBInstanceId"] == "rm-00001").count()
    };
    let before = polls();
    daemon.until("a poll under way", |_| polls() > before).await;

    let clock = daemon.hands.clock();
    let gone_since = clock.monotonic();
    cloud.set_instances(some(1));

    until_shown(&daemon, &["rm-00000"]).await;
    let took = clock.monotonic() - gone_since;
    assert!(took < Duration::from_secs(300), "the poll goes on for 10 minutes: {took:?}");
    // It may come back, and begins anew.
    cloud.set_wrong(vec![]);
    cloud.set_instances(some(2));
    daemon.until_up("rm-00001", true).await;
}

#[tokio::test]
async fn one_accounts_broken_key_harms_no_other() {
    let cloud = Cloud::start(some(2)).await;
    let broken = Cloud::start(some(5)).await;
    let body = r#"{"Code":"InvalidAccessKeyId.NotFound","RequestId":"R"}"#;
    let refused = |action| Wrong::Answer { action, page: 1, status: 404, body };
    broken.set_wrong(vec![refused(LIST_INSTANCES), refused(LIST_IMPORTS)]);
    let mut config = cloud.config(&["cn-hangzhou"]);
    config.accounts.insert("broken".into(), broken.account("other"));
    let mut entry = discovery(&["cn-hangzhou", "cn-beijing", "cn-shanghai"]);
    entry.account = "broken".into();
    config.discovery.push(entry);
    let daemon = start(&config).await;

    let before = daemon.until_up("rm-00001", true).await;
    let good = "aliyun_rds_import_instance_last_success_timestamp_seconds";
    let polled = before.value(good, &[("db_instance_id", "rm-00001")]);
    let later = |page: &Page| page.value(good, &[("db_instance_id", "rm-00001")]) > polled;
    daemon.until("the well account goes on", later).await;

    // One at a time, from 5 s to 5 minutes apart: 15 would take an hour.
    let calls = broken.actions().len();
    assert!((1..15).contains(&calls), "{calls}");
    // Its instances count as attempted, since nothing of it can be.
    while daemon.ask("GET", "/-/ready").await.0 != 200 {
        daemon.hands.advance(Duration::from_millis(250));
    }

    broken.set_wrong(vec![]);
    let found = [("account", "broken"), ("region_id", "cn-hangzhou")];
    daemon.until("the key works again", |page| page.value(FOUND, &found) == Some(5.0)).await;
}

#[tokio::test]
async fn searches_and_polls_share_the_budget_and_neither_starves() {
    let mut instances = some(2_000);
    let regions = ["cn-a", "cn-b", "cn-c", "cn-d", "cn-e", "cn-f", "cn-g", "cn-h", "cn-i", "cn-j"];
    for (number, instance) in instances.iter_mut().enumerate() {
        instance.region = regions[number % regions.len()];
    }
    let cloud = Cloud::start(instances).await;
    let mut config = cloud.config(&regions);
    config.discovery[0].exclude = (0..2_000).map(|n| Arc::from(format!("rm-{n:05}"))).collect();
    config.instances = (0..100).map(|n| listed(&format!("rm-listed-{n:03}"))).collect();
    for account in config.accounts.values_mut() {
        // The listed instances alone ask for twice as much.
        account.requests_per_second = 2.5;
    }
    let daemon = start(&config).await;

    daemon.until("every region", |page| page.samples(FOUND).len() == regions.len()).await;

    let actions = cloud.actions();
    let last = actions.iter().rposition(|action| action == LIST_INSTANCES).unwrap();
    let searches = actions.iter().filter(|action| *action == LIST_INSTANCES).count();
    assert_eq!(searches, 20);
    let polls = last + 1 - searches;
    assert!((10..200).contains(&polls), "{polls} polls beside {searches} searches");
}
