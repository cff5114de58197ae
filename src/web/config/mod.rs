//! The web configuration: what the file of `--web.config.file` says, in the format of Prometheus's
//! exporter-toolkit.
//!
//! <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>. Only the
//! text is read here; certificates and keys are `tls`'s, changes `guard`'s.

mod http;
mod rate;
mod reader;
mod tls;

use std::collections::BTreeMap;
use std::path::Path;

use bcrypt::HashParts;
use hyper::header::{HeaderName, HeaderValue};

use crate::config::Problem;
use crate::config::problem::{KeyPath, Report};
use crate::secret::Secret;
use crate::yaml;

use reader::Table;

pub(super) use rate::Rate;
pub(super) use tls::{ClientAuth, Source, TlsSettings};

/// What a web configuration says.
#[derive(Clone, Debug)]
pub(super) struct WebConfig {
    /// `None`: plain HTTP.
    pub(super) tls: Option<TlsSettings>,
    /// Headers that every answer gets.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// bcrypt hashes of passwords, by the user's name; empty: everyone may ask.
    pub(super) users: BTreeMap<String, Secret>,
    /// `None`: no limit.
    pub(super) rate: Option<Rate>,
}

/// Everything that is wrong with a web configuration; displays one problem a line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct WebConfigError {
    problems: Vec<Problem>,
}

impl WebConfigError {
    /// The problem of a key, or of the file as a whole if the key is empty. Its name is a path of
    /// keys with dots.
    pub(super) fn of(file: &str, key: &str, message: impl Into<String>) -> Self {
        let mut report = Report::new(file);
        let steps = key.split('.').filter(|step| !step.is_empty());
        let path = steps.fold(KeyPath::default(), |path, step| path.key(step));
        report.problem(&path, message);
        Self { problems: report.into_problems() }
    }

    /// The problems, in the order of the file's lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl WebConfig {
    /// Reads `text`. `file` stands for the file in messages; relative paths start from
    /// `directory`.
    pub(super) fn parse(text: &str, file: &str, directory: &Path) -> Result<Self, WebConfigError> {
        let mut report = Report::new(file);
        let tree = match yaml::parse(text) {
            Ok(tree) => tree,
            Err(error) => {
                report.problem_in_line(error.line, &KeyPath::default(), error.message);
                return Err(WebConfigError { problems: report.into_problems() });
            }
        };
        let known = ["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
        let root = Table::of(&tree, KeyPath::default(), &known, &mut report);
        let http = http::read(&root, &mut report);
        let config = Self {
            tls: tls::read(&root, directory, http.http2, &mut report),
            headers: http.headers,
            users: users(&root, &mut report),
            rate: rate::read(&root, &mut report),
        };
        let problems = report.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(WebConfigError { problems }) }
    }
}

fn users(root: &Table<'_>, report: &mut Report) -> BTreeMap<String, Secret> {
    let section = root.names("basic_auth_users", report);
    let mut users = BTreeMap::new();
    for name in section.keys() {
        let path = section.path.key(name);
        let hash = section.text(name, report).map_or("", |item| item.text);
        if name.contains(':') {
            report.problem(&path, "holds a colon, which a user's name cannot");
        } else if hash.parse::<HashParts>().is_ok_and(|hash| (4..=31).contains(&hash.get_cost())) {
            users.insert(name.to_owned(), Secret::new(hash));
        } else if !report.has(&path) {
            report.problem(
                &path,
                "is not a bcrypt hash; allowed: what `htpasswd -nBC 10 \"\"` writes after the colon",
            );
        }
    }
    users
}
