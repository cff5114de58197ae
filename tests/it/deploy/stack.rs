//! The programs around the exporter, started from what `deploy/` ships.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::{read, rules, text};
use crate::golden::root;
use crate::pipeline::binary::until;
use crate::pipeline::prometheus::{self, free_address};
use crate::pipeline::{PATIENCE, get};

/// A program, killed when the test ends.
struct Program(Child);

impl Program {
    fn start(command: &mut Command, package: &str) -> Self {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("{command:?}: {error}; install the Debian package {package}")
        }))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Prometheus with the shipped configuration and rules.
pub(super) struct Prometheus(prometheus::Prometheus);

impl Prometheus {
    /// Scrapes `exporter` and judges the rules every second.
    pub(super) async fn start(directory: &Path, exporter: &str, alertmanager: &str) -> Self {
        let config = replaced(
            &read("deploy/prometheus/prometheus.yml"),
            &[
                ("evaluation_interval: 30s", "evaluation_interval: 1s"),
                ("scrape_interval: 30s", "scrape_interval: 1s\n    scrape_timeout: 1s"),
                ("localhost:10525", exporter),
                ("localhost:9093", alertmanager),
            ],
        );
        let rules = root().join(rules::RULES);
        std::fs::copy(&rules, directory.join(rules.file_name().unwrap())).unwrap();
        let prometheus = Self(prometheus::Prometheus::start(directory, &config));
        prometheus.until("up == 1", |found| !found.is_empty()).await;
        prometheus
    }

    /// The samples that `query` gives now, or what is wrong with it.
    pub(super) async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = get(&self.url(query)).await.map_err(|error| error.to_string())?;
        samples(&answer)
    }

    /// Asks until the samples of `query` are as `wanted`.
    pub(super) async fn until(&self, query: &str, wanted: impl Fn(&[Value]) -> bool) {
        until(&self.url(query), |answer| samples(answer).is_ok_and(|found| wanted(&found))).await;
    }

    fn url(&self, query: &str) -> String {
        self.0.query(&form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>())
    }
}

fn samples(answer: &str) -> Result<Vec<Value>, String> {
    let answer: Value =
        serde_json::from_str(answer).map_err(|error| format!("{error}: {answer}"))?;
    match &answer["data"]["result"] {
        Value::Array(samples) if answer["status"] == "success" => Ok(samples.clone()),
        _ => Err(answer["error"].to_string()),
    }
}

/// An Alertmanager with the shipped configuration.
pub(super) struct Alertmanager {
    pub(super) address: String,
    _program: Program,
}

impl Alertmanager {
    /// Notifies `webhook`, without letting time pass before.
    pub(super) async fn start(directory: &Path, webhook: &str) -> Self {
        let config = replaced(
            &read("deploy/alertmanager/alertmanager.yml"),
            &[
                ("http://localhost:9099/", webhook),
                ("group_wait: 30s", "group_wait: 1s"),
                ("group_interval: 5m", "group_interval: 1s"),
            ],
        );
        let file = directory.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();

        let address = free_address();
        let program = Program::start(
            Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", text(&file)))
                .arg(format!("--storage.path={}", text(&directory.join("alertmanager"))))
                .arg(format!("--web.listen-address={address}"))
                .arg("--cluster.listen-address=")
                .stdout(Stdio::null()),
            "prometheus-alertmanager",
        );
        until(&format!("http://{address}/-/ready"), |answer| answer.trim() == "OK").await;
        Self { address, _program: program }
    }
}

/// The shipped receiver of notifications.
pub(super) struct Webhook {
    pub(super) url: String,
    lines: Receiver<String>,
    _program: Program,
}

impl Webhook {
    pub(super) fn start() -> Self {
        let mut program = Program::start(
            Command::new("python3")
                .args(["deploy/docker/notifications.py", "127.0.0.1:0"])
                .current_dir(root())
                .stdout(Stdio::piped()),
            "python3",
        );
        let (sender, lines) = channel();
        let output = BufReader::new(program.0.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let told = lines.recv_timeout(PATIENCE).expect("the receiver tells its address");
        let url = told.strip_prefix("listening on ").expect("the receiver listens").to_owned();
        Self { url, lines, _program: program }
    }

    /// The next notification.
    pub(super) fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a notification comes");
        serde_json::from_str(&line).unwrap()
    }
}

/// Replaces each text, which has to be there.
fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in what is shipped");
        text.replace(from, to)
    })
}
