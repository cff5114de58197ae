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
pub(crate) struct Binary(Child);

impl Binary {
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"));
        command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(root());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// The binary as a line of shell starts it; `"$@"` in it stands for the binary and
    /// `arguments`. What is piped is the shell's.
    pub(crate) fn in_shell(line: &str, arguments: &[&str], stdin: impl Into<Stdio>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_aliyun-rds-import-exporter")]);
        command.args(arguments).current_dir(root());
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Reads the log until a line holds `text`.
    pub(crate) fn logged(&mut self, text: &str) -> String {
        let lines = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        let found = lines.map_while(Result::ok).find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("{text:?} was not logged"))
    }

    /// Reads stdout until a line begins with `prefix`, and gives the rest of it.
    pub(crate) fn told(&mut self, prefix: &str) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let found = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(prefix).map(|rest| rest.trim().to_owned()));
        found.unwrap_or_else(|| panic!("{prefix:?} was not told"))
    }

    /// Reads the log until the daemon tells its address.
    pub(crate) fn address(&mut self) -> (String, String) {
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

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Stops it as systemd and Kubernetes do; gives exit code, rest of stdout and stderr.
    pub(crate) fn stop(mut self) -> (Option<i32>, String, String) {
        self.signal("-TERM");
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
pub(crate) async fn until(url: &str, wanted: impl Fn(&str) -> bool) -> String {
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
        account.credentials = super::CredentialsSource::AccessKey(super::AccessKey {
            id: "LTAItest".into(),
            secret: super::SecretSource::File(file.clone()),
        });
    }
    let pipeline = super::Pipeline::of(simulator, &config, hands).await;
    let page = pipeline.until_up("rm-1", false).await;
    let labels = [("code", "SignatureDoesNotMatch")];
    let failures = page.value("aliyun_rds_import_exporter_walk_failures_total", &labels);
    assert!(failures >= Some(1.0));

    std::fs::write(&file, "theNewSecret\n").unwrap();

    pipeline.until_up("rm-1", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_what_a_config_map_links_to_now() {
    let list = || vec![Task::steady(1, Kind::Full, Status::Success)];
    let scenario = Scenario::of(vec![Instance::new("rm-1", list()), Instance::new("rm-2", list())]);
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, Clock::system(), loopback).await.unwrap();
    let (endpoint, key) = (simulator.base_url(), simulator.accounts()[0].clone());
    let stop = CancellationToken::new();
    tokio::spawn(simulator.serve(stop.clone()));
    // As Kubernetes mounts one: `config.yaml -> ..data/config.yaml`, `..data -> ..<time>`.
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str, instances: &str| {
        let folder = mount.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            "accounts: {{default: {{endpoints: {{rds: '{endpoint}'}}}}}}\n\
             polling: {{interval: 1s, idle_interval: 2s}}\ninstances:\n{instances}"
        );
        std::fs::write(folder.join("config.yaml"), text).unwrap();
        let link = mount.path().join("..data_tmp");
        std::os::unix::fs::symlink(name, &link).unwrap();
        std::fs::rename(link, mount.path().join("..data")).unwrap();
    };
    let instance = |id| format!("- {{id: {id}, region: cn-hangzhou, engine: MySQL}}\n");
    version("..1", &instance("rm-1"));
    let file = mount.path().join("config.yaml");
    std::os::unix::fs::symlink("..data/config.yaml", &file).unwrap();

    let mut binary = Binary::start(
        &["--config.file", file.to_str().unwrap(), "--web.listen-address=127.0.0.1:0"],
        &[
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", &key.id),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", &key.secret),
        ],
    );
    let (address, _) = tokio::task::block_in_place(|| binary.address());
    let (metrics, shown) =
        (format!("http://{address}/metrics"), format!("http://{address}/config"));
    until(&metrics, |page| page.contains("instance_up{") && page.contains("rm-1")).await;

    version("..2", &instance("rm-2"));
    binary.signal("-HUP");
    let page = until(&metrics, |page| page.contains("rm-2")).await;
    assert!(!page.contains("rm-1\""), "{page}");
    assert!(get(&shown).await.unwrap().contains("rm-2"));

    version("..3", "- {id: rm-3}\n");
    binary.signal("-HUP");
    let failed = "aliyun_rds_import_exporter_config_last_reload_successful 0";
    let page = until(&metrics, |page| page.contains(failed)).await;
    assert!(page.contains("rm-2"));
    let (status, error) = super::ask("POST", &format!("http://{address}/-/reload")).await.unwrap();
    assert_eq!(status, 500, "{error}");
    assert!(error.contains("config.yaml:4: instances[0].region: is missing"), "{error}");

    let (code, _, log) = tokio::task::block_in_place(|| binary.stop());
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("message=\"the configuration was reloaded\""), "{log}");
    assert!(log.contains("level=error") && log.contains("was not reloaded"), "{log}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_has_nothing_to_reload_and_says_so() {
    let mut binary = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0"], &[]);
    let metrics = tokio::task::block_in_place(|| binary.told("metrics:"));

    let (status, text) =
        super::ask("POST", &metrics.replace("/metrics", "/-/reload")).await.unwrap();

    assert_eq!(status, 500);
    assert_eq!(
        text,
        "not reloaded: there is no configuration file to read again, as in the demo\n"
    );
    let page = get(&metrics).await.unwrap();
    let well = "aliyun_rds_import_exporter_config_last_reload_successful 1\n";
    assert!(page.contains(well), "nothing was tried, so nothing failed");
    tokio::task::block_in_place(|| binary.stop());
}
