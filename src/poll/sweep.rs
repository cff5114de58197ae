//! Polls every instance once and says how it went: for whoever asks now and has no daemon.
//!
//! It keeps what it knows, so that it can sweep again. Budget, concurrency and retries are the
//! daemon's; the schedule is not: everything is due at once.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::error::Scope;
use crate::api::{Error, SetupError};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::domain::InstanceKey;
use crate::instruments::Instruments;
use crate::poll::caller::Caller;
use crate::poll::instance::{InstancePoll, Outcome};
use crate::store::Store;

/// Polls every instance of a configuration.
pub struct Sweep {
    accounts: Vec<Account>,
    store: Store,
    concurrency: usize,
}

/// An instance that could not be walked.
#[derive(Debug)]
pub struct Unreachable {
    /// Which one.
    pub key: InstanceKey,
    /// Why.
    pub error: Error,
}

struct Account {
    caller: Caller,
    instances: Vec<InstancePoll>,
}

impl Sweep {
    /// A sweep over what `config` describes, which publishes to `store`. It asks nothing yet.
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
        let mut accounts = Vec::new();
        for (name, account) in &config.accounts {
            let own = config.instances.iter().filter(|instance| instance.account == *name);
            let own = own.map(|target| InstancePoll::new(target.clone(), Arc::clone(&polling)));
            let instances: Vec<_> = own.collect();
            if instances.is_empty() {
                continue;
            }
            let caller = Caller::new(name, account, &polling, environment, clock, instruments)?;
            accounts.push(Account { caller, instances });
        }
        Ok(Self { accounts, store: store.clone(), concurrency: polling.concurrency })
    }

    /// How many instances it polls.
    pub fn size(&self) -> usize {
        self.accounts.iter().map(|account| account.instances.len()).sum()
    }

    /// Polls every instance once, and calls `polled` after each. Those that failed are returned in
    /// the order of their keys. `None` if it was stopped.
    ///
    /// # Errors
    ///
    /// When a poll panicked.
    pub async fn run(
        &mut self,
        polled: impl Fn() + Clone + Send + 'static,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<Unreachable>>, JoinError> {
        let mut running = JoinSet::new();
        for account in self.accounts.drain(..) {
            let (store, polled) = (self.store.clone(), polled.clone());
            running.spawn(account.sweep(store, self.concurrency, polled));
        }
        let mut unreachable = Vec::new();
        loop {
            let ended = tokio::select! {
                ended = running.join_next() => ended,
                // What is under way is dropped with the set.
                () = stop.cancelled() => return Ok(None),
            };
            let Some(ended) = ended else { break };
            let (account, failed) = ended??;
            self.accounts.push(account);
            unreachable.extend(failed);
        }
        unreachable.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Some(unreachable))
    }
}

impl Account {
    async fn sweep(
        self,
        store: Store,
        concurrency: usize,
        polled: impl Fn(),
    ) -> Result<(Self, Vec<Unreachable>), JoinError> {
        let Self { caller, instances } = self;
        let mut waiting = instances.into_iter();
        let mut polls = JoinSet::new();
        let (mut done, mut unreachable) = (Vec::new(), Vec::new());
        // Why no instance of the account can be asked.
        let mut refused: Option<Error> = None;
        loop {
            while refused.is_none() && polls.len() < concurrency {
                let Some(mut instance) = waiting.next() else { break };
                let (caller, store) = (caller.clone(), store.clone());
                polls.spawn(async move {
                    let token = caller.token().await;
                    let outcome = instance.poll(&caller, &store, token).await;
                    (instance, outcome)
                });
            }
            let Some(ended) = polls.join_next().await else { break };
            let (instance, outcome) = ended?;
            let Outcome { walk_failure, later_failure, .. } = outcome;
            let failure = walk_failure.as_ref().or(later_failure.as_ref());
            refused = refused.or_else(|| {
                failure.filter(|error| error.kind().scope() == Scope::Account).cloned()
            });
            let key = instance.key().clone();
            unreachable.extend(walk_failure.map(|error| Unreachable { key, error }));
            done.push(instance);
            polled();
        }
        if let Some(error) = refused {
            for mut instance in waiting {
                let now = caller.clock.monotonic();
                instance.fail(&caller, &store, now, error.clone());
                let key = instance.key().clone();
                unreachable.push(Unreachable { key, error: error.clone() });
                done.push(instance);
                polled();
            }
        }
        Ok((Self { caller, instances: done }, unreachable))
    }
}
