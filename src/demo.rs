//! The demonstration: simulator and daemon in one process, without configuration or account.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Serving};
use crate::clock::Clock;
use crate::config::{
    AccessKey, Account, Config, CredentialsSource, Endpoints, Environment, Instance, Polling,
    SecretSource,
};
use crate::domain::Engine;
use crate::secret::Secret;
use crate::simulator::{self, KnownInstance, Scenario, Simulator};

/// Seconds between polls: short, so that there is something to see within two minutes.
const INTERVAL: Duration = Duration::from_secs(5);
const IDLE_INTERVAL: Duration = Duration::from_secs(15);
const STALE_AFTER: Duration = Duration::from_secs(45);

/// A daemon and the simulated cloud that it polls.
pub struct Demo {
    app: App,
    simulator: Simulator,
}

impl Demo {
    /// Starts the simulator on a free port of loopback, and sets up a daemon for all that it has.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub async fn bind(serving: Serving, clock: Clock) -> anyhow::Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulator = Simulator::bind(Scenario::demo(), clock.clone(), loopback)
            .await
            .context("cannot start the simulator")?;
        let config = config(&simulator);
        // Not the process environment: a proxy or real keys have no place in a demonstration.
        let app = App::bind(&config, serving, &Environment::default(), clock).await?;
        Ok(Self { app, simulator })
    }

    /// The daemon's addresses.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.app.local_addrs()
    }

    /// How URLs of the daemon begin.
    pub fn scheme(&self) -> &'static str {
        self.app.scheme()
    }

    /// Where the simulated cloud is.
    pub fn simulator_url(&self) -> String {
        self.simulator.base_url()
    }

    /// Runs both until told to stop.
    ///
    /// # Errors
    ///
    /// When a task panicked.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let simulator_stop = CancellationToken::new();
        let simulator = tokio::spawn(self.simulator.serve(simulator_stop.clone()));
        let ended = self.app.run(stop).await;
        simulator_stop.cancel();
        simulator.await.context("the simulator failed")?;
        ended
    }
}

/// A configuration that polls every instance of the simulator.
fn config(simulator: &Simulator) -> Config {
    let accounts = simulator.accounts().iter().map(|key| {
        let account = Account {
            credentials: CredentialsSource::AccessKey(AccessKey {
                id: key.id.clone(),
                secret: SecretSource::Inline(Secret::new(key.secret.as_str())),
            }),
            endpoints: Endpoints { rds: Some(simulator.base_url()), ..Endpoints::default() },
            ..Account::default()
        };
        (Arc::from(key.account.as_str()), account)
    });
    let polling = Polling { stale_after: STALE_AFTER, ..Polling::default() };
    let instances = simulator.instances().iter().filter_map(instance);
    Config {
        accounts: accounts.collect(),
        instances: instances.collect(),
        polling,
        ..Config::default()
    }
}

/// How an instance is polled; `None` if its engine has no imports.
fn instance(known: &KnownInstance) -> Option<Instance> {
    Some(Instance {
        id: known.id.as_str().into(),
        region: known.region.as_str().into(),
        engine: match known.engine {
            simulator::Engine::MySQL => Engine::MySQL,
            simulator::Engine::SQLServer => Engine::SQLServer,
            simulator::Engine::PostgreSQL | simulator::Engine::MariaDB => return None,
        },
        account: known.account.as_str().into(),
        name: known.name.as_str().into(),
        interval: INTERVAL,
        idle_interval: IDLE_INTERVAL,
        lookback: Duration::from_secs(30 * 86_400),
    })
}
