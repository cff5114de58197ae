//! The polls and searches of one account: starts them when they are due, within budget and
//! concurrency, and backs off as one when the account's keys or clock fail.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::error::Scope as Concerns;
use crate::api::{Client, Error};
use crate::config::Polling;
use crate::config::cost::calls_per_day;
use crate::domain::LIST_IMPORTS;
use crate::poll::backoff::account_pause;
use crate::poll::caller::{Caller, Token};
use crate::poll::fleet::{Fleet, Outing, Turnover};
use crate::poll::instance::{InstancePoll, Outcome};
use crate::poll::report::Report;
use crate::poll::schedule::Index;
use crate::poll::search::Searched;
use crate::poll::searches::{Change, Searches};
use crate::poll::targets::{Assignment, Listing, Search};
use crate::readiness::{Awaited, AwaitedShare};
use crate::store::Store;
use crate::store::history::AccountHistory;

/// Pause of an account that has nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// What an account is to do, and with what.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Calls the API for it.
    pub(crate) caller: Arc<Caller>,
    /// How it polls.
    pub(crate) polling: Arc<Polling>,
    /// What it polls and searches.
    pub(crate) assignment: Assignment,
}

/// Ways in and out of an account's polls.
#[derive(Debug)]
pub(crate) struct Ports {
    /// What is to be done; nothing once the account is no more. Dropped when all is over, and
    /// nothing more will be published.
    pub(crate) orders: watch::Receiver<Option<Arc<Orders>>>,
    /// What its searches found.
    pub(crate) found: mpsc::UnboundedSender<Searched>,
    /// What is still to be attempted for the first time.
    pub(crate) awaited: AwaitedShare,
}

/// Polls the instances of one account, and searches for them.
#[derive(Debug)]
pub(crate) struct AccountPoll {
    ports: Ports,
    caller: Arc<Caller>,
    store: Store,
    polling: Arc<Polling>,
    fleet: Fleet,
    polls: JoinSet<Polled>,
    searches: Searches,
    searching: JoinSet<SearchEnd>,
    /// The right to start the next poll, once the budget gave it.
    token: Option<Token>,
    /// The wait for it. It goes on over the rounds of the loop, so that it keeps its turn.
    acquiring: Acquiring,
    backing_off: Option<BackingOff>,
    report: Report,
}

/// A poll that ended.
#[derive(Debug)]
struct Polled {
    index: Index,
    instance: Box<InstancePoll>,
    /// `None` if it was stopped.
    outcome: Option<Outcome>,
    failed_before: Option<String>,
    caller: Arc<Caller>,
}

/// A search that ended.
#[derive(Debug)]
struct SearchEnd {
    search: Search,
    result: Result<Listing, Error>,
    client: Arc<Client>,
}

/// The account's calls fail as one.
#[derive(Debug)]
struct BackingOff {
    error: Error,
    failures: u32,
    /// No call before this.
    until: Duration,
}

#[derive(Default)]
struct Acquiring(Option<Pin<Box<dyn Future<Output = Token> + Send>>>);

impl std::fmt::Debug for Acquiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Acquiring").field(&self.0.is_some()).finish()
    }
}

impl AccountPoll {
    /// Polls as ordered; the first ones are spread over their interval from now on. Every instance
    /// is published as pending.
    pub(crate) fn new(ports: Ports, orders: &Orders, store: Store) -> Self {
        let (caller, polling) = (Arc::clone(&orders.caller), Arc::clone(&orders.polling));
        let account = Arc::clone(&caller.account);
        let mut account = Self {
            ports,
            fleet: Fleet::new(store.clone(), Arc::clone(&polling)),
            caller,
            store,
            polling,
            polls: JoinSet::new(),
            searches: Searches::default(),
            searching: JoinSet::new(),
            token: None,
            acquiring: Acquiring::default(),
            backing_off: None,
            report: Report::new(account),
        };
        account.take_over(orders);
        account
    }

