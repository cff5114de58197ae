//! A simulated cloud, and the real daemon that polls it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    Account, Control, Instance, Kind, Life, Scenario, Simulator, Status, Step, Task,
};
use chrono::TimeDelta;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::network::{Gate, unknown_authority};
use super::now;
use super::rows::Endpoint;
use crate::exposition::{Page, parse};
use crate::pipeline::binary::Binary;
use crate::pipeline::{PATIENCE, ask, get};

/// How many tasks an instance has: two pages of 30.
pub(super) const TASKS: usize = 40;

/// A cloud in which each name is an account with one instance.
pub(super) struct Stage {
    pub(super) control: Control,
    /// The configuration's directory, which logs are written to, too.
    directory: TempDir,
    endpoint: String,
    /// ID and secret of each name's key.
    keys: BTreeMap<String, (String, String)>,
    gate: Option<(String, Gate)>,
    /// Names whose endpoint is another one.
    diverted: BTreeMap<String, String>,
    stop: CancellationToken,
    started: std::cell::Cell<u32>,
}

/// The real binary, which writes its log to a file.
pub(super) struct Daemon {
    binary: Binary,
    base: String,
    log: PathBuf,
}

/// What a daemon has logged.
pub(super) struct Log(String);

impl Stage {
    pub(super) async fn set(names: impl Iterator<Item = &str>) -> Self {
        let names: Vec<_> = names.collect();
        let instances = names.iter().map(|name| Instance {
            account: Some((*name).to_owned()),
            ..Instance::new(*name, all_tasks())
        });
        let accounts = names.iter().copied().map(Account::new).collect();
        let scenario = Scenario { accounts, ..Scenario::of(instances.collect()) };
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, Clock::system(), loopback).await.unwrap();
        let keys = simulator
            .accounts()
            .iter()
            .map(|key| (key.account.clone(), (key.id.clone(), key.secret.clone())));
        let stage = Self {
            control: simulator.control(),
            directory: tempfile::tempdir().unwrap(),
            endpoint: simulator.base_url().to_string(),
            keys: keys.collect(),
            gate: None,
            diverted: BTreeMap::new(),
            stop: CancellationToken::new(),
            started: std::cell::Cell::new(0),
        };
        tokio::spawn(simulator.serve(stage.stop.clone()));
        stage
    }

    fn address(&self) -> String {
        let address = self.endpoint.strip_prefix("http://").unwrap();
        address.trim_end_matches('/').to_owned()
    }

    /// Lets `name` reach the cloud through a gate.
    pub(super) async fn gate(&mut self, name: &str) {
        self.gate = Some((name.to_owned(), Gate::open(self.address()).await));
    }

    pub(super) fn shut_gate(&mut self) {
        self.gate.as_mut().unwrap().1.shut();
    }

    pub(super) async fn open_gate(&mut self) {
        self.gate.as_mut().unwrap().1.open_again().await;
    }

    /// Gives `name` an endpoint that cannot be used, from the next reload on.
    pub(super) async fn divert(&mut self, name: &str, endpoint: Endpoint) {
        let url = match endpoint {
            Endpoint::Nowhere => "https://rds.invalid".to_owned(),
            Endpoint::PlainText => format!("https://{}", self.address()),
            Endpoint::UnknownAuthority => format!("https://{}", unknown_authority().await),
        };
        self.diverted.insert(name.to_owned(), url);
    }

    pub(super) fn undivert(&mut self, name: &str) {
        self.diverted.remove(name);
    }

    fn config(&self) -> String {
        let mut accounts = String::new();
        let mut instances = String::new();
        for (name, (id, secret)) in &self.keys {
            let gated = self.gate.as_ref().filter(|(gated, _)| gated == name);
            let gated = gated.map(|(_, gate)| format!("http://{}", gate.address));
            let diverted = self.diverted.get(name).cloned();
            let endpoint = diverted.or(gated).unwrap_or_else(|| self.endpoint.clone());
            accounts += &format!(
                "  {name}:\n    credentials: {{type: access_key, access_key_id: '{id}', \
                 access_key_secret: '{secret}'}}\n    endpoints: {{rds: '{endpoint}'}}\n    \
                 requests_per_second: 500\n"
            );
            instances +=
                &format!("- {{id: {name}, account: {name}, region: cn-hangzhou, engine: MySQL}}\n");
        }
        format!(
            "accounts:\n{accounts}polling: {{interval: 2s, idle_interval: 2s, page_size: 30, \
             request_timeout: 5s, stale_after: 1h}}\ninstances:\n{instances}"
        )
    }

    /// Starts a daemon, and waits until it listens.
    pub(super) fn start(&self) -> Daemon {
        use std::os::unix::fs::PermissionsExt as _;

        let file = self.directory.path().join("config.yaml");
        std::fs::write(&file, self.config()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.started.set(self.started.get() + 1);
        let log = self.directory.path().join(format!("log-{}", self.started.get()));
        let line = format!(r#"exec "$@" 2>'{}'"#, log.display());
        let file = format!("--config.file={}", file.display());
        let arguments = ["run", &file, "--web.listen-address=127.0.0.1:0"];
        let binary = Binary::in_shell(&line, &arguments, Stdio::null());
        let mut daemon = Daemon { binary, base: String::new(), log };
        let address = || {
            let Log(text) = self.log(&daemon);
            let (_, rest) = text.split_once("message=listening ")?;
            Some(rest.split_once("address=")?.1.split_once(' ')?.0.to_owned())
        };
        daemon.base = format!("http://{}", wait_for("that it listens", address));
        daemon
    }

    /// Has the daemon take over what the configuration is now.
    pub(super) async fn reload(&self, daemon: &Daemon) {
        let file = self.directory.path().join("config.yaml");
        std::fs::write(&file, self.config()).unwrap();
        let answer = ask("POST", &format!("{}/-/reload", daemon.base)).await.unwrap();
        assert_eq!(answer, (200, "reloaded\n".to_owned()));
    }

    /// The page, held to every rule.
    pub(super) async fn page(&self, daemon: &Daemon) -> Page {
        let text = get(&format!("{}/metrics", daemon.base)).await.unwrap();
        parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Asks for the page until it is as `wanted`.
    pub(super) async fn until(
        &self,
        daemon: &Daemon,
        what: &str,
        wanted: impl Fn(&Page) -> bool,
    ) -> Page {
        let begun = now();
        loop {
            let page = self.page(daemon).await;
            if wanted(&page) {
                return page;
            }
            assert!(since(begun) < PATIENCE, "{what}: never; {}", self.log(daemon).0);
            self.pause().await;
        }
    }

    /// Waits until the log is as `wanted`, and says with `why` what it lacks.
    pub(super) async fn until_logged(
        &self,
        daemon: &Daemon,
        wanted: impl Fn(&Log) -> bool,
        why: impl Fn() -> String,
    ) {
        let begun = now();
        while !wanted(&self.log(daemon)) {
            assert!(since(begun) < Duration::from_secs(60), "{}", why());
            self.pause().await;
        }
    }

    /// Lets the other process come to something before it is asked again.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    pub(super) fn log(&self, daemon: &Daemon) -> Log {
        Log(std::fs::read_to_string(&daemon.log).unwrap_or_default())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Daemon {
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The status that `path` answers.
    pub(super) async fn status(&self, path: &str) -> u16 {
        ask("GET", &format!("{}{path}", self.base)).await.unwrap().0
    }

    /// Ends it without a word (SIGKILL).
    pub(super) fn kill(mut self) {
        self.binary.process().kill().unwrap();
        self.binary.process().wait().unwrap();
    }

    /// Ends it as systemd and Kubernetes do; gives exit code and log.
    pub(super) fn stop(self) -> (Option<i32>, Log) {
        let Self { binary, base: _, log } = self;
        let (code, ..) = tokio::task::block_in_place(|| binary.stop());
        (code, Log(std::fs::read_to_string(log).unwrap()))
    }
}

impl Log {
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// The lines about an account.
    pub(super) fn of(&self, account: &str) -> Vec<String> {
        let label = format!("account={account}");
        let about = |line: &&str| line.split(' ').any(|field| field == label);
        self.0.lines().filter(about).map(str::to_owned).collect()
    }

    /// The lines about an account that say `what`.
    pub(super) fn lines(&self, account: &str, what: &str) -> Vec<String> {
        self.of(account).into_iter().filter(|line| line.contains(what)).collect()
    }
}

/// Tasks of every status, and one that still runs and has left the regular window long ago.
fn all_tasks() -> Vec<Task> {
    let ids = 1..=u32::try_from(TASKS).unwrap();
    let tasks = ids.map(|id| {
        let status = Status::ALL[id as usize % Status::ALL.len()];
        let kind = if id % 2 == 0 { Kind::Incremental } else { Kind::Full };
        // Before what any clock here says.
        let created = TimeDelta::days(-1);
        Task { created, ..Task::new(id, Life::new(kind, vec![Step::last(status)])) }
    });
    let mut tasks: Vec<_> = tasks.collect();
    let old = tasks.iter_mut().find(|task| task.life.steps[0].status == Status::FullImporting);
    old.unwrap().created = TimeDelta::days(-100);
    tasks
}

/// The tasks that the page shows of an instance: number, type and status.
pub(super) fn tasks(page: &Page, id: &str) -> BTreeSet<[String; 3]> {
    let samples = page.samples("aliyun_rds_import_task_status");
    let own = samples.into_iter().filter(|task| task.label("db_instance_id") == Some(id));
    own.map(|task| ["import_id", "type", "status"].map(|label| task.label(label).unwrap().into()))
        .collect()
}

pub(super) fn up(page: &Page, id: &str) -> Option<f64> {
    page.value("aliyun_rds_import_instance_up", &[("db_instance_id", id)])
}

pub(super) fn since(begin: Instant) -> Duration {
    begin.elapsed()
}

/// Looks until there is something to be seen.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(since(begun) < PATIENCE, "{what}: never");
        std::thread::sleep(Duration::from_millis(20));
    }
}
