//! Rules, dashboards and documents name metrics that exist.

use std::collections::BTreeSet;

use aliyun_rds_import_exporter::instruments::catalog::{FAMILIES, Kind};

use super::{grafana, queries, rules};

#[test]
fn every_metric_that_is_asked_for_is_in_the_catalog_or_recorded() {
    let known = known();
    let rules = rules::rules();
    let expressions = rules.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    let asked = expressions
        .chain(grafana::boards().into_iter().flat_map(|board| board.queries()))
        .chain(queries::documented().into_iter().map(|query| query.text));
    for query in asked {
        for name in names(&query) {
            assert!(known.contains(&name), "{name} is no metric, in: {query}");
        }
    }
}

fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for family in FAMILIES {
        known.insert(family.name.to_owned());
        if family.kind == Kind::Histogram {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)));
        }
    }
    let recorded = rules::rules();
    known.extend(recorded.iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)));
    known
}

/// The names in a query that look like the exporter's.
fn names(query: &str) -> impl Iterator<Item = String> {
    query
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.contains("aliyun_rds_import_"))
        .map(str::to_owned)
}