    /// Polls until told to stop, or until the account is no more; what is under way is dropped
    /// then. Instances of an account that is no more are withdrawn.
    ///
    /// # Errors
    ///
    /// When a poll panicked: the process must not go on half alive.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), JoinError> {
        let clock = self.caller.clock.clone();
        loop {
            let now = clock.monotonic();
            self.fleet.has_due(now);
            self.report.summaries(now);
            self.fail_what_is_due(now);
            self.start_searches(now);
            self.start_polls(now);
            let wake_at = self.wake_at(now);
            // A wait that holds its turn must go on, or it would keep the polls under way waiting.
            let acquires = self.acquiring.0.is_some() || self.wants_token(now);
            tokio::select! {
                () = stop.cancelled() => break,
                orders = next(&mut self.ports.orders) => match orders {
                    Some(orders) => {
                        let turnover = self.take_over(&orders);
                        self.report.turnover(turnover, self.fleet.size());
                    }
                    None => {
                        self.shut_down().await;
                        self.fleet.dissolve();
                        return Ok(());
                    }
                },
                Some(polled) = self.polls.join_next() => {
                    self.end_poll(polled?);
                    // One look at what is due, for all that ended by now.
                    while let Some(polled) = self.polls.try_join_next() {
                        self.end_poll(polled?);
                    }
                }
                Some(ended) = self.searching.join_next() => self.end_search(ended?),
                token = self.acquiring.token(&self.caller), if acquires => {
                    self.token = Some(token);
                }
                () = clock.sleep_until(wake_at) => {}
            }
        }
        self.shut_down().await;
        Ok(())
    }

    async fn shut_down(&mut self) {
        self.polls.shutdown().await;
        self.searching.shutdown().await;
    }

    /// Does from now on what `orders` say, and tells what that changes.
    fn take_over(&mut self, orders: &Orders) -> Turnover {
        let now = self.caller.clock.monotonic();
        if !Arc::ptr_eq(&self.caller.client, &orders.caller.client) {
            self.change_caller(&orders.caller, now);
        }
        self.polling = Arc::clone(&orders.polling);
        let Assignment { targets, searches } = &orders.assignment;
        for search in searches.keys() {
            let scope = search.scope(&self.caller.account);
            self.caller.instruments.announce_calls(
                scope,
                search.action(),
                self.caller.budget.rate(),
            );
        }
        self.searches.take_over(searches, now);
        let turnover = self.fleet.take_over(targets, &orders.polling, &self.caller);
        self.tell_history();
        let wanted = calls_per_day(targets.iter().map(|target| &**target), &self.polling);
        self.report.budget(wanted.all_idle / 86_400.0, self.caller.budget.configured());
        self.tell_awaited();
        turnover
    }

    /// Calls with other keys, another budget or other endpoints from now on: whatever failed may
    /// succeed with them, and there may be other instances.
    fn change_caller(&mut self, caller: &Arc<Caller>, now: Duration) {
        let same_budget = Arc::ptr_eq(&self.caller.budget, &caller.budget);
        self.caller = Arc::clone(caller);
        if !same_budget {
            (self.token, self.acquiring) = (None, Acquiring::default());
            self.backing_off = None;
            self.fleet.hasten_failing(now);
            self.searches.hasten(now);
        }
    }

    fn is_free(&mut self, now: Duration) -> bool {
        match &self.backing_off {
            Some(backing_off) => self.may_probe(backing_off, now) && self.fleet.size() > 0,
            None => self.polls.len() < self.polling.concurrency && self.fleet.has_due(now),
        }
    }

    /// One call at a time, to see whether the account is well again.
    fn may_probe(&self, backing_off: &BackingOff, now: Duration) -> bool {
        self.polls.is_empty() && self.searching.is_empty() && now >= backing_off.until
    }

    fn wants_token(&mut self, now: Duration) -> bool {
        self.token.is_none() && self.is_free(now)
    }

    /// Starts what is due, as long as there are rights to call that need no wait.
    fn start_polls(&mut self, now: Duration) {
        loop {
            if self.wants_token(now) && self.acquiring.0.is_none() {
                self.token = self.caller.try_token();
            }
            if self.token.is_none() || !self.is_free(now) {
                return;
            }
            self.start_a_poll(now);
        }
    }

    fn start_a_poll(&mut self, now: Duration) {
        let next = match self.backing_off {
            Some(_) => self.fleet.begin_first(now),
            None => self.fleet.begin_due(now),
        };
        let Some(Outing { index, mut instance, due, stop }) = next else { return };
        let Some(token) = self.token.take() else { return };
        self.caller.instruments.schedule_delay(now.saturating_sub(due));
        let failed_before = instance.failing_with().map(str::to_owned);
        let (caller, store) = (Arc::clone(&self.caller), self.store.clone());
        self.polls.spawn(async move {
            // A poll that is dropped leaves the instance as its last complete step left it.
            let outcome = tokio::select! {
                outcome = instance.poll(&caller, &store, token) => Some(outcome),
                () = stop.cancelled() => None,
            };
            Polled { index, instance, outcome, failed_before, caller }
        });
    }

    /// Searches take the right to call by themselves. An account that backs off tries with an
    /// instance, if it has one.
    fn start_searches(&mut self, now: Duration) {
        if let Some(backing_off) = &self.backing_off {
            if self.fleet.size() == 0
                && self.may_probe(backing_off, now)
                && let Some((search, deadline)) = self.searches.begin_first(now)
            {
                self.start_search(search, deadline);
            }
            return;
        }
        while let Some((search, deadline)) = self.searches.begin_due(now) {
            self.start_search(search, deadline);
        }
    }

    fn start_search(&mut self, search: Search, deadline: Duration) {
        let caller = self.caller.for_searches();
        self.searching.spawn(async move {
            let result = search.run(&caller, deadline).await;
            SearchEnd { search, result, client: caller.client }
        });
    }

    /// While the account backs off, what is due fails without a call.
    fn fail_what_is_due(&mut self, now: Duration) {
        let Some(backing_off) = &self.backing_off else { return };
        self.fleet.fail_due(now, &backing_off.error, &self.caller);
    }

    fn end_poll(&mut self, polled: Polled) {
        let Polled { index, instance, outcome, failed_before, caller } = polled;
        let now = self.caller.clock.monotonic();
        let Some(outcome) = outcome else {
            self.fleet.end(index, instance, false, now, &self.caller);
            return;
        };
        let Outcome { walk_failure, later_failure, mut next_due } = outcome;
        let failure = walk_failure.as_ref().or(later_failure.as_ref());
        let of_account = failure.filter(|error| error.kind().scope() == Concerns::Account);
        let is_current = Arc::ptr_eq(&caller.client, &self.caller.client);
        match of_account {
            Some(error) if is_current => self.back_off(now, error, LIST_IMPORTS),
            // Keys that are used no more failed: it has its turn with the new ones.
            Some(_) => next_due = now,
            None => {
                if is_current {
                    self.probed(now, failure);
                }
                let (failure, before) = (walk_failure.as_ref(), failed_before.as_deref());
                self.report.poll(instance.key(), failure, before, now);
            }
        }
        self.fleet.end(index, instance, true, next_due, &self.caller);
        self.tell_awaited();
    }

    fn end_search(&mut self, ended: SearchEnd) {
        let SearchEnd { search, result, client } = ended;
        let now = self.caller.clock.monotonic();
        if !Arc::ptr_eq(&client, &self.caller.client) {
            // Other keys or endpoints may see other instances.
            self.searches.discard(&search, now);
            return;
        }
        let failure = result.as_ref().err();
        let Some(change) = self.searches.end(&search, failure, now) else { return };
        match failure.filter(|error| error.kind().scope() == Concerns::Account) {
            Some(error) => self.back_off(now, error, search.action()),
            None => {
                self.probed(now, failure);
                if change == Change::News {
                    self.report.search(&search, failure, now);
                }
            }
        }
        if let Ok(listing) = result {
            let account = Arc::clone(&self.caller.account);
            // Nobody takes it only when the whole process ends.
            let _ = self.ports.found.send(Searched { account, search, listing });
        }
        self.tell_awaited();
    }

    /// A poll or search ended without an error of the account's: if it backs off, this was a try.
    fn probed(&mut self, now: Duration, failure: Option<&Error>) {
        // An API error of another kind shows too that keys and clock are accepted.
        let accepted = failure.is_none_or(|error| error.request_id().is_some());
        match &mut self.backing_off {
            Some(_) if accepted => self.recover(now),
            Some(backing_off) => {
                backing_off.until = now.saturating_add(account_pause(backing_off.failures));
            }
            None => {}
        }
    }

    fn back_off(&mut self, now: Duration, error: &Error, action: &str) {
        // Each of the searches under way would call with the same keys.
        self.searching = JoinSet::new();
        self.searches.discard_all(now);
        let before = self.backing_off.as_ref();
        // Calls that were under way together fail together: that is one failure.
        if before.is_some_and(|backing_off| now < backing_off.until) {
            return;
        }
        let failures = before.map_or(0, |backing_off| backing_off.failures) + 1;
        let changed = before.is_none_or(|backing_off| backing_off.error.code() != error.code());
        let pause = account_pause(failures);
        if changed {
            self.report.backs_off(error, action, self.fleet.size());
        }
        let until = now.saturating_add(pause);
        self.backing_off = Some(BackingOff { error: error.clone(), failures, until });
        if changed {
            self.tell_history();
        }
    }

    fn recover(&mut self, now: Duration) {
        self.backing_off = None;
        self.report.recovers();
        self.tell_history();
        self.fleet.hasten_failing(now);
    }

    /// Tells those who read the history whether the account can call, and at which rate.
    fn tell_history(&self) {
        let Caller { account, budget, clock, .. } = &*self.caller;
        let error = self.backing_off.as_ref().map(|backing_off| &backing_off.error);
        self.store.record(|history| {
            let backing_off = error.map(|error| (clock.now(), history.failure(error)));
            let requests_per_second = budget.configured_rate();
            history.account_changed(account, AccountHistory { requests_per_second, backing_off });
        });
    }

    /// An account that backs off counts as attempted: its instances would not be for long.
    fn tell_awaited(&mut self) {
        let awaited = match self.backing_off {
            Some(_) => Awaited::NOTHING,
            None => {
                Awaited { instances: self.fleet.unattempted(), searches: self.searches.awaited() }
            }
        };
        self.ports.awaited.set(awaited);
    }

    fn wake_at(&self, now: Duration) -> Duration {
        let (probe, search) = match &self.backing_off {
            Some(backing_off) => (Some(backing_off.until).filter(|until| *until > now), None),
            None => (None, self.searches.next_due()),
        };
        // While all places are taken, or a call waits for its turn, nothing more could start.
        let is_busy = self.polls.len() >= self.polling.concurrency || self.acquiring.0.is_some();
        let poll = self.fleet.next_due().filter(|_| !is_busy || self.backing_off.is_some());
        let times = [poll, search, self.report.next_summary(), probe];
        times.into_iter().flatten().min().unwrap_or(now.saturating_add(IDLE))
    }
}

/// The next orders; none if the account is no more.
async fn next(orders: &mut watch::Receiver<Option<Arc<Orders>>>) -> Option<Arc<Orders>> {
    orders.changed().await.ok()?;
    orders.borrow_and_update().clone()
}

impl Acquiring {
    /// Waits for the right to make a call. May be dropped and called again without losing its turn.
    async fn token(&mut self, caller: &Arc<Caller>) -> Token {
        let waiting = self.0.get_or_insert_with(|| {
            let caller = Arc::clone(caller);
            Box::pin(async move { caller.token().await })
        });
        let token = waiting.await;
        self.0 = None;
        token
    }
}
