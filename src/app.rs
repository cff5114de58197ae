//! The daemon, put together: from a configuration to something that listens, polls and stops.
//!
//! The binary, `demo` and the tests all run this. It alone knows every room.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::instruments::Instruments;
use crate::metrics::Exposition;
use crate::poll::Poller;
use crate::readiness::Readiness;
use crate::store::Store;
use crate::web::{Bound, Limits, ListenAddress, Site, TelemetryPath};

/// How long readiness waits for the first attempts.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where and how the daemon serves.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Addresses to listen on.
    pub listen: Vec<ListenAddress>,
    /// Path of the metrics.
    pub telemetry_path: TelemetryPath,
}

/// A daemon that listens and does nothing else yet.
pub struct App {
    bound: Bound,
    site: Site,
    store: Store,
    poller: Poller,
    readiness: watch::Sender<Readiness>,
    clock: Clock,
}

impl App {
    /// Sets everything up that can fail.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on or an account's HTTPS settings cannot be used.
    pub async fn bind(
        config: &Config,
        serving: Serving,
        environment: &Environment,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let instruments = Instruments::new().context("cannot register the metrics")?;
        let store = Store::new();
        let poller = Poller::new(config, environment, &clock, &instruments, &store)?;
        let bound = Bound::bind(&serving.listen).await?;
        let readiness = watch::Sender::new(Readiness::Pending("no instance was attempted".into()));
        let exposition = Exposition::new(store.clone(), instruments.clone());
        let site = Site {
            exposition,
            store: store.clone(),
            instruments,
            clock: clock.clone(),
            readiness: readiness.subscribe(),
            telemetry_path: serving.telemetry_path,
        };
        Ok(Self { bound, site, store, poller, readiness, clock })
    }

    /// The addresses that are listened on, in the order in which they were given.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.bound.local_addrs()
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
        let Self { bound, site, store: _, poller, readiness, clock } = self;
        let pending = poller.pending();
        let failed = stop.child_token();
        let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (for_polls, for_readiness, for_web) = (failed.clone(), failed.clone(), failed.clone());
        parts.spawn(async move { Ok(poller.run(for_polls).await?) });
        let keeping = site.exposition.clone().keep_ready(clock.clone(), failed.clone());
        parts.spawn(async move {
            keeping.await;
            Ok(())
        });
        parts.spawn(async move {
            tell_readiness(readiness, pending, clock, for_readiness).await;
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

/// Keeps `readiness` true until told to stop: ready once every instance was attempted or has been
/// waited for long enough, and then for good.
async fn tell_readiness(
    readiness: watch::Sender<Readiness>,
    mut pending: Vec<watch::Receiver<usize>>,
    clock: Clock,
    stop: CancellationToken,
) {
    let attempted = async {
        for account in 0..pending.len() {
            loop {
                let left: usize = pending.iter().map(|account| *account.borrow()).sum();
                let text = format!("instances not attempted yet: {left}");
                readiness.send_replace(Readiness::Pending(text));
                if *pending[account].borrow_and_update() == 0 {
                    break;
                }
                // An account that ended will not attempt anything more.
                if pending[account].changed().await.is_err() {
                    break;
                }
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
