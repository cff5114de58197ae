//! The scenario format: its reference, good files, and bad files with their messages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    ACTIONS, Effect, Engine, Kind, Metadata, Order, Precision, Scenario, State, Status, When,
};

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(directory);
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut files: Vec<_> = entries.filter(yaml).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The YAML examples of the documentation.
fn examples() -> Vec<String> {
    let text = include_str!("../../../docs/simulator.md");
    let examples = text.split("```yaml\n").skip(1);
    examples.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_documented_example_can_be_simulated() {
    for example in examples() {
        if let Err(error) = Scenario::from_yaml(&example) {
            panic!("{error}\nin\n{example}");
        }
    }
}

#[test]
fn every_fault_and_condition_has_a_documented_example() {
    let faults = examples().into_iter().flat_map(|e| Scenario::from_yaml(&e).unwrap().faults);
    let faults: Vec<_> = faults.collect();
    let shown: BTreeSet<_> = faults.iter().map(|fault| fault.effect.name()).collect();
    // The format's own list of effects, as its error tells it.
    let error = Scenario::from_yaml("faults: [{do: nothing}]").unwrap_err().to_string();
    let known: BTreeSet<_> = error.split('`').skip(3).step_by(2).collect();
    assert!(known.len() >= 33, "{error}");
    assert_eq!(shown, known);

    let documented = include_str!("../../../docs/simulator.md");
    for name in known {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not explained");
    }
    for action in ACTIONS {
        assert!(documented.contains(&format!("`{action}`")), "{action} is not explained");
    }
    let any = |condition: fn(&When) -> bool| faults.iter().any(|fault| condition(&fault.when));
    assert!(any(|w| w.action.is_some()));
    assert!(any(|w| w.instance.is_some()) && any(|w| w.account.is_some()));
    assert!(any(|w| w.page.is_some()) && any(|w| w.by_import_id.is_some()));
    assert!(any(|w| w.window_over.is_some()) && any(|w| w.from.is_some()));
    assert!(any(|w| w.until.is_some()) && any(|w| w.cycle.is_some()));
    assert!(any(|w| w.skip > 0) && any(|w| w.first.is_some()) && any(|w| w.every.is_some()));
}

#[test]
fn every_key_stands_in_the_documented_reference() {
    let reference = examples().remove(0);
    let one = |list: &str, inner: &str| format!("{list}: [{{{inner}}}]");
    let places = [
        ("nothing: 1".to_owned(), "sections"),
        (one("accounts", "nothing: 1"), "accounts"),
        (one("accounts", "name: a, more_keys: [{nothing: 1}]"), "keys"),
        (one("accounts", "name: a, throttle: {nothing: 1}"), "throttles"),
        (one("regions", "nothing: 1"), "regions"),
        (one("instances", "nothing: 1"), "instances"),
        (one("instances", "id: a, tasks: [{nothing: 1}]"), "tasks"),
        (one("instances", "id: a, tasks: [{import_id: 1, life: {nothing: 1}}]"), "lives"),
        (one("roles", "nothing: 1"), "roles"),
        (one("roles", "arn: a, oidc: {nothing: 1}"), "providers"),
        (
            one("roles", "arn: a, oidc: {provider_arn: a, tokens: [{nothing: 1}]}"),
            "tokens of providers",
        ),
        ("metadata: {nothing: 1}".to_owned(), "metadata"),
        (one("credentials_uris", "nothing: 1"), "credentials URIs"),
    ];
    for (scenario, place) in places {
        // The format's own list of keys, as its error tells it.
        let error = Scenario::from_yaml(&scenario).unwrap_err().to_string();
        let known: Vec<_> = match error.split_once("there are ") {
            Some((_, sections)) => sections.split(", ").collect(),
            None => error.split_once("expected").unwrap().1.split('`').skip(1).step_by(2).collect(),
        };
        assert!(known.len() >= 2, "{place}: {error}");
        for key in known {
            assert!(reference.contains(&format!("{key}:")), "{place}: {key} is not shown");
        }
    }
}

#[test]
fn the_documented_reference_says_what_it_shows() {
    let scenario = Scenario::from_yaml(&examples()[0]).unwrap();
    assert_eq!((scenario.speed, scenario.order), (1.0, Order::NewestFirst));
    let account = &scenario.accounts[0];
    assert_eq!(account.access_key_secret.as_deref(), Some("exampleSecret"));
    let throttle = account.throttle.unwrap();
    assert_eq!((throttle.rate, throttle.burst, throttle.hint), (5.0, 10, true));

    let keys = &account.more_keys;
    assert_eq!((keys.len(), keys[1].expires), (2, Some(Duration::from_secs(1_800))));
    assert_eq!(account.allow.as_ref().unwrap()[1], "sts:AssumeRole");
    let role = &scenario.roles[0];
    assert_eq!((role.name(), role.max_duration), ("exporter", Duration::from_secs(3_600)));
    assert_eq!(role.oidc.as_ref().unwrap().tokens.len(), 2);
    assert_eq!(
        scenario.metadata,
        Metadata { renew_before: Some(Duration::from_secs(1_800)), ..Metadata::of("exporter") }
    );
    assert_eq!(scenario.credentials_uris[0].path, "/credentials");

    let orders = &scenario.instances[0];
    assert_eq!((orders.engine, orders.state), (Engine::MySQL, State::Normal));
    let task = &orders.tasks[0];
    assert_eq!((task.import_id, task.created), (7, chrono::TimeDelta::days(-3)));
    assert_eq!((task.life.kind, task.life.importing_time), (Kind::Incremental, Precision::Seconds));
    assert_eq!(task.life.steps.len(), 6);
    assert_eq!(task.life.steps[5].status, Status::StopSyncing);
    let generate = orders.generate.as_ref().unwrap();
    assert_eq!((generate.count, generate.first_id, generate.lives.len()), (3000, 1001, 2));
    assert_eq!(scenario.instances[3].copies, Some(1000));
    assert_eq!(scenario.faults[0].effect, Effect::Http(503));
}

#[test]
fn good_files_can_be_simulated() {
    for path in files("good") {
        if let Err(error) = Scenario::from_yaml(&fs::read_to_string(&path).unwrap()) {
            panic!("{}: {error}", path.display());
        }
    }
}

/// Each bad file stands beside the exact text of its error.
#[test]
fn bad_files_are_refused_with_every_problem_and_its_place() {
    for path in files("bad") {
        let error = Scenario::from_yaml(&fs::read_to_string(&path).unwrap()).unwrap_err();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        assert_eq!(format!("{error}\n"), expected, "{}", path.display());
    }
}

#[test]
fn the_demo_has_no_problems() {
    assert_eq!(Scenario::demo().problems(), []);
}
