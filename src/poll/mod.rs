//! Decides what to ask and when, and what the answers mean for the tasks that are shown.
//!
//! One [`account`] polls its [`instance`]s as its [`schedule`] and [`budget`] allow. Each poll is a
//! [`visit`]: it [`walk`]s the list and brings the [`roster`] of known tasks up to date. The
//! machines among these are pure; only account, instance and caller touch sockets and time.

mod account;
mod backoff;
mod budget;
mod caller;
mod instance;
mod journal;
mod roster;
mod schedule;
mod sweep;
mod visit;
mod walk;
mod window;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::SetupError;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::instruments::Instruments;
use crate::store::Store;

use account::AccountPoll;
use caller::Caller;
use instance::InstancePoll;

pub use sweep::{Sweep, Unreachable};

/// Polls every instance of every account.
pub struct Poller {
    accounts: Vec<AccountPoll>,
    pending: Vec<watch::Receiver<usize>>,
}

impl Poller {
    /// Sets up the polls that `config` describes, and publishes every instance as pending. Nothing
    /// is asked before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When an account's TLS or proxy settings cannot be used.
    pub fn new(
        config: &Config,
        environment: &Environment,
        clock: &Clock,
        instruments: &Instruments,
        store: &Store,
    ) -> Result<Self, SetupError> {
        let polling = Arc::new(config.polling.clone());
        let mut poller = Self { accounts: Vec::new(), pending: Vec::new() };
        for (name, account) in &config.accounts {
            let caller = Caller::new(name, account, &polling, environment, clock, instruments)?;
            let own = config.instances.iter().filter(|instance| instance.account == *name);
            let own = own.map(|target| InstancePoll::new(target.clone(), Arc::clone(&polling)));
            let (sender, pending) = watch::channel(0);
            let (store, concurrency) = (store.clone(), polling.concurrency);
            let account = AccountPoll::new(caller, store, concurrency, own.collect(), sender);
            poller.accounts.push(account);
            poller.pending.push(pending);
        }
        Ok(poller)
    }

    /// How many instances of each account are still to be attempted for the first time; none of an
    /// account that backs off.
    pub fn pending(&self) -> Vec<watch::Receiver<usize>> {
        self.pending.clone()
    }

    /// Polls until told to stop; what is under way is dropped then.
    ///
    /// # Errors
    ///
    /// When a poll panicked: the process must not go on half alive.
    pub async fn run(self, stop: CancellationToken) -> Result<(), JoinError> {
        let mut accounts = JoinSet::new();
        for account in self.accounts {
            accounts.spawn(account.run(stop.clone()));
        }
        while let Some(ended) = accounts.join_next().await {
            ended??;
        }
        Ok(())
    }
}
