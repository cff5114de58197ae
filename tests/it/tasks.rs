//! The `tasks` command: the real binary against the simulator.

use std::process::{Command, Output, Stdio};

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    Effect, Fault, Instance, Kind, Lag, Life, Scenario, Simulator, Status, Step, Task,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use crate::golden::root;

/// A simulated cloud and a configuration for it.
struct Cloud {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    stop: CancellationToken,
}

impl Cloud {
    async fn start(scenario: Scenario) -> Self {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, Clock::system(), loopback).await.unwrap();
        let stop = CancellationToken::new();
        let endpoint = simulator.base_url();
        let key = &simulator.accounts()[0];
        let environment = vec![
            ("ALIBABA_CLOUD_ACCESS_KEY_ID".to_owned(), key.id.clone()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned(), key.secret.as_str().to_owned()),
        ];
        let instances = simulator.instances().iter().map(|known| {
            let (id, name) = (&known.id, &known.name);
            format!("  - {{id: {id}, region: cn-hangzhou, engine: MySQL, name: '{name}'}}\n")
        });
        let text = format!(
            "accounts: {{default: {{endpoints: {{rds: '{endpoint}'}}, requests_per_second: 100}}}}\n\
             polling: {{interval: 1s, idle_interval: 2s}}\ninstances:\n{}",
            instances.collect::<String>()
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), text).unwrap();
        tokio::spawn(simulator.serve(stop.clone()));
        Self { folder, environment, stop }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(environment).stdin(Stdio::null()).current_dir(&self.folder);
        command
    }

    fn tasks(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(BINARY);
        tokio::task::block_in_place(|| command.arg("tasks").args(arguments).output().unwrap())
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_aliyun-rds-import-exporter");

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn failed(import_id: u32, description: &str) -> Task {
    let life = Life::new(Kind::Full, vec![Step::last(Status::Failed)]);
    Task::new(import_id, Life { description: Some(description.into()), ..life })
}

fn following(import_id: u32) -> Task {
    let lag = std::time::Duration::from_secs(700);
    let life = Life::new(Kind::Incremental, vec![Step::last(Status::IncrementalImporting)]);
    Task::new(import_id, Life { lag: Some(Lag { low: lag, high: lag, period: lag }), ..life })
}

fn scenario() -> Scenario {
    let orders = Instance {
        name: "orders".into(),
        ..Instance::new(
            "rm-1",
            vec![
                following(1),
                failed(2, "the disk is full"),
                Task::steady(3, Kind::Full, Status::Success),
            ],
        )
    };
    let ledger = Instance {
        name: "ledger".into(),
        ..Instance::new("rm-2", vec![Task::steady(7, Kind::Full, Status::NotStart)])
    };
    Scenario::of(vec![orders, ledger])
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_what_matters_most_first_and_counts() {
    let cloud = Cloud::start(scenario()).await;
    let output = cloud.tasks(&[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let lines: Vec<_> = stdout(&output)
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(lines[0], "STATUS INSTANCE ID TYPE LAG DESCRIPTION");
    assert!(
        lines[1].starts_with("IncrementalImporting orders (rm-1) 1 Incremental 11 min 4"),
        "{lines:?}"
    );
    assert_eq!(lines[2], "Failed orders (rm-1) 2 Full the disk is full");
    assert!(lines[3].starts_with("NotStart ledger (rm-2) 7 Full"), "{lines:?}");
    assert!(lines[4].starts_with("Success orders (rm-1) 3 Full"), "{lines:?}");
    assert_eq!(lines[5..], ["4 tasks"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_status_and_asks_only_the_instances_that_are_wanted() {
    // One that cannot be asked does no harm as long as nobody wants it.
    let faults = vec![Fault::on("rm-2", Effect::Html(502))];
    let cloud = Cloud::start(Scenario { faults, ..scenario() }).await;
    for (arguments, count) in [
        (&["--instance", "rm-1"][..], "3 tasks"),
        (&["--instance", "orders", "--status", "failed"], "1 task"),
        (&["--instance", "orders", "--status=Failed", "--status=SUCCESS"], "2 tasks"),
        (&["--instance", "orders", "--status", "NotStart"], "0 tasks"),
    ] {
        let output = cloud.tasks(arguments);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{arguments:?}");
        assert_eq!(stdout(&output).lines().last(), Some(count), "{arguments:?}");
    }
    for (arguments, message) in [
        (&["--status", "Faild"][..], "a similar value exists: 'Failed'"),
        (
            &["--instance", "rm-9"],
            "--instance rm-9: no instance has this ID or name, listed or discovered",
        ),
        (&["--watch", "--exit-status"], "cannot be used with"),
    ] {
        let output = cloud.tasks(arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_shape_of_the_api() {
    let cloud = Cloud::start(scenario()).await;
    let output = cloud.tasks(&["--output", "json", "--status", "Failed"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let printed: Value = serde_json::from_str(stdout(&output)).unwrap();
    let golden = std::fs::read_to_string(root().join("tests/golden/api-tasks.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&printed), keys(&golden));
    assert_eq!(keys(&printed["tasks"][0]), keys(&golden["tasks"][0]));
    assert_eq!(printed["total"], 1);
    assert_eq!(printed["tasks"][0]["status_description"], "the disk is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_of_failed_tasks_if_asked_to() {
    let cloud = Cloud::start(scenario()).await;
    for (arguments, code) in [
        (&["--exit-status"][..], 3),
        (&["--exit-status", "--instance", "ledger"], 0),
        (&["--exit-status", "--status", "Success"], 0),
        (&["--exit-status", "--output", "json"], 3),
        (&[], 0),
    ] {
        assert_eq!(cloud.tasks(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_asked_is_told_and_the_rest_is_printed() {
    let faults = vec![Fault::on("rm-2", Effect::Html(403))];
    let cloud = Cloud::start(Scenario { faults, ..scenario() }).await;
    let output = cloud.tasks(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output).lines().last(), Some("3 tasks"));
    let said = stderr(&output);
    assert!(said.starts_with("rm-2 (cn-hangzhou, account default): http_403: "), "{said}");
    assert!(said.contains("  hint: grant the RAM action rds:DescibeImportsFromDatabase"), "{said}");
    assert!(said.ends_with("error: the list lacks the tasks of 1 instance\n"), "{said}");
    // A failed task is what was asked for; that something is missing is still told.
    let output = cloud.tasks(&["--exit-status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("the list lacks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_fails_every_instance_after_few_calls() {
    let instances = (0..60).map(|n| Instance::new(format!("rm-{n}"), Vec::new()));
    let mut cloud = Cloud::start(Scenario::of(instances.collect())).await;
    cloud.environment[1].1 = "wrong".to_owned();
    let output = cloud.tasks(&[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), "0 tasks\n"));
    let said = stderr(&output);
    assert_eq!(said.matches("SignatureDoesNotMatch").count(), 60, "{said}");
    assert_eq!(said.matches("hint:").count(), 1, "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_fits_the_width_and_without_one_has_a_line_a_task() {
    let long = "word ".repeat(60);
    let tasks = vec![failed(1, &long), failed(2, &"x".repeat(300))];
    let cloud = Cloud::start(Scenario::of(vec![Instance::new("rm-1", tasks)])).await;
    for width in [60_usize, 80, 200] {
        let mut command = cloud.command(BINARY);
        command.arg("tasks").env("COLUMNS", width.to_string());
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        let widest = stdout(&output).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} in {width}:\n{}", stdout(&output));
        assert!(!stdout(&output).contains('\x1b'));
    }
    assert_eq!(stdout(&cloud.tasks(&[])).lines().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_cannot_command_the_terminal() {
    let task = failed(1, "\u{1b}[2J\u{1b}]0;owned\u{7}one\ntwo \u{202e}evil");
    let cloud = Cloud::start(Scenario::of(vec![Instance::new("rm-1", vec![task])])).await;
    let output = cloud.tasks(&[]);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 3, "{text:?}");
    assert!(text.contains("one two"), "{text:?}");
    for forbidden in ['\u{1b}', '\u{7}', '\u{202e}'] {
        assert!(!text.contains(forbidden), "{text:?}");
    }
}

/// What the command writes to a terminal, stdout and stderr together.
fn on_a_terminal(cloud: &Cloud, more: &[(&str, &str)]) -> String {
    let mut command = cloud.command("/usr/bin/script");
    command.envs(more.iter().copied()).env("TERM", "xterm-256color");
    let line = format!("stty cols 100 rows 30; {BINARY} tasks");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let output = tokio::task::block_in_place(|| command.output());
    let output = output.expect("script does not start: install the Debian package bsdutils");
    assert!(output.status.success(), "{output:?}");
    stdout(&output).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_and_progress_are_for_terminals_and_colours_can_be_refused() {
    let instances = (0..5).map(|n| Instance::new(format!("rm-{n}"), vec![failed(1, "refused")]));
    let cloud = Cloud::start(Scenario::of(instances.collect())).await;
    let red = "\x1b[38;5;9m";
    let coloured = on_a_terminal(&cloud, &[]);
    assert!(coloured.contains(red), "{coloured:?}");
    assert!(coloured.contains("asked 0 of 5 instances"), "{coloured:?}");
    let plain = on_a_terminal(&cloud, &[("NO_COLOR", "1")]);
    assert!(!plain.contains(red) && plain.contains("refused"), "{plain:?}");
    assert_eq!(stderr(&cloud.tasks(&[])), "", "no progress in a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_again_until_it_is_stopped() {
    let cloud = Cloud::start(scenario()).await;
    let mut command = tokio::process::Command::from(cloud.command(BINARY));
    let mut watching = command
        .args(["tasks", "--watch", "--status", "Failed"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut counts = 0;
    while counts < 3 {
        let line = lines.next_line().await.unwrap().expect("it ended by itself");
        counts += usize::from(line == "1 task");
    }
    let id = watching.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(watching.wait().await.unwrap().code(), Some(0));
}
