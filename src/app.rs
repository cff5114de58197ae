//! The daemon, put together: from a configuration to something that listens, polls and stops.
//!
//! The binary, `demo` and the tests all run this. It alone knows every room.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::load::LoadError;
use crate::config::{Config, Environment};
use crate::instruments::Instruments;
use crate::metrics::Exposition;
use crate::poll::{Poller, Reconfigure};
use crate::readiness::{Awaited, Readiness};
use crate::reload::{Reload, Reloads};
use crate::store::Store;
use crate::web::{Bound, Guard, Limits, ListenAddress, Site, TelemetryPath};

/// How long readiness waits for the first attempts.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where and how the daemon serves.
#[derive(Debug)]
pub struct Serving {
    /// Addresses to listen on.
    pub listen: Vec<ListenAddress>,
    /// Sockets that listen already; if there are any, no address is listened on.
    pub sockets: Vec<TcpListener>,
    /// The web configuration; without one everybody is let in, over plain HTTP.
    pub web_config: Option<PathBuf>,
    /// Path of the metrics.
    pub telemetry_path: TelemetryPath,
}

impl Serving {
    /// Metrics at `/metrics` of these addresses, for everybody, over plain HTTP.
    pub fn openly(listen: Vec<ListenAddress>) -> Self {
        let telemetry_path = TelemetryPath::default();
        Self { listen, sockets: Vec::new(), web_config: None, telemetry_path }
    }
}
/// Reads the configuration again.
type Load = dyn Fn() -> Result<Config, LoadError> + Send + Sync;

/// A daemon that listens and does nothing else yet.
pub struct App {
    bound: Bound,
    site: Site,
    store: Store,
    poller: Poller,
    readiness: watch::Sender<Readiness>,
    reloader: Reloader,
    clock: Clock,
}

/// Answers those who ask for a reload.
struct Reloader {
    asked: Reloads,
    load: Option<Arc<Load>>,
    reconfigure: Reconfigure,
    config: watch::Sender<Arc<Config>>,
    instruments: Instruments,
    clock: Clock,
}

impl App {
    /// Sets everything up that can fail.
    ///
    /// # Errors
    ///
    /// When the web configuration is bad, an address cannot be listened on or an account's HTTPS
    /// settings cannot be used.
    pub async fn bind(
        config: &Config,
        serving: Serving,
        environment: &Environment,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let instruments = Instruments::new().context("cannot register the metrics")?;
        let store = Store::new();
        let guard = match &serving.web_config {
            Some(file) => Guard::load(file, clock.clone())?,
            None => Guard::open(),
        };
        let bound = if serving.sockets.is_empty() {
            Bound::bind(&serving.listen).await?
        } else {
            Bound::of(serving.sockets)?
        };
        let config = Arc::new(config.clone());
        let poller = Poller::new(Arc::clone(&config), environment, &clock, &instruments, &store)?;
        instruments.reloaded(Some(clock.now()));
        let (reload, asked) = Reload::channel();
        let reloader = Reloader {
            asked,
            load: None,
            reconfigure: poller.reconfigure(),
            config: watch::Sender::new(config),
            instruments: instruments.clone(),
            clock: clock.clone(),
        };
        let readiness = watch::Sender::new(Readiness::Pending("no instance was attempted".into()));
        let exposition = Exposition::new(store.clone(), instruments.clone());
        let site = Site {
            exposition,
            store: store.clone(),
            instruments,
            clock: clock.clone(),
            readiness: readiness.subscribe(),
            config: reloader.config.subscribe(),
            reload,
            telemetry_path: serving.telemetry_path,
            guard,
        };
        Ok(Self { bound, site, store, poller, readiness, reloader, clock })
    }

    /// Reads the configuration with `load` when a reload is asked for. Without this there is
    /// nothing to reload, and whoever asks is told so.
    pub fn reload_by(
        mut self,
        load: impl Fn() -> Result<Config, LoadError> + Send + Sync + 'static,
    ) -> Self {
        self.reloader.load = Some(Arc::new(load));
        self
    }

    /// The way to ask for a reload, while the daemon runs.
    pub fn reload(&self) -> Reload {
        self.site.reload.clone()
    }

