//! The whole way from the simulated API to the page that Prometheus reads, over loopback.

mod binary;
mod counts;
mod faults;
mod prometheus;
mod status;

use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::clock::ManualClock;
use aliyun_rds_import_exporter::config::{
    Account, Config, CredentialsSource, Endpoints, Environment, Instance, Polling, SecretSource,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::simulator::{Control, Scenario, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::exposition::{Page, parse};

/// Longest real time in which something that must happen has to: never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(300);

/// A daemon that polls a simulated cloud; both live by a clock that the test moves.
struct Pipeline {
    hands: ManualClock,
    control: Control,
    url: String,
    stop: CancellationToken,
}

impl Pipeline {
    /// Starts both, for every instance of the scenario.
    async fn start(scenario: Scenario) -> Self {
        Self::with(scenario, |_| {}).await
    }

    async fn with(scenario: Scenario, adjust: impl FnOnce(&mut Config)) -> Self {
        let hands = ManualClock::new("2026-11-24T12:00:00Z".parse().unwrap());
        let loopback = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
        let mut config = config(&simulator);
        adjust(&mut config);
        Self::of(simulator, &config, hands).await
    }

    /// Starts a daemon that polls this simulator, and the simulator.
    async fn of(simulator: Simulator, config: &Config, hands: ManualClock) -> Self {
        let stop = CancellationToken::new();
        let control = simulator.control();
        tokio::spawn(simulator.serve(stop.clone()));

        let serving = Serving {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            telemetry_path: "/metrics".parse().unwrap(),
        };
        let app = App::bind(config, serving, &Environment::default(), hands.clock()).await.unwrap();
        let url = format!("http://{}/metrics", app.local_addrs()[0]);
        tokio::spawn(app.run(stop.clone()));
        Self { hands, control, url, stop }
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

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The body that `url` answers. HTTP/1.0, so that it comes in one piece.
async fn get(url: &str) -> std::io::Result<String> {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| std::io::Error::other("no answer"))
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
        let credentials = CredentialsSource::AccessKey {
            access_key_id: key.id.clone(),
            access_key_secret: SecretSource::Inline(Secret::new(key.secret.as_str())),
        };
        let endpoints = Endpoints { rds: Some(simulator.base_url()) };
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
    Config { accounts: accounts.collect(), instances: instances.collect(), polling }
}
