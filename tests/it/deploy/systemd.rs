//! The systemd units, and the Debian package that carries them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{files, list, read, run, text};
use crate::golden::root;

const UNIT: &str = "aliyun-rds-import-exporter";

/// The units with the binary of this build, which systemd wants to exist.
fn units(directory: &tempfile::TempDir) -> [PathBuf; 2] {
    ["service", "socket"].map(|kind| {
        let unit = read(format!("deploy/systemd/{UNIT}.{kind}"));
        let unit = unit.replace(
            "/usr/bin/aliyun-rds-import-exporter",
            env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"),
        );
        let file = directory.path().join(format!("{UNIT}.{kind}"));
        std::fs::write(&file, unit).unwrap();
        file
    })
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let directory = tempfile::tempdir().unwrap();
    let [service, socket] = units(&directory);
    let said = run("systemd-analyze", "systemd", &["verify", text(&service), text(&socket)]);
    assert!(!said.contains(UNIT), "{said}");
}

#[test]
fn the_service_is_exposed_to_2_0_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let [service, _] = units(&directory);
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=20", text(&service)];
    run("systemd-analyze", "systemd", &arguments);
}

#[test]
fn the_service_does_what_the_daemon_knows_of_systemd() {
    let service = settings("service");
    for (key, value) in [
        ("Type", "notify"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("WatchdogSec", "30s"),
        ("LimitNOFILE", "65536"),
        ("DynamicUser", "yes"),
        ("RestartPreventExitStatus", "2"),
        ("LoadCredential", "access-key-secret:aliyun-rds-import-exporter.access-key-secret"),
    ] {
        assert_eq!(service.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(settings("socket")["ListenStream"], "10525");
}

#[test]
fn the_secret_of_the_service_is_where_its_configuration_is_told_to_look() {
    let directory = format!("/run/credentials/{UNIT}.service/");
    let named = read(format!("deploy/systemd/{UNIT}.service"));
    let documented = read("docs/deployment.md");
    let id = settings("service")["LoadCredential"].split(':').next().unwrap().to_owned();
    for text in [named, documented] {
        assert!(text.contains(&format!("access_key_secret_file: {directory}{id}")), "{text}");
    }
}

fn settings(kind: &str) -> BTreeMap<String, String> {
    let unit = read(format!("deploy/systemd/{UNIT}.{kind}"));
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_debian_package_has_what_it_promises() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let deb = &metadata["packages"][0]["metadata"]["deb"];
    for key in ["maintainer", "section", "priority", "extended-description", "maintainer-scripts"] {
        assert!(deb[key].is_string(), "{key} is missing: {deb}");
    }
    let mut destinations = BTreeSet::new();
    for asset in list(&deb["assets"]) {
        let source = asset[0].as_str().unwrap();
        destinations.insert(asset[1].as_str().unwrap());
        // The name of a file, or of all with an ending.
        let (directory, name) = source.rsplit_once('/').unwrap_or((".", source));
        if directory != "target/release" {
            files(directory, &[name.trim_start_matches('*')]);
        }
    }
    assert!(destinations.contains("usr/bin/"), "{destinations:?}");
    assert_eq!(deb["systemd-units"]["unit-name"], UNIT);
    let units = deb["systemd-units"]["unit-scripts"].as_str().unwrap();
    assert_eq!(files(units, &[".service", ".socket"]).len(), 2);
    let scripts = deb["maintainer-scripts"].as_str().unwrap();
    for script in ["postinst", "prerm", "postrm"] {
        // Where the package builder puts what systemd has to be told.
        assert!(read(format!("{scripts}/{script}")).contains("\n#DEBHELPER#\n"), "{script}");
    }
}
