//! From configuration and discovery to targets, and from those to the polls of every account.
//!
//! ```text
//! configuration --+                                              +-> account polls and searches --+
//!                 +-> targets (pure: what each account is to do) +-> account polls and searches --+
//! what was found -+                                              +-> ...                          |
//!       ^----------------------------------------------------------------------------------------+
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Account, Config, Environment, Polling};
use crate::instruments::{Instruments, Scope};
use crate::poll::account::{AccountPoll, Orders, Ports};
use crate::poll::caller::Caller;
use crate::poll::search::Searched;
use crate::poll::targets::{self, Assignment, Inventory};
use crate::readiness::{Awaited, AwaitedSum};
use crate::store::Store;
use crate::transport::SetupError;

/// Polls every instance of every account, and finds them.
#[derive(Debug)]
pub struct Poller {
    surroundings: Surroundings,
    config: Arc<Config>,
    polling: Arc<Polling>,
    accounts: BTreeMap<Arc<str>, Running>,
    inventory: Inventory,
    /// Accounts and regions whose discovery is shown by metrics.
    shown: BTreeSet<(Arc<str>, Arc<str>)>,
    awaited: AwaitedSum,
    found: (mpsc::UnboundedSender<Searched>, mpsc::UnboundedReceiver<Searched>),
    changes: (mpsc::Sender<Change>, mpsc::Receiver<Change>),
    /// Accounts that do not run yet.
    waiting: Vec<AccountPoll>,
}

/// What every account lives in.
#[derive(Debug)]
struct Surroundings {
    environment: Environment,
    clock: Clock,
    instruments: Instruments,
    store: Store,
}

/// An account and the way to its polls.
#[derive(Debug)]
struct Running {
    settings: Account,
    /// What `ca_file` held.
    certificates: Option<Vec<u8>>,
    caller: Arc<Caller>,
    /// `None` is its end.
    orders: watch::Sender<Option<Arc<Orders>>>,
}

/// A request to go on with another configuration.
#[derive(Debug)]
struct Change {
    config: Arc<Config>,
    done: oneshot::Sender<Result<(), SetupError>>,
}

/// Changes the configuration of a poller that runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reconfigure(mpsc::Sender<Change>);

/// Why a configuration was not taken over; the one before is in force.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// An account's TLS or proxy settings cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The poller has ended.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Reconfigure {
    /// Goes on with `config`, all or nothing. What it does not change keeps its state.
    ///
    /// # Errors
    ///
    /// When an account's TLS or proxy settings cannot be used, or the poller does not run.
    pub async fn to(&self, config: Arc<Config>) -> Result<(), ReconfigureError> {
        let (done, outcome) = oneshot::channel();
        let change = Change { config, done };
        self.0.send(change).await.map_err(|_| ReconfigureError::Stopping)?;
        Ok(outcome.await.map_err(|_| ReconfigureError::Stopping)??)
    }
}

impl Poller {
    /// Sets up the polls that `config` describes, and publishes every listed instance as pending.
    /// Nothing is asked before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When an account's TLS or proxy settings cannot be used.
    pub fn new(
        config: Arc<Config>,
        environment: &Environment,
        clock: &Clock,
        instruments: &Instruments,
        store: &Store,
    ) -> Result<Self, SetupError> {
        let surroundings = Surroundings {
            environment: environment.clone(),
            clock: clock.clone(),
            instruments: instruments.clone(),
            store: store.clone(),
        };
        let mut poller = Self {
            surroundings,
            polling: Arc::new(config.polling.clone()),
            config: Arc::clone(&config),
            accounts: BTreeMap::new(),
            inventory: Inventory::default(),
            shown: BTreeSet::new(),
            awaited: AwaitedSum::default(),
            found: mpsc::unbounded_channel(),
            changes: mpsc::channel(1),
            waiting: Vec::new(),
        };
        let callers = poller.callers(&config)?;
        poller.take_over(config, callers);
        Ok(poller)
    }

    /// What is still to be attempted for the first time; nothing of an account that backs off.
    pub fn awaited(&self) -> watch::Receiver<Awaited> {
        self.awaited.watch()
    }

    /// The way to change the configuration while the poller runs.
    pub fn reconfigure(&self) -> Reconfigure {
        Reconfigure(self.changes.0.clone())
    }

    /// Polls until told to stop; what is under way is dropped then.
    ///
    /// # Errors
    ///
    /// When a poll panicked: the process must not go on half alive.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), JoinError> {
        let mut polls = JoinSet::new();
        loop {
            for account in self.waiting.drain(..) {
                polls.spawn(account.run(stop.clone()));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = polls.join_next() => ended??,
                Some(found) = self.found.1.recv() => self.take(found),
                Some(change) = self.changes.1.recv() => {
                    let Change { config, done } = change;
                    // Whoever asked may have gone.
                    let _ = done.send(self.change(config).await);
                }
            }
        }
        while let Some(ended) = polls.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Goes on with another configuration. Everything that can fail comes first.
    async fn change(&mut self, config: Arc<Config>) -> Result<(), SetupError> {
        let callers = self.callers(&config)?;
        let gone = self.take_over(config, callers);
        for Running { caller, orders, .. } in gone {
            orders.send_replace(None);
            // An account of the same name may come later: what this one published must be gone.
            orders.closed().await;
            self.surroundings.instruments.forget_account(&caller.account);
        }
        Ok(())
    }

