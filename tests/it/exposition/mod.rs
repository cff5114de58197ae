//! The page that Prometheus scrapes: a strict parser for it, and what the page has to say.
//!
//! `promtool check metrics` passes duplicate series, split families and uneven label sets, and
//! Prometheus 2 takes them without a word; [`parse`] refuses them.

mod content;
mod fixtures;
mod fleet;
mod openmetrics;
mod page;
mod parser;
mod reference;
mod refusals;
mod rules;
mod text;

pub(crate) use openmetrics::openmetrics_as_text;
pub(crate) use page::Page;
pub(crate) use parser::parse;

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Demands that `promtool check metrics` has nothing to say about `page`.
pub(crate) fn assert_promtool_is_silent(page: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool must run: install the Debian package prometheus");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "promtool: {} {said}", output.status);
}
