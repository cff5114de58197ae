//! The real binary against the simulator: its secret, its signals, its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    Account, Effect, Fault, Instance, Kind, Scenario, Simulator, Status, Task,
};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, get};
use crate::exposition::parse;
use crate::golden::root;

const CANARY: &str = "c4n4rySecretNeverToBeSeen";

/// The binary, killed when the test ends without having stopped it.
pub(super) struct Binary(Child);

impl Binary {
    pub(super) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"));
        command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(root());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Reads stdout until a line begins with `prefix`, and gives the rest of it.
    pub(super) fn told(&mut self, prefix: &str) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let found = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(prefix).map(|rest| rest.trim().to_owned()));
        found.unwrap_or_else(|| panic!("{prefix:?} was not told"))
    }

    /// Reads the log until the daemon tells its address.
    fn address(&mut self) -> (String, String) {
        let mut log = String::new();
        let mut reader = BufReader::new(self.0.stderr.as_mut().unwrap());
        while reader.read_line(&mut log).unwrap() > 0 {
            if let Some((_, rest)) = log.split_once("message=listening ") {
                let address = rest.split("address=").nth(1).unwrap();
                return (address.split_whitespace().next().unwrap().to_owned(), log);
            }
        }
        panic!("no address was told: {log}");
    }

    /// Stops it as systemd and Kubernetes do; gives exit code, rest of stdout and stderr.
    pub(super) fn stop(mut self) -> (Option<i32>, String, String) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let (mut out, mut log) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.0.wait().unwrap().code(), out, log)
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks for `url` until the answer is as `wanted`.
#[expect(clippy::disallowed_methods, reason = "the deadline of a wait for another process")]
pub(super) async fn until(url: &str, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = get(url).await.unwrap_or_else(|error| error.to_string());
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{url} never answered as it should: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_nowhere_and_sigterm_ends_the_daemon_cleanly() {
    let account = Account {
        access_key_id: Some("LTAItest".into()),
        access_key_secret: Some(CANARY.into()),
        ..Account::new("default")
    };
    let list = vec![Task::steady(1, Kind::Full, Status::Failed)];
    let instances = vec![
        Instance::new("rm-1", list.clone()),
        Instance::new("rm-html", list.clone()),
        Instance::new("rm-closed", list),
    ];
    let faults =
        vec![Fault::on("rm-html", Effect::Html(502)), Fault::on("rm-closed", Effect::Close)];
    let scenario = Scenario { accounts: vec![account], faults, ..Scenario::of(instances) };
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, Clock::system(), loopback).await.unwrap();
    let (endpoint, stop) = (simulator.base_url(), CancellationToken::new());
    let control = simulator.control();
    tokio::spawn(simulator.serve(stop.clone()));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    let instance = |id| format!("  - {{id: {id}, region: cn-hangzhou, engine: MySQL}}\n");
    let text = format!(
        "accounts: {{default: {{endpoints: {{rds: '{endpoint}'}}}}}}\n\
         polling: {{interval: 1s, idle_interval: 2s}}\ninstances:\n{}{}{}",
        instance("rm-1"),
        instance("rm-html"),
        instance("rm-closed"),
    );
    std::fs::write(&file, text).unwrap();

    let file = file.to_str().unwrap();
    let mut binary = Binary::start(
        &["--config.file", file, "--web.listen-address=127.0.0.1:0", "--log.level=debug"],
        &[("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAItest"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY)],
    );
    let (address, head) = tokio::task::block_in_place(|| binary.address());
    let base = format!("http://{address}");
    let mut seen = vec![head];
    let metrics = format!("{base}/metrics");
    seen.push(until(&metrics, |page| page.contains("status=\"Failed\"} 1")).await);
    seen.push(until(&metrics, |page| page.contains("code=\"http_502\"")).await);
    seen.push(until(&metrics, |page| page.contains("code=\"connect\"")).await);
    // From here on the key is refused.
    assert!(control.set_key_active("default", false));
    seen.push(until(&metrics, |page| page.contains("InvalidAccessKeyId.Inactive")).await);
    for path in ["/", "/api/v1/tasks", "/api/v1/instances", "/-/ready", "/nowhere"] {
        seen.push(get(&format!("{base}{path}")).await.unwrap());
    }
    parse(&seen[1]).unwrap();

    let (code, out, log) = tokio::task::block_in_place(|| binary.stop());
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("message=stopped"), "{log}");
    assert!(log.contains("code=InvalidAccessKeyId.Inactive") && log.contains("request_id="));
    assert!(log.contains("level=debug") && log.contains("db_instance_id=rm-1"));
    seen.extend([out, log]);
    for text in seen {
        assert!(!text.contains(CANARY), "the secret is in: {text}");
        assert!(!text.contains("Signature="), "a signed URL is in: {text}");
    }
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotated_in_its_file_is_taken_up_without_a_restart() {
    let account = Account {
        access_key_id: Some("LTAItest".into()),
        access_key_secret: Some("theNewSecret".into()),
        ..Account::new("default")
    };
    let list = vec![Task::steady(1, Kind::Full, Status::Success)];
    let instances = vec![Instance::new("rm-1", list)];
    let scenario = Scenario { accounts: vec![account], ..Scenario::of(instances) };
    let hands = super::ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "theOldSecret\n").unwrap();
    let mut config = super::config(&simulator);
    for account in config.accounts.values_mut() {
        account.credentials = super::CredentialsSource::AccessKey {
            access_key_id: "LTAItest".into(),
            access_key_secret: super::SecretSource::File(file.clone()),
        };
    }
    let pipeline = super::Pipeline::of(simulator, &config, hands).await;
    let page = pipeline.until_up("rm-1", false).await;
    let labels = [("code", "SignatureDoesNotMatch")];
    let failures = page.value("aliyun_rds_import_exporter_walk_failures_total", &labels);
    assert!(failures >= Some(1.0));

    std::fs::write(&file, "theNewSecret\n").unwrap();

    pipeline.until_up("rm-1", true).await;
}
