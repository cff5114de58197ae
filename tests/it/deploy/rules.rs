//! Alert rules, their cases, and their runbooks.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{files, list, read, run, text, yaml};
use crate::golden::root;

pub(super) const RULES: &str = "deploy/prometheus/aliyun-rds-import.rules.yml";

/// What every alert has a case for.
const CASES: [&str; 4] = ["fires", "does not fire", "resolves", "outage"];

/// Every rule of the shipped file.
pub(super) fn rules() -> Vec<Value> {
    let file = yaml(RULES);
    list(&file["groups"]).flat_map(|group| list(&group["rules"]).cloned()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().unwrap()
}

#[test]
fn promtool_accepts_the_rules() {
    run("promtool", "prometheus", &["check", "rules", "--lint-fatal", RULES]);
}

#[test]
fn the_rules_pass_their_cases() {
    let running: Vec<_> = files("tests/rules", &[".yml"])
        .into_iter()
        .map(|file| {
            let process = Command::new("promtool")
                .args(["test", "rules", text(&file)])
                .current_dir(root())
                // Less collecting of garbage: the process lives for seconds.
                .env("GOGC", "400")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("promtool does not start: install the Debian package prometheus");
            (file, process)
        })
        .collect();
    for (file, process) in running {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{}: {said}", file.display());
    }
}

#[test]
fn every_alert_has_a_case_that_fires_one_that_does_not_one_that_resolves_and_an_outage() {
    let mut cases = BTreeSet::new();
    for file in files("tests/rules", &[".yml"]) {
        for test in list(&yaml(&file)["tests"]) {
            let title = test["name"].as_str().expect("a case has a name");
            let (alert, claim) = title.split_once(": ").expect("a case is named `Alert: claim`");
            let case = CASES.iter().find(|case| claim.starts_with(**case));
            let case = case.unwrap_or_else(|| panic!("{title}: claims none of {CASES:?}"));
            assert!(is_asked_about(test, alert), "{title}: does not ask for {alert}");
            if *case == "fires" {
                assert!(shows_annotations(test, alert), "{title}: expects no alert in full");
            }
            cases.insert((alert.to_owned(), *case));
        }
    }
    let wanted = alerts()
        .iter()
        .flat_map(|alert| CASES.map(|case| (name(alert).to_owned(), case)))
        .collect();
    assert_eq!(cases, wanted);
}

fn is_asked_about(test: &Value, alert: &str) -> bool {
    let by_expression = list(&test["promql_expr_test"])
        .any(|asked| asked["expr"].as_str().unwrap().contains(&format!("\"{alert}\"")));
    by_expression || list(&test["alert_rule_test"]).any(|asked| asked["alertname"] == alert)
}

fn shows_annotations(test: &Value, alert: &str) -> bool {
    list(&test["alert_rule_test"])
        .filter(|asked| asked["alertname"] == alert)
        .flat_map(|asked| list(&asked["exp_alerts"]))
        .any(|expected| expected["exp_annotations"]["description"].is_string())
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    for alert in alerts() {
        let severity = alert["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning" | "info")), "{alert}");
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].is_string(), "{}: {annotation}", name(&alert));
        }
        let anchor = format!("docs/runbooks.md#{}", name(&alert).to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], anchor.as_str());
    }
}

#[test]
fn every_alert_has_a_runbook_with_its_three_parts_and_every_runbook_an_alert() {
    let runbooks = read("docs/runbooks.md");
    let sections = runbooks.split("\n## ").skip(1);
    let mut described = Vec::new();
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap();
        for part in ["**Meaning.**", "**Look at**", "**Do"] {
            assert!(body.contains(part), "{title} has no {part}");
        }
        described.push(title.to_owned());
    }
    let alerts: Vec<_> = alerts().iter().map(|alert| name(alert).to_owned()).collect();
    assert_eq!(described, alerts, "the runbooks stand in the order of the rules");
}

#[test]
fn what_names_an_alert_names_one_that_there_is() {
    let alerts = alerts();
    let documents = ["README.md", "docs/deployment.md", "docs/promql.md", "docs/runbooks.md"];
    for file in documents.into_iter().chain(["deploy/alertmanager/alertmanager.yml"]) {
        let text = read(file);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            let is_name = word.strip_prefix("RdsImport").is_some_and(|rest| !rest.is_empty());
            assert!(!is_name || alerts.iter().any(|alert| name(alert) == word), "{file}: {word}");
        }
    }
}

#[test]
fn no_alert_changes_its_identity_when_the_exporter_restarts() {
    // About one process, which its address names.
    const OF_A_PROCESS: [&str; 3] =
        ["RdsImportConfigReloadFailed", "RdsImportExporterDown", "RdsImportExporterAbsent"];
    let rules = rules();
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let recorded = rules.iter().filter(|rule| {
            rule["record"].as_str().is_some_and(|record| expression.contains(record))
        });
        let sources = recorded.map(|rule| rule["expr"].as_str().unwrap()).chain([expression]);
        let aggregated = sources
            .into_iter()
            .any(|text| text.contains("without (instance, pod, container, endpoint"));
        assert_eq!(aggregated, !OF_A_PROCESS.contains(&name(&alert)), "{}", name(&alert));
    }
}
