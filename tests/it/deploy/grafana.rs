//! The dashboards, as Grafana reads them. `queries` asks what they ask.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::queries::Query;
use super::{files, list, python, read, text, yaml};

/// A dashboard.
pub(super) struct Board {
    file: PathBuf,
    json: Value,
}

impl Board {
    fn uid(&self) -> &str {
        self.json["uid"].as_str().unwrap()
    }

    /// Panels, those in rows too.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["panels"])
            .flat_map(|panel| [panel].into_iter().chain(list(&panel["panels"])))
    }

    fn charts(&self) -> impl Iterator<Item = &Value> {
        self.panels().filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["templating"]["list"])
    }

    /// What panels and variables ask, with the variables in it.
    pub(super) fn queries(&self) -> Vec<String> {
        let panels = self.charts().flat_map(|panel| list(&panel["targets"]));
        let panels = panels.map(|target| target["expr"].as_str().unwrap().to_owned());
        let variables = self.variables().filter(|variable| variable["type"] == "query");
        panels.chain(variables.map(values_of)).collect()
    }

    /// What is asked of Prometheus when the dashboard is looked at.
    pub(super) fn asked(&self) -> Vec<Query> {
        // One instance at a time: the demo's with incremental tasks.
        let instance = if self.uid().ends_with("-instance") { "rm-demo2payments" } else { ".*" };
        let values = [
            ("$__rate_interval", "1m"),
            ("$account", ".*"),
            ("$region_id", ".*"),
            ("$db_instance_id", instance),
            ("$job", ".*"),
            ("$instance", ".*"),
        ];
        let fill = |query: String| {
            values.iter().fold(query, |query, (variable, value)| query.replace(variable, value))
        };
        let place = self.file.display().to_string();
        let queries = self.queries().into_iter().map(fill);
        queries.map(|text| Query { place: place.clone(), text }).collect()
    }
}

/// The query whose labels are a variable's values.
fn values_of(variable: &Value) -> String {
    let query = variable["query"]["query"].as_str().unwrap();
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values");
    format!("group by ({label}) ({series})")
}

pub(super) fn boards() -> Vec<Board> {
    files("deploy/grafana/dashboards", &[".json"])
        .into_iter()
        .map(|file| {
            let json = serde_json::from_str(&read(&file)).unwrap();
            Board { file, json }
        })
        .collect()
}

#[test]
fn grafanas_own_sdk_knows_every_field() {
    let boards = boards();
    let files = boards.iter().map(|board| text(&board.file));
    let arguments: Vec<_> = ["tests/schemas/dashboards.py"].into_iter().chain(files).collect();
    python(&arguments);
}

#[test]
fn dashboards_have_the_variables_and_links_that_they_share() {
    for board in boards() {
        let names: Vec<_> = board.variables().map(|v| v["name"].as_str().unwrap()).collect();
        for name in ["datasource", "account", "exporter"] {
            assert!(names.contains(&name), "{}: no variable {name}", board.uid());
        }
        let links: Vec<_> = list(&board.json["links"]).collect();
        assert!(links.iter().any(|link| link["url"] == "${exporter}/"), "{}", board.uid());
        assert!(links.iter().any(|link| link["type"] == "dashboards"), "{}", board.uid());
        assert!(board.json["schemaVersion"].as_u64() >= Some(39), "{}", board.uid());
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_data_source() {
    for board in boards() {
        for panel in board.charts() {
            let title = format!("{}: {}", board.uid(), panel["title"]);
            assert!(
                panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
                "{title}"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            for target in list(&panel["targets"]) {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            }
        }
    }
}

#[test]
fn panels_have_their_own_numbers_and_do_not_overlap() {
    for board in boards() {
        let numbers: BTreeSet<_> = board.panels().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(numbers.len(), board.panels().count(), "{}: a number twice", board.uid());
        let mut taken = BTreeSet::new();
        for panel in board.panels() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{}: {} is too wide", board.uid(), panel["title"]);
            for cell in (at("x")..at("x") + at("w"))
                .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert(cell), "{}: {} overlaps", board.uid(), panel["title"]);
            }
        }
    }
}

#[test]
fn links_between_dashboards_lead_somewhere() {
    let boards = boards();
    let uids: BTreeSet<_> = boards.iter().map(Board::uid).collect();
    assert_eq!(uids.len(), boards.len());
    for board in &boards {
        let text = board.json.to_string();
        for link in text.split("\"/d/").skip(1) {
            let uid = link.split(['?', '"']).next().unwrap();
            assert!(uids.contains(uid), "{}: no dashboard {uid}", board.uid());
        }
    }
}

#[test]
fn provisioning_names_the_data_source_that_dashboards_default_to() {
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let source = &sources["datasources"][0];
    for board in boards() {
        let variable = board.variables().find(|variable| variable["type"] == "datasource").unwrap();
        assert_eq!(variable["query"], source["type"]);
        assert_eq!(variable["current"]["value"], source["uid"]);
        assert_eq!(variable["current"]["text"], source["name"]);
    }
}
