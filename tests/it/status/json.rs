//! The JSON: its shape, its filters, its refusals.

use serde_json::Value;

use crate::golden::{assert_golden, root};
use crate::web::Server;

use super::fleet::{NOW, at, key, mixed, polled, task};
use aliyun_rds_import_exporter::domain::TaskStatus;

async fn server() -> Server {
    let server = Server::start().await;
    assert_eq!(server.hands.clock().now(), at(NOW));
    mixed(&server);
    server
}

async fn json(server: &Server, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(answer.text()).unwrap()
}

/// Instance and number of the tasks, in their order.
async fn tasks(server: &Server, query: &str) -> Vec<String> {
    let answer = json(server, &format!("/api/v1/tasks{query}")).await;
    let tasks = answer["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| format!("{} {}", task["db_instance_id"].as_str().unwrap(), task["import_id"]))
        .collect()
}

async fn instances(server: &Server, query: &str) -> Vec<String> {
    let answer = json(server, &format!("/api/v1/instances{query}")).await;
    let instances = answer["instances"].as_array().unwrap().iter();
    instances.map(|one| one["db_instance_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_shape_of_both_lists_is_stable() {
    let server = server().await;
    for name in ["tasks", "instances"] {
        let answer = json(&server, &format!("/api/v1/{name}")).await;
        let text = format!("{}\n", serde_json::to_string_pretty(&answer).unwrap());
        assert_golden(format!("tests/golden/api-{name}.json"), &text);
    }
}

#[tokio::test]
async fn every_field_is_documented() {
    let reference = std::fs::read_to_string(root().join("docs/api.md")).unwrap();
    let server = server().await;
    for name in ["tasks", "instances"] {
        let answer = json(&server, &format!("/api/v1/{name}")).await;
        let part = reference.split(&format!("## `/api/v1/{name}`")).nth(1).unwrap();
        for value in [&answer, &answer[name][0], &answer[name][0]["last_error"]] {
            for field in value.as_object().into_iter().flat_map(|object| object.keys()) {
                assert!(part.contains(&format!("`{field}`")), "{name}: {field}");
            }
        }
    }
}

#[tokio::test]
async fn what_matters_most_comes_first() {
    let server = server().await;
    let order = [
        "rm-orders 1", // failed just now
        "rm-orders 4", // behind
        "rm-orders 2", // failed long ago
        "rm-orders 5", // in a status that nobody knows
        "rm-ledger 1", // under way
        "rm-orders 3", // done
        "rm-trial 9",  // cancelled
    ];
    assert_eq!(tasks(&server, "").await, order);
    let order = ["rm-ledger", "rm-new", "rm-orders", "rm-trial"];
    assert_eq!(instances(&server, "").await, order);
}

#[tokio::test]
async fn parameters_filter_and_cut() {
    let server = server().await;
    for (query, expected) in [
        ("?status=Failed", &["rm-orders 1", "rm-orders 2"][..]),
        ("?status=Success&status=Canceled", &["rm-orders 3", "rm-trial 9"]),
        ("?status=failed", &[]),
        ("?db_instance_id=rm-ledger&db_instance_id=rm-trial", &["rm-ledger 1", "rm-trial 9"]),
        ("?account=staging", &["rm-trial 9"]),
        ("?region_id=ap-southeast-1", &["rm-ledger 1"]),
        ("?type=Incremental", &["rm-orders 4"]),
        ("?concern=lagging&concern=unknown_status", &["rm-orders 4", "rm-orders 5"]),
        ("?import_id=1&import_id=9", &["rm-orders 1", "rm-ledger 1", "rm-trial 9"]),
        ("?import_id=1&account=production&status=NotStart", &["rm-ledger 1"]),
        ("?limit=2", &["rm-orders 1", "rm-orders 4"]),
        ("?limit=2&offset=6", &["rm-trial 9"]),
        ("?offset=7", &[]),
    ] {
        assert_eq!(tasks(&server, query).await, expected, "{query}");
    }
    for (query, expected) in [
        ("?state=failing&state=pending", &["rm-ledger", "rm-new"][..]),
        ("?account=staging", &["rm-new", "rm-trial"]),
        ("?db_instance_id=rm-trial", &["rm-trial"]),
        ("?region_id=cn-hangzhou&limit=1&offset=1", &["rm-orders"]),
    ] {
        assert_eq!(instances(&server, query).await, expected, "{query}");
    }
    let cut = json(&server, "/api/v1/tasks?limit=1&offset=3").await;
    assert_eq!((cut["total"].as_u64(), cut["offset"].as_u64()), (Some(7), Some(3)));
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let server = server().await;
    for path in [
        "/api/v1/tasks?state=failing",
        "/api/v1/tasks?limit=0",
        "/api/v1/tasks?concern=Failed",
        "/api/v1/tasks?=",
        "/api/v1/instances?status=Failed",
        "/api/v1/instances?state=up",
        "/api/v1/instances?offset=one",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let refusal: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(refusal["error"].as_str().is_some_and(|error| error.len() > 10), "{path}");
    }
}

#[tokio::test]
async fn the_tasks_of_an_instance_that_is_out_of_reach_are_withdrawn_as_the_metrics_are() {
    let server = server().await;
    server.hands.advance(std::time::Duration::from_secs(301));

    assert!(!tasks(&server, "").await.contains(&"rm-ledger 1".to_owned()));
    let ledger = json(&server, "/api/v1/instances?db_instance_id=rm-ledger").await;
    assert_eq!(ledger["instances"][0]["tasks"], Value::Null);
}

#[tokio::test]
async fn a_list_has_an_end_that_the_total_tells() {
    let server = Server::start().await;
    let many = (1..=10_001).map(|id| task(id, TaskStatus::SUCCESS)).collect();
    polled(&server.store, &key("default", "cn-hangzhou", "rm-1"), "", many);

    let first = json(&server, "/api/v1/tasks").await;
    assert_eq!(first["total"], 10_001);
    assert_eq!(first["tasks"].as_array().unwrap().len(), 10_000);
    let rest = json(&server, "/api/v1/tasks?offset=10000").await;
    assert_eq!(rest["tasks"].as_array().unwrap().len(), 1);
}
