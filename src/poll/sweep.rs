//! Polls every instance once and says how it went: for whoever asks now and has no daemon.
//!
//! A [`Reach`] finds what there is to poll, a [`Sweep`] polls it and keeps what it knows, so that
//! it can sweep again. Budget, concurrency and retries are the daemon's; the schedule is not:
//! everything is due at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::Error;
use crate::api::error::Scope;
use crate::clock::Clock;
use crate::config::{Config, Environment, Instance};
use crate::domain::InstanceKey;
use crate::instruments::Instruments;
use crate::poll::caller::Caller;
use crate::poll::instance::{InstancePoll, Outcome};
use crate::poll::targets::{Inventory, assign};
use crate::store::Store;
use crate::transport::SetupError;

/// How long a search that fails is tried again.
const SEARCH_FOR: Duration = Duration::from_secs(20);

/// What there is to poll, and how to ask for it.
pub struct Reach {
    callers: BTreeMap<Arc<str>, Caller>,
    /// The instances, listed and found, each once.
    pub targets: Vec<Arc<Instance>>,
}

/// Why it is not known what there is to poll.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// An account's TLS or proxy settings cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A search failed: the list of instances would lack some.
    #[error("account {account}, region {region_id:?}: {action} failed: {error}; {hint}")]
    Search {
        /// Which account.
        account: Arc<str>,
        /// Region that was searched; empty for the list of regions.
        region_id: String,
        /// The operation.
        action: &'static str,
        /// Why.
        error: Box<Error>,
        /// What to do about it.
        hint: &'static str,
    },
}

impl Reach {
    /// Lists the instances of `config`, and searches for those it asks to discover.
    ///
    /// # Errors
    ///
    /// When an account cannot be set up or a search fails.
    pub async fn find(
        config: &Config,
        environment: &Environment,
        clock: &Clock,
        instruments: &Instruments,
    ) -> Result<Self, FindError> {
        let mut callers = BTreeMap::new();
        for (name, account) in &config.accounts {
            let caller = Caller::new(name, account, config, environment, clock, instruments)?;
            callers.insert(Arc::clone(name), caller);
        }
        let mut inventory = Inventory::default();
        loop {
            let assignments = assign(config, &inventory);
            // A list of regions leads to further searches.
            let open = assignments.iter().flat_map(|(name, assignment)| {
                let open = assignment.searches.iter().filter(|(_, repeat)| !repeat.answered);
                open.map(move |(search, _)| (Arc::clone(name), search.clone()))
            });
            let open: Vec<_> = open.collect();
            if open.is_empty() {
                let assignments = assignments.into_values();
                let targets = assignments.flat_map(|assignment| assignment.targets).collect();
                return Ok(Self { callers, targets });
            }
            for (name, search) in open {
                let Some(caller) = callers.get(&name) else { continue };
                let deadline = clock.monotonic().saturating_add(SEARCH_FOR);
                let listing = search.run(caller, deadline).await;
                let listing = listing.map_err(|error| FindError::Search {
                    region_id: search.scope(&name).region_id.to_owned(),
                    action: search.action(),
                    hint: search.hint(error.kind()),
                    error: Box::new(error),
                    account: Arc::clone(&name),
                })?;
                inventory.put(&name, search, listing, DateTime::UNIX_EPOCH);
            }
        }
    }
}

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
    /// A sweep over what is in reach, which publishes to `store`. It asks nothing yet.
    pub fn new(reach: Reach, config: &Config, store: &Store) -> Self {
        let polling = Arc::new(config.polling.clone());
        let Reach { callers, targets } = reach;
        let accounts = callers.into_iter().filter_map(|(name, caller)| {
            let own = targets.iter().filter(|target| target.account == name);
            let own = own.map(|target| InstancePoll::new(Arc::clone(target), Arc::clone(&polling)));
            let instances: Vec<_> = own.collect();
            (!instances.is_empty()).then_some(Account { caller, instances })
        });
        let accounts = accounts.collect();
        Self { accounts, store: store.clone(), concurrency: polling.concurrency }
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
