//! What comes in by way of dependencies is what `deny.toml` lets in. `cargo deny check` says more,
//! advisories above all; this much is checked without it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::golden::root;

/// Crates of `Cargo.lock` for the platforms that we build for.
fn packages() -> Vec<serde_json::Value> {
    packages_of(root())
}

/// The same of the package in this directory, whose lock file must need no change.
fn packages_of(directory: &Path) -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The entries of `licenses.allow`.
fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once("\nallow = [").unwrap();
    let (list, _) = rest.split_once(']').unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met. Without precedence: what is joined by `AND` anywhere must
/// be allowed on each side.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|license| allowed.contains(license.trim())))
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let allowed = allowed();
    assert!(allowed.contains("MIT") && !is_met("GPL-3.0-only AND MIT", &allowed));
    for package in packages() {
        let license = package["license"].as_str().unwrap_or("none");
        assert!(is_met(license, &allowed), "{}: {license}", package["name"]);
    }
}

#[test]
fn the_fuzz_targets_are_locked_to_what_the_exporter_needs_now() {
    let packages = packages_of(&root().join("fuzz"));
    assert!(packages.iter().any(|package| package["name"] == env!("CARGO_PKG_NAME")));
}

#[test]
fn every_crate_comes_from_the_registry_and_none_from_git() {
    for package in packages() {
        let source = package["source"].as_str();
        let is_ours = source.is_none() && package["name"] == env!("CARGO_PKG_NAME");
        let is_known = source.is_some_and(|source| source.starts_with("registry+"));
        assert!(is_ours || is_known, "{}: {source:?}", package["name"]);
    }
}

#[test]
fn no_other_tls_than_rustls_with_ring_comes_in() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(!["openssl", "native-tls", "aws-lc-rs"].contains(&name), "{name}");
    }
}
