//! The image and the composition of demo, Prometheus, Alertmanager and Grafana.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{list, python, read, run, text, yaml};
use crate::golden::root;

const COMPOSE: &str = "deploy/docker/compose.yaml";
const DOCKERFILE: &str = "deploy/docker/Dockerfile";

#[test]
fn hadolint_has_nothing_to_say() {
    let hadolint = root().join(".venv/bin/hadolint");
    let said = run(text(&hadolint), "python3-venv", &["--failure-threshold=info", DOCKERFILE]);
    assert!(said.is_empty(), "{said}");
}

#[test]
fn the_image_runs_the_daemon_as_nobody_from_pinned_images() {
    let dockerfile = read(DOCKERFILE);
    let instructions = |name: &'static str| {
        dockerfile.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '))
    };
    for image in instructions("FROM") {
        assert_pinned(image.split(' ').next().unwrap());
    }
    assert_eq!(instructions("USER").collect::<Vec<_>>(), ["65532:65532"]);
    assert_eq!(instructions("EXPOSE").collect::<Vec<_>>(), ["10525"]);
    let command: Vec<String> = serde_json::from_str(instructions("CMD").next().unwrap()).unwrap();
    assert_eq!(command[0], "run");
    assert!(dockerfile.contains("HEALTHCHECK"));
}

#[test]
fn what_the_image_is_built_from_is_enough_for_cargo() {
    let directory = tempfile::tempdir().unwrap();
    let ignored = read(format!("{DOCKERFILE}.dockerignore"));
    let taken = ignored.lines().filter_map(|line| line.strip_prefix('!'));
    for name in taken.filter(|name| root().join(name).exists()) {
        let copied = Command::new("cp")
            .args(["-r", text(&root().join(name)), text(directory.path())])
            .status();
        assert!(copied.unwrap().success());
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let targets = list(&metadata["packages"][0]["targets"]);
    let kinds: BTreeSet<_> = targets.map(|target| target["kind"][0].as_str().unwrap()).collect();
    assert!(kinds.is_superset(&BTreeSet::from(["lib", "bin", "custom-build"])), "{kinds:?}");
}

#[test]
fn the_composition_follows_the_compose_specification() {
    python(&["tests/schemas/compose.py", COMPOSE]);
}

#[test]
fn the_composition_mounts_what_is_shipped_and_all_of_it() {
    let compose = yaml(COMPOSE);
    let mut mounted = BTreeSet::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        for volume in list(&service["volumes"]) {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            if source.starts_with('.') {
                let path = plain(&Path::new("deploy/docker").join(source));
                assert!(root().join(&path).exists(), "{name}: {} is missing", path.display());
                mounted.insert(path);
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name}: {source} is undeclared");
            }
        }
    }
    for shipped in [
        "deploy/prometheus/prometheus.yml",
        "deploy/prometheus/aliyun-rds-import.rules.yml",
        "deploy/alertmanager/alertmanager.yml",
        "deploy/grafana/dashboards",
        "deploy/grafana/provisioning",
    ] {
        assert!(mounted.contains(Path::new(shipped)), "{shipped} is not mounted");
    }
}

#[test]
fn the_composition_is_pinned_and_stays_on_this_machine() {
    let compose = yaml(COMPOSE);
    for service in compose["services"].as_object().unwrap().values() {
        assert_pinned(service["image"].as_str().unwrap());
        for port in list(&service["ports"]) {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port} is for everyone");
        }
    }
    let demo = &compose["services"]["demo"];
    assert_eq!(demo["command"], serde_json::json!(["demo", "--web.listen-address=:10525"]));
    let built = Path::new("deploy/docker").join(demo["build"]["context"].as_str().unwrap());
    assert_eq!(plain(&built), Path::new(""));
}

fn assert_pinned(image: &str) {
    let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no tag")).1;
    assert_ne!(tag, "latest", "{image}");
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leaves the tree", path.display()),
            part => plain.push(part),
        }
    }
    plain
}
