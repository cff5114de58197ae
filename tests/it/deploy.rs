//! What `deploy/` ships is accepted by the programs it is for, and does what it says.

mod alertmanager;
mod docker;
mod grafana;
mod helm;
mod names;
mod queries;
mod rules;
mod stack;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::golden::root;

#[test]
fn prometheus_accepts_the_scrape_configuration() {
    let config = root().join("deploy/prometheus/prometheus.yml");
    run("promtool", "prometheus", &["check", "config", "--lint-fatal", text(&config)]);
}

/// Runs a program of a Debian package, which has to succeed, and gives all that it said.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = output(program, package, arguments);
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Runs a Python script with the packages of tests/requirements.txt, and gives what it printed.
fn python(arguments: &[&str]) -> String {
    let python = root().join(".venv/bin/python");
    String::from_utf8(output(text(&python), "python3-venv", arguments).stdout).unwrap()
}

fn output(program: &str, package: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap_or_else(
        |error| {
            panic!("{program}: {error}; tests/setup installs it, from the Debian package {package}")
        },
    );
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}{printed}", output.status);
    output
}

/// The files of a directory of the repository with one of these endings, sorted.
fn files(directory: &str, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| endings.iter().any(|ending| text(path).ends_with(ending)));
    files.sort();
    assert!(!files.is_empty(), "{directory} has no {endings:?}");
    files
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_saphyr::from_str(&read(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The elements of a list, or of what should be one.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
