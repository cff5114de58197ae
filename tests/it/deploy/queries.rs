//! Every query of the dashboards and of the documents, asked of a real Prometheus that scrapes the demo.

use super::stack::Prometheus;
use super::{grafana, read};
use crate::pipeline::PATIENCE;
use crate::pipeline::binary::Binary;

/// What the demo has no data for, and why.
const NOT_IN_THE_DEMO: [(&str, &str); 5] = [
    ("credentials_expiration_timestamp_seconds", "the demo's keys do not end"),
    ("discovered_instances", "the demo lists its instances"),
    ("discovery_last_success_timestamp_seconds", "the demo lists its instances"),
    ("action=\"DescribeDBInstances\"", "the demo lists its instances"),
    ("action=~\"AssumeRole.*\"", "the demo assumes no role"),
];

/// A query, and where it stands.
pub(super) struct Query {
    pub(super) place: String,
    pub(super) text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_gives_data_from_the_demo() {
    let mut demo = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0"], &[]);
    let metrics = tokio::task::block_in_place(|| demo.told("metrics:"));
    let exporter = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(directory.path(), exporter, "127.0.0.1:9").await;

    let mut queries = documented();
    queries.extend(grafana::boards().iter().flat_map(grafana::Board::asked));
    assert!(queries.len() > 100, "only {} queries were found", queries.len());
    let waiting = async {
        // What has no data yet is asked again: tasks fail, and polls do, within a minute or two.
        while !queries.is_empty() {
            let mut without = Vec::new();
            for query in queries.drain(..) {
                let found = prometheus.query(&query.text).await;
                let found = found
                    .unwrap_or_else(|error| panic!("{}: {error}: {}", query.place, query.text));
                // NaN is what a quantile or a share of nothing is.
                let has_data = found.iter().any(|sample| sample["value"][1] != "NaN");
                if !has_data && !is_excused(&query.text) {
                    without.push(query);
                }
            }
            queries = without;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        let left: Vec<_> = queries.iter().map(|query| (&query.place, &query.text)).collect();
        panic!("no data: {left:#?}");
    }
    let (code, _, log) = tokio::task::block_in_place(|| demo.stop());
    assert_eq!(code, Some(0), "{log}");
}

fn is_excused(query: &str) -> bool {
    NOT_IN_THE_DEMO.iter().any(|(part, _)| query.contains(part))
}

#[test]
fn every_excuse_is_used() {
    let all: Vec<_> = documented()
        .into_iter()
        .chain(grafana::boards().iter().flat_map(grafana::Board::asked))
        .collect();
    for (part, _) in NOT_IN_THE_DEMO {
        assert!(all.iter().any(|query| query.text.contains(part)), "{part} is asked nowhere");
    }
}

/// The queries of the documents. Each stands below a comment that says what it asks.
pub(super) fn documented() -> Vec<Query> {
    ["README.md", "docs/promql.md", "docs/runbooks.md"].into_iter().flat_map(of_document).collect()
}

fn of_document(document: &str) -> Vec<Query> {
    let text = read(document);
    let blocks = text.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found: Vec<Query> = Vec::new();
    for block in blocks {
        let mut place = document.to_owned();
        for line in block.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                place = format!("{document}: {comment}");
                continue;
            }
            match found.last_mut().filter(|query| query.place == place && line.starts_with(' ')) {
                Some(query) => query.text += line,
                None => found.push(Query { place: place.clone(), text: line.to_owned() }),
            }
        }
    }
    assert!(!found.is_empty(), "{document} has no PromQL");
    found
}