    /// The callers for the accounts of `config`: those that there are, and new ones for accounts
    /// that are new or have other settings.
    fn callers(&self, config: &Config) -> Result<BTreeMap<Arc<str>, Arc<Caller>>, SetupError> {
        let same_shards = config.shard.total() == self.config.shard.total();
        let (new, old) = (&config.polling, &self.config.polling);
        let same_client =
            new.request_timeout == old.request_timeout && new.concurrency == old.concurrency;
        let Surroundings { environment, clock, instruments, .. } = &self.surroundings;
        let callers = config.accounts.iter().map(|(name, settings)| {
            let running = self.accounts.get(name);
            let running = running.filter(|own| {
                let same = own.settings == *settings && own.certificates == certificates(settings);
                same && same_shards
            });
            if let Some(running) = running.filter(|_| same_client) {
                return Ok((Arc::clone(name), Arc::clone(&running.caller)));
            }
            let caller = Caller::new(name, settings, config, environment, clock, instruments)?;
            let budget = running.map(|running| Arc::clone(&running.caller.budget));
            let budget = budget.unwrap_or_else(|| Arc::clone(&caller.budget));
            Ok((Arc::clone(name), Arc::new(Caller { budget, ..caller })))
        });
        callers.collect()
    }

    /// Gives every account its orders, and returns those that are no more.
    fn take_over(
        &mut self,
        config: Arc<Config>,
        callers: BTreeMap<Arc<str>, Arc<Caller>>,
    ) -> Vec<Running> {
        if *self.polling != config.polling {
            self.polling = Arc::new(config.polling.clone());
        }
        self.config = config;
        let mut assignments = self.assign();
        let mut before = std::mem::take(&mut self.accounts);
        for (name, caller) in callers {
            let Some(settings) = self.config.accounts.get(&name).cloned() else { continue };
            let assignment = assignments.remove(&name).unwrap_or_default();
            let polling = Arc::clone(&self.polling);
            let orders = Arc::new(Orders { caller: Arc::clone(&caller), polling, assignment });
            let running = match before.remove(&name) {
                Some(running) => {
                    running.orders.send_replace(Some(orders));
                    let certificates = certificates(&settings);
                    Running { settings, certificates, caller, ..running }
                }
                None => self.start(settings, caller, &orders),
            };
            self.accounts.insert(name, running);
        }
        self.show_discovery();
        before.into_values().collect()
    }

    fn start(&mut self, settings: Account, caller: Arc<Caller>, first: &Arc<Orders>) -> Running {
        let (orders, receiver) = watch::channel(Some(Arc::clone(first)));
        let ports =
            Ports { orders: receiver, found: self.found.0.clone(), awaited: self.awaited.share() };
        let store = self.surroundings.store.clone();
        self.waiting.push(AccountPoll::new(ports, first, store));
        let certificates = certificates(&settings);
        Running { settings, certificates, caller, orders }
    }

    /// Takes what a search found, and makes targets of it.
    fn take(&mut self, searched: Searched) {
        let Searched { account, search, listing } = searched;
        let now = self.surroundings.clock.now();
        if self.inventory.put(&account, search, listing, now) {
            for (name, assignment) in self.assign() {
                let Some(running) = self.accounts.get(&name) else { continue };
                let before = running.orders.borrow().clone();
                if before.is_none_or(|before| before.assignment != assignment) {
                    let caller = Arc::clone(&running.caller);
                    let polling = Arc::clone(&self.polling);
                    let orders = Orders { caller, polling, assignment };
                    running.orders.send_replace(Some(Arc::new(orders)));
                }
            }
        }
        self.show_discovery();
    }

    fn assign(&mut self) -> BTreeMap<Arc<str>, Assignment> {
        let assignments = targets::assign(&self.config, &self.inventory);
        self.inventory.keep_only(&assignments);
        assignments
    }

    fn show_discovery(&mut self) {
        let instruments = &self.surroundings.instruments;
        let mut gone = std::mem::take(&mut self.shown);
        for (place, found) in targets::summary(&self.config, &self.inventory) {
            let Some(since) = found.since else { continue };
            let scope = Scope { account: &place.0, region_id: &place.1 };
            instruments.discovered(scope, found.instances, since);
            gone.remove(&place);
            self.shown.insert(place);
        }
        for (account, region_id) in gone {
            instruments.forget_discovered(Scope { account: &account, region_id: &region_id });
        }
    }
}

/// What an account's `ca_file` holds; the client says what is wrong with one that cannot be read.
fn certificates(settings: &Account) -> Option<Vec<u8>> {
    settings.ca_file.as_ref().and_then(|path| std::fs::read(path).ok())
}
