//! The whole way from the simulated API to the page that Prometheus reads, over loopback.

mod accounts;
pub(crate) mod binary;
mod cloud;
mod counts;
mod discovery;
mod faults;
mod policy;
pub(crate) mod prometheus;
mod providers;
mod reload;
mod shards;

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::load::from_str;
use aliyun_rds_import_exporter::config::{
    AccessKey, Account, Config, CredentialsSource, Endpoints, Environment, Instance, Polling,
    SecretSource,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::simulator::{Control, Scenario, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::exposition::{Page, parse};

/// Longest real time in which something that must happen has to: never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A daemon that polls a simulated cloud; both live by a clock that the test moves.
struct Pipeline {
    daemon: Daemon,
    control: Control,
}

/// A daemon that lives by a clock that the test moves.
struct Daemon {
    hands: ManualClock,
    url: String,
    /// What it reads when it is asked to reload.
    file: Arc<Mutex<File>>,
    stop: CancellationToken,
}

/// A configuration to reload.
enum File {
    /// One that is all right.
    Good(Box<Config>),
    /// A text that is none.
    Bad(&'static str),
}

impl Pipeline {
    /// Starts both, for every instance of the scenario.
    async fn start(scenario: Scenario) -> Self {
        Self::with(scenario, |_| {}).await
    }

    async fn with(scenario: Scenario, adjust: impl FnOnce(&mut Config)) -> Self {
        let hands = hands();
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
        let mut config = config(&simulator);
        adjust(&mut config);
        Self::of(simulator, &config, hands).await
    }

    /// Starts a daemon that polls this simulator, and the simulator.
    async fn of(simulator: Simulator, config: &Config, hands: ManualClock) -> Self {
        let control = simulator.control();
        let daemon = Daemon::start(config, hands).await;
        tokio::spawn(simulator.serve(daemon.stop.clone()));
        Self { daemon, control }
    }
}

impl Deref for Pipeline {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Daemon {
    async fn start(config: &Config, hands: ManualClock) -> Self {
        Self::start_in(&Environment::default(), config, hands).await
    }

    async fn start_in(environment: &Environment, config: &Config, hands: ManualClock) -> Self {
        let file = Arc::new(Mutex::new(File::Good(Box::new(config.clone()))));
        let read = {
            let file = Arc::clone(&file);
            move || match &*file.lock().unwrap() {
                File::Good(config) => Ok(Config::clone(config)),
                File::Bad(text) => {
                    let loaded =
                        from_str(text, "config.yaml", Path::new(""), &Environment::default());
                    loaded.map(|loaded| loaded.config)
                }
            }
        };
        let serving = Serving::openly(vec!["127.0.0.1:0".parse().unwrap()]);
        let app = App::bind(config, serving, environment, hands.clock()).await.unwrap();
        let app = app.reload_by(read);
        let url = format!("http://{}/metrics", app.local_addrs()[0]);
        let stop = CancellationToken::new();
        tokio::spawn(app.run(stop.clone()));
        Self { hands, url, file, stop }
    }

    /// Asks for a reload of `file`, and gives the answer's status and text.
    async fn reload(&self, file: File) -> (u16, String) {
        *self.file.lock().unwrap() = file;
        self.ask("POST", "/-/reload").await
    }

    async fn reload_good(&self, config: Config) {
        let answer = self.reload(File::Good(Box::new(config))).await;
        assert_eq!(answer, (200, "reloaded\n".to_owned()));
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let base = self.url.strip_suffix("/metrics").unwrap();
        ask(method, &format!("{base}{path}")).await.unwrap()
    }

    async fn page(&self) -> Page {
        let text = get(&self.url).await.unwrap();
        parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Lets time pass until the page is as `wanted`.
    async fn until(&self, what: &str, mut wanted: impl FnMut(&Page) -> bool) -> Page {
        let waiting = async {
            loop {
                let page = self.page().await;
                if wanted(&page) {
                    return page;
                }
                self.hands.advance(Duration::from_millis(250));
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(page) => page,
            Err(_) => panic!("never came: {what}\n{:#?}", self.page().await),
        }
    }

    async fn until_up(&self, instance: &str, up: bool) -> Page {
        let value = f64::from(u8::from(up));
        self.until(&format!("{instance} up {up}"), |page| is_up(page, instance) == Some(value))
            .await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A clock that stands still at noon.
fn hands() -> ManualClock {
    ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap())
}

/// The body that `url` answers.
pub(crate) async fn get(url: &str) -> std::io::Result<String> {
    ask("GET", url).await.map(|(_, body)| body)
}

/// The status and body that `url` answers. HTTP/1.0, so that it comes in one piece.
pub(crate) async fn ask(method: &str, url: &str) -> std::io::Result<(u16, String)> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| std::io::Error::other("no answer"))
}

fn is_up(page: &Page, instance: &str) -> Option<f64> {
    page.value("aliyun_rds_import_instance_up", &[("db_instance_id", instance)])
}

/// The tasks that the page shows of an instance: number, type and status.
fn tasks(page: &Page, instance: &str) -> Vec<(u64, String, String)> {
    let samples = page.samples("aliyun_rds_import_task_status");
    let own = samples.into_iter().filter(|s| s.label("db_instance_id") == Some(instance));
    own.map(|sample| {
        let label = |name| sample.label(name).unwrap().to_owned();
        (label("import_id").parse().unwrap(), label("type"), label("status"))
    })
    .collect()
}

fn config(simulator: &Simulator) -> Config {
    let accounts = simulator.accounts().iter().map(|key| {
        let credentials = CredentialsSource::AccessKey(AccessKey {
            id: key.id.clone(),
            secret: SecretSource::Inline(Secret::new(key.secret.as_str())),
        });
        let endpoints = Endpoints { rds: Some(simulator.base_url()), ..Endpoints::default() };
        let account =
            Account { credentials, endpoints, requests_per_second: 100.0, ..Account::default() };
        (Arc::from(key.account.as_str()), account)
    });
    let instances = simulator.instances().iter().map(|known| Instance {
        id: known.id.as_str().into(),
        region: known.region.as_str().into(),
        engine: Engine::MySQL,
        account: known.account.as_str().into(),
        name: known.name.as_str().into(),
        interval: Duration::from_secs(10),
        idle_interval: Duration::from_secs(20),
        lookback: Duration::from_secs(30 * 86_400),
    });
    let polling = Polling {
        request_timeout: Duration::from_secs(1),
        stale_after: Duration::from_secs(30 * 86_400),
        ..Polling::default()
    };
    Config {
        accounts: accounts.collect(),
        instances: instances.collect(),
        polling,
        ..Config::default()
    }
}
