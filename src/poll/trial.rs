//! Asks everything that the daemon asks, once: keys, searches, a page of each instance.
//!
//! A trial follows the daemon's own rules of what there is to ask, of budgets and of trying again.
//! It has no schedule and publishes nothing. It does not ask in vain: after an error of a whole
//! account the rest of that account is not asked, and so it goes for regions that do not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::api::error::Scope;
use crate::api::{Error, Kind, ListImports};
use crate::auth::Origin;
use crate::clock::Clock;
use crate::config::{Config, Environment, Instance, Polling};
use crate::instruments::Instruments;
use crate::poll::caller::Caller;
use crate::poll::targets::{self, Assignment, Inventory, Listing, Search};
use crate::poll::window::Window;
use crate::progress::Progress;

/// How long a call that fails is tried again.
const RETRY_FOR: Duration = Duration::from_secs(20);
/// A region is given up when so many of its instances were not reached and none was.
const UNREACHED: usize = 3;

/// How a trial went.
#[derive(Debug)]
pub(crate) struct Trial {
    /// By the accounts' names.
    pub(crate) accounts: BTreeMap<Arc<str>, AccountTrial>,
}

/// How the trial of an account went.
#[derive(Debug, Default)]
pub(crate) struct AccountTrial {
    /// Where its keys came from; `None` if its connections could not be set up.
    pub(crate) keys: Option<Result<Origin, Error>>,
    /// What is wrong with its HTTPS settings.
    pub(crate) setup: Option<String>,
    /// Its searches, with the number of instances or regions that each found, and the time between
    /// two times.
    pub(crate) searches: Vec<(Search, Outcome, Duration)>,
    /// Its instances, listed and found, with the number of tasks in the window of each.
    pub(crate) instances: Vec<(Arc<Instance>, Outcome)>,
    /// How far our clock is ahead of the API's, by region.
    pub(crate) clock_skews: BTreeMap<Arc<str>, TimeDelta>,
}

/// How a question was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is so much.
    Count(u64),
    /// It failed.
    Failed(Error),
    /// It was not asked: the answer was clear beforehand.
    NotTried,
}

/// Why a trial has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    /// The metrics that every call counts in cannot be set up.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A question panicked.
    #[error("a call ended by accident: {0}")]
    Panicked(#[from] JoinError),
}

impl Trial {
    /// Tries everything in `config`, the accounts side by side, and tells its progress meanwhile.
    ///
    /// # Errors
    ///
    /// By accident only; whatever cannot be reached is an [`Outcome`].
    pub(crate) async fn run(
        config: &Config,
        environment: &Environment,
        clock: &Clock,
        progress: &watch::Sender<Progress>,
    ) -> Result<Self, TrialError> {
        let instruments = Instruments::new()?;
        let mut accounts = BTreeMap::new();
        let mut callers = BTreeMap::new();
        for (name, settings) in &config.accounts {
            let mut account = AccountTrial::default();
            match Caller::new(name, settings, config, environment, clock, &instruments) {
                Ok(caller) => drop(callers.insert(Arc::clone(name), caller)),
                Err(error) => account.setup = Some(error.to_string()),
            }
            accounts.insert(Arc::clone(name), account);
        }
        let mut trial = Self { accounts };
        trial.try_keys(&mut callers).await?;
        let with_keys = callers.clone();
        let assignments = trial.try_searches(config, &mut callers).await?;
        trial.try_instances(config, assignments, &callers, progress).await?;
        trial.note_skews(&with_keys);
        Ok(trial)
    }

    /// Keeps only the callers that have keys.
    async fn try_keys(&mut self, callers: &mut Callers) -> Result<(), TrialError> {
        let mut questions = JoinSet::new();
        for (name, caller) in &*callers {
            let (name, client) = (Arc::clone(name), Arc::clone(&caller.client));
            questions.spawn(async move { (name, client.origin().await) });
        }
        while let Some(answered) = questions.join_next().await {
            let (name, origin) = answered?;
            if origin.is_err() {
                callers.remove(&name);
            }
            if let Some(account) = self.accounts.get_mut(&name) {
                account.keys = Some(origin);
            }
        }
        Ok(())
    }

    /// Searches until every search that there is was tried, and tells what there is to poll. Keeps
    /// only the callers whose keys were not refused.
    async fn try_searches(
        &mut self,
        config: &Config,
        callers: &mut Callers,
    ) -> Result<BTreeMap<Arc<str>, Assignment>, TrialError> {
        let mut inventory = Inventory::default();
        let mut tried = BTreeSet::new();
        loop {
            let assignments = targets::assign(config, &inventory);
            let mut questions = JoinSet::new();
            for (name, assignment) in &assignments {
                for (search, repeat) in &assignment.searches {
                    if !tried.insert((Arc::clone(name), search.clone())) {
                        continue;
                    }
                    let (name, search, every) = (Arc::clone(name), search.clone(), repeat.every);
                    let caller = callers.get(&name).map(Caller::for_searches);
                    questions.spawn(async move {
                        let listing = match caller {
                            Some(caller) => {
                                let deadline = caller.clock.monotonic().saturating_add(every);
                                Some(search.run(&caller, deadline).await)
                            }
                            None => None,
                        };
                        (name, search, every, listing)
                    });
                }
            }
            if questions.is_empty() {
                return Ok(assignments);
            }
            while let Some(answered) = questions.join_next().await {
                let (name, search, every, listing) = answered?;
                let outcome = match listing {
                    Some(Ok(listing)) => {
                        let count = Outcome::Count(size(&listing));
                        inventory.put(&name, search.clone(), listing, chrono::DateTime::UNIX_EPOCH);
                        count
                    }
                    Some(Err(error)) => {
                        if error.kind().scope() == Scope::Account {
                            callers.remove(&name);
                        }
                        Outcome::Failed(error)
                    }
                    None => Outcome::NotTried,
                };
                if let Some(account) = self.accounts.get_mut(&name) {
                    account.searches.push((search, outcome, every));
                }
            }
        }
    }