    /// The addresses that are listened on, in the order in which they were given.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.bound.local_addrs()
    }

    /// How URLs of the daemon begin: `https` if TLS is served, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.site.guard.serves_tls() { "https" } else { "http" }
    }

    /// What is known of the instances, while the daemon runs too.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Polls and serves until told to stop, then lets requests in flight finish.
    ///
    /// # Errors
    ///
    /// When a task panicked: the daemon does not go on half alive.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { bound, site, store: _, poller, readiness, reloader, clock } = self;
        let awaited = poller.awaited();
        let failed = stop.child_token();
        let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (for_polls, for_readiness, for_web) = (failed.clone(), failed.clone(), failed.clone());
        let for_reloads = failed.clone();
        parts.spawn(async move { Ok(poller.run(for_polls).await?) });
        let keeping = site.exposition.clone().keep_ready(clock.clone(), failed.clone());
        parts.spawn(async move {
            keeping.await;
            Ok(())
        });
        parts.spawn(async move { reloader.run(for_reloads).await });
        parts.spawn(async move {
            tell_readiness(readiness, awaited, clock, for_readiness).await;
            Ok(())
        });
        parts.spawn(async move {
            bound.serve(site, Limits::default(), for_web).await;
            Ok(())
        });

        let mut outcome = Ok(());
        while let Some(ended) = parts.join_next().await {
            // Whichever part ends first, by order or by accident, ends the others.
            failed.cancel();
            outcome = outcome.and(ended.map_err(anyhow::Error::from).flatten());
        }
        outcome.context("a part of the daemon failed")
    }
}

impl Reloader {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let answer = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(answer) = self.asked.next() => answer,
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                outcome = self.reload() => answer.give(outcome?),
            }
        }
    }

    /// Reads the configuration and takes it over. The error that is returned within is for people.
    async fn reload(&self) -> anyhow::Result<Result<(), String>> {
        let Some(load) = self.load.clone() else {
            let problem = "there is no configuration file to read again, as in the demo";
            tracing::warn!("asked to reload, but {problem}");
            return Ok(Err(problem.to_owned()));
        };
        // Reading files may take a while, and nothing else may wait for it.
        let loaded = tokio::task::spawn_blocking(move || load()).await?;
        let outcome = match loaded {
            Ok(config) => self.take_over(config).await,
            Err(error) => Err(error.to_string()),
        };
        match &outcome {
            Ok(()) => {
                let config = self.config.borrow();
                tracing::info!(
                    accounts = config.accounts.len(),
                    instances = config.instances.len(),
                    discovery = config.discovery.len(),
                    "the configuration was reloaded"
                );
            }
            Err(error) => tracing::error!(
                error,
                "the configuration was not reloaded: the one before stays in force"
            ),
        }
        self.instruments.reloaded(outcome.is_ok().then(|| self.clock.now()));
        Ok(outcome)
    }

    async fn take_over(&self, config: Config) -> Result<(), String> {
        let config = Arc::new(config);
        let taken = self.reconfigure.to(Arc::clone(&config)).await;
        taken.map_err(|error| error.to_string())?;
        self.config.send_replace(config);
        Ok(())
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("reloads", &self.load.is_some()).finish_non_exhaustive()
    }
}

/// Keeps `readiness` true until told to stop: ready once every instance was attempted or has been
/// waited for long enough, and then for good.
async fn tell_readiness(
    readiness: watch::Sender<Readiness>,
    mut awaited: watch::Receiver<Awaited>,
    clock: Clock,
    stop: CancellationToken,
) {
    let attempted = async {
        loop {
            let left = *awaited.borrow_and_update();
            readiness.send_replace(Readiness::Pending(left.to_string()));
            // A poller that ended will not attempt anything more.
            if left == Awaited::NOTHING || awaited.changed().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = attempted => {}
        () = clock.sleep(PATIENCE) => {}
        () = stop.cancelled() => {}
    }
    if !stop.is_cancelled() {
        readiness.send_replace(Readiness::Ready);
        stop.cancelled().await;
    }
    readiness.send_replace(Readiness::Draining);
}
