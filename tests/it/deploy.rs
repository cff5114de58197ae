//! What `deploy/` ships is accepted by the programs it is for.

use std::process::Command;

use crate::golden::root;

#[test]
fn prometheus_accepts_the_scrape_configuration() {
    let output = Command::new("promtool")
        .args(["check", "config", "--lint-fatal"])
        .arg(root().join("deploy/prometheus/prometheus.yml"))
        .output()
        .expect("promtool must run: install the Debian package prometheus");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool: {} {said}", output.status);
}