    async fn try_instances(
        &mut self,
        config: &Config,
        assignments: BTreeMap<Arc<str>, Assignment>,
        callers: &Callers,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), TrialError> {
        let polling = Arc::new(config.polling.clone());
        let known = assignments.values().map(|assignment| assignment.targets.len()).sum();
        progress.send_modify(|progress| progress.instances = known);
        let mut rounds = JoinSet::new();
        for (name, Assignment { targets, .. }) in assignments {
            let caller = callers.get(&name).cloned();
            let (polling, progress) = (Arc::clone(&polling), progress.clone());
            rounds.spawn(async move {
                let instances = match caller {
                    Some(caller) => ask_all(&caller, &polling, targets, &progress).await?,
                    None => {
                        progress.send_modify(|progress| progress.asked += targets.len());
                        targets.into_iter().map(|target| (target, Outcome::NotTried)).collect()
                    }
                };
                Ok::<_, JoinError>((name, instances))
            });
        }
        while let Some(ended) = rounds.join_next().await {
            let (name, instances) = ended??;
            if let Some(account) = self.accounts.get_mut(&name) {
                account.instances = instances;
            }
        }
        Ok(())
    }

    fn note_skews(&mut self, callers: &Callers) {
        for (name, caller) in callers {
            let Some(account) = self.accounts.get_mut(name) else { continue };
            let searched = account.searches.iter().map(|(search, ..)| search.scope(name).region_id);
            let asked = account.instances.iter().map(|(target, _)| &*target.region);
            let regions: BTreeSet<&str> = searched.chain(asked).collect();
            let skews = regions
                .into_iter()
                .filter_map(|region| Some((Arc::from(region), caller.client.clock_skew(region)?)));
            let skews = skews.collect();
            account.clock_skews = skews;
        }
    }
}

/// Callers by account.
type Callers = BTreeMap<Arc<str>, Caller>;

/// Why the rest of an account's instances need not be asked.
#[derive(Debug, Default)]
struct GivingUp {
    account: bool,
    /// How many instances of a region were not reached; `None` once one was.
    unreached: BTreeMap<Arc<str>, Option<usize>>,
}

impl GivingUp {
    fn on(&self, target: &Instance) -> bool {
        let unreached = self.unreached.get(&target.region).copied().flatten();
        self.account || unreached.is_some_and(|unreached| unreached >= UNREACHED)
    }

    fn learn(&mut self, target: &Instance, answer: &Result<u64, Error>) {
        let unreached = self.unreached.entry(Arc::clone(&target.region)).or_insert(Some(0));
        match answer {
            Err(error) if error.kind() == Kind::Unavailable => {
                *unreached = unreached.map(|count| count + 1);
            }
            _ => *unreached = None,
        }
        let of_account = |error: &Error| error.kind().scope() == Scope::Account;
        self.account |= answer.as_ref().is_err_and(of_account);
    }
}

/// Asks for a page of each target, so many at once as the daemon would; gives the outcomes in the
/// targets' order.
async fn ask_all(
    caller: &Caller,
    polling: &Arc<Polling>,
    targets: Vec<Arc<Instance>>,
    progress: &watch::Sender<Progress>,
) -> Result<Vec<(Arc<Instance>, Outcome)>, JoinError> {
    let mut outcomes: Vec<_> =
        targets.iter().map(|target| (Arc::clone(target), Outcome::NotTried)).collect();
    let mut giving_up = GivingUp::default();
    let mut left = targets.into_iter().enumerate();
    let mut questions = JoinSet::new();
    loop {
        while questions.len() < polling.concurrency
            && let Some((position, target)) = left.next()
        {
            if giving_up.on(&target) {
                progress.send_modify(|progress| progress.asked += 1);
                continue;
            }
            let (caller, polling) = (caller.clone(), Arc::clone(polling));
            questions.spawn(async move {
                let answer = ask(&caller, &polling, &target).await;
                (position, target, answer)
            });
        }
        let Some(answered) = questions.join_next().await else { return Ok(outcomes) };
        let (position, target, answer) = answered?;
        progress.send_modify(|progress| progress.asked += 1);
        giving_up.learn(&target, &answer);
        if let Some((_, outcome)) = outcomes.get_mut(position) {
            *outcome = answer.map_or_else(Outcome::Failed, Outcome::Count);
        }
    }
}

/// How many tasks a target has in the window of its regular walk.
async fn ask(caller: &Caller, polling: &Polling, target: &Instance) -> Result<u64, Error> {
    let token = caller.token().await;
    let deadline = caller.clock.monotonic().saturating_add(RETRY_FOR);
    let page = caller.persist(deadline, Some(token), async || {
        let now = caller.client.server_time(&target.region);
        let window = Window::up_to(now, target.lookback);
        let request = ListImports {
            page_size: Some(polling.page_size),
            page_number: Some(1),
            ..ListImports::new(&target.id, target.engine, window.start, window.end)
        };
        caller.client.list_imports(&target.region, &request).await
    });
    Ok(page.await?.total)
}

fn size(listing: &Listing) -> u64 {
    let size = match listing {
        Listing::Regions(regions) => regions.len(),
        Listing::Instances(candidates) => candidates.len(),
    };
    size as u64
}
