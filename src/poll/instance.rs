//! One instance: what is known of it, how it is polled, and what is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use crate::api::Error;
use crate::api::error::Scope as Concerns;
use crate::config;
use crate::domain::{Description, ImportId, InstanceKey, LIST_IMPORTS, TaskStatus};
use crate::instruments::Scope;
use crate::poll::backoff::exponential;
use crate::poll::caller::{Caller, Token};
use crate::poll::roster::{Roster, Transition};
use crate::poll::visit::{Deep, Ending, Next, Plan, Report, Visit};
use crate::store::history::{Observed, Poll, Walked};
use crate::store::{GoodWalk, InstanceSnapshot, PollState, Store};

/// A poll that takes longer than this ends as `timeout`.
const LONGEST_POLL: Duration = Duration::from_secs(600);
/// How often a walk may begin again: after an unclean one only once, until one is clean.
const MAX_RESTARTS: u32 = 2;
const MAX_RESTARTS_AFTER_UNION: u32 = 1;

/// An instance and the state of its polls.
#[derive(Debug)]
pub(crate) struct InstancePoll {
    target: Arc<config::Instance>,
    polling: Arc<config::Polling>,
    roster: Roster,
    /// The same memory as the store's, until it is changed for the next publication.
    snapshot: Arc<InstanceSnapshot>,
    /// The code that its walks fail with.
    failing_with: Option<String>,
    last_walk_clean: bool,
    deep: DeepSchedule,
}

/// When the deep walk is due, and how often it failed in a row.
#[derive(Debug, Default)]
struct DeepSchedule {
    due: Duration,
    failures: u32,
}

/// What a poll took, and what its walk found.
#[derive(Clone, Copy, Debug)]
struct Effort {
    started: Duration,
    calls: u32,
    walked: Option<Walked>,
}

/// How a poll ended, for the account.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What made the walk fail.
    pub(crate) walk_failure: Option<Error>,
    /// What failed after a walk that stands.
    pub(crate) later_failure: Option<Error>,
    /// When the next poll is due.
    pub(crate) next_due: Duration,
}

impl InstancePoll {
    /// An instance that was not polled yet.
    pub(crate) fn new(target: Arc<config::Instance>, polling: Arc<config::Polling>) -> Self {
        let key = InstanceKey {
            account: Arc::clone(&target.account),
            region_id: Arc::clone(&target.region),
            db_instance_id: Arc::clone(&target.id),
        };
        let name = Arc::clone(&target.name);
        let snapshot = InstanceSnapshot::pending(key, target.engine, name, polling.stale_after);
        Self {
            target,
            polling,
            roster: Roster::new(),
            snapshot: Arc::new(snapshot),
            failing_with: None,
            last_walk_clean: true,
            deep: DeepSchedule::default(),
        }
    }

    /// The settings that it is polled with.
    pub(crate) fn target(&self) -> &Arc<config::Instance> {
        &self.target
    }

    /// Takes over other settings for the same instance. Says whether what is published of it
    /// changed.
    pub(crate) fn retarget(
        &mut self,
        target: &Arc<config::Instance>,
        polling: &Arc<config::Polling>,
    ) -> bool {
        if self.polling.deep_lookback != polling.deep_lookback {
            self.deep = DeepSchedule::default();
        }
        let mut snapshot = InstanceSnapshot::clone(&self.snapshot);
        let mut changed = snapshot.describe(target.engine, &target.name);
        changed |= snapshot.stale_after != polling.stale_after;
        snapshot.stale_after = polling.stale_after;
        if changed {
            self.snapshot = Arc::new(snapshot);
        }
        self.target = Arc::clone(target);
        self.polling = Arc::clone(polling);
        changed
    }

    /// Which instance it is.
    pub(crate) fn key(&self) -> &InstanceKey {
        self.snapshot.key()
    }

    /// The account and region that its calls count for.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope { account: &self.target.account, region_id: &self.target.region }
    }

    /// The code that its walks fail with, if they do.
    pub(crate) fn failing_with(&self) -> Option<&str> {
        self.failing_with.as_deref()
    }

    /// Time until the next poll after one that succeeds, as things are.
    pub(crate) fn interval(&self) -> Duration {
        self.period(false)
    }

    /// How long it may be passed over when it is due: not at all if it is active, or if nothing is
    /// known of it yet.
    pub(crate) fn patience(&self) -> Duration {
        if self.is_idle() { self.target.idle_interval } else { Duration::ZERO }
    }

    /// Publishes that the instance will be polled at `due`.
    pub(crate) fn announce(&mut self, caller: &Caller, store: &Store, due: Duration) {
        self.set_next_poll(caller, due);
        store.publish(Arc::clone(&self.snapshot));
    }

    /// Polls the instance once, and publishes what it finds.
    pub(crate) async fn poll(&mut self, caller: &Caller, store: &Store, token: Token) -> Outcome {
        let started = caller.clock.monotonic();
        let limit = started.saturating_add(LONGEST_POLL);
        let (mut walked, calls) = (None, AtomicU32::new(0));
        // A visit that is dropped leaves the roster as its last complete step left it.
        let ending = tokio::select! {
            ending = self.visit(caller, store, token, started, &mut walked, &calls) => Some(ending),
            () = caller.clock.sleep_until(limit) => None,
        };
        let ending = ending.unwrap_or_else(|| {
            let error = Some(Error::timeout("the poll did not end within 10 minutes"));
            match walked {
                Some(_) => Ending { later_failure: error, ..Ending::default() },
                None => Ending { walk_failure: error, ..Ending::default() },
            }
        });
        let effort = Effort { started, calls: calls.into_inner(), walked };
        self.conclude(caller, store, effort, ending)
    }

    /// Takes note of a poll that was due at `now` and not made, since the account cannot call.
    pub(crate) fn fail(
        &mut self,
        caller: &Caller,
        store: &Store,
        now: Duration,
        error: Error,
    ) -> Outcome {
        let ending = Ending { walk_failure: Some(error), ..Ending::default() };
        self.conclude(caller, store, Effort { started: now, calls: 0, walked: None }, ending)
    }

    async fn visit(
        &mut self,
        caller: &Caller,
        store: &Store,
        token: Token,
        started: Duration,
        walked: &mut Option<Walked>,
        calls: &AtomicU32,
    ) -> Ending {
        let plan = self.plan(caller, started);
        let deadline = started.saturating_add(self.period(false));
        let Self { target, roster, snapshot, last_walk_clean, .. } = self;
        let mut token = Some(token);
        let mut is_published = true;
        let mut visit = Visit::new(plan, roster);
        loop {
            let now = caller.clock.monotonic();
            match visit.next(now) {
                Next::Ask(question) => {
                    // Before an answer that may take its time.
                    if !std::mem::replace(&mut is_published, true) {
                        store.publish(Arc::clone(snapshot));
                    }
                    let request = question.request(&target.id, target.engine);
                    let ask = || {
                        calls.fetch_add(1, Ordering::Relaxed);
                        caller.client.list_imports(&target.region, &request)
                    };
                    let answer = caller.persist(deadline, token.take(), ask).await;
                    visit.answer(answer, caller.clock.monotonic());
                }
                Next::Publish(report) => {
                    let tasks = visit.roster().tasks();
                    *walked = Some(Walked { pages: report.pages, tasks: tasks.len() });
                    *last_walk_clean = report.clean;
                    count_walk(caller, snapshot.key(), &report);
                    log_transitions(snapshot.key(), &report.transitions, &report.descriptions);
                    let changed = Arc::make_mut(snapshot);
                    changed.up = Some(true);
                    changed.last_good = Some(GoodWalk {
                        ended_at: caller.clock.now(),
                        duration: now.saturating_sub(started),
                        pages: report.pages,
                        tasks: tasks.clone(),
                    });
                    let observed = Observed {
                        tasks: tasks.clone(),
                        entered: &entered(&report.transitions),
                        descriptions: &report.descriptions,
                        has_new_positions: true,
                    };
                    store.record(|history| {
                        history.observe(changed.key(), caller.clock.now(), observed);
                    });
                    changed.transitions = visit.roster().transitions().clone();
                    changed.state = state(visit.roster());
                    is_published = false;
                }
                Next::End(ending) => return ending,
            }
        }
    }

    fn plan(&self, caller: &Caller, now: Duration) -> Plan {
        let max_restarts =
            if self.last_walk_clean { MAX_RESTARTS } else { MAX_RESTARTS_AFTER_UNION };
        Plan {
            now: caller.client.server_time(&self.target.region),
            lookback: self.target.lookback,
            deep_lookback: self.polling.deep_lookback,
            deep: now >= self.deep.due,
            page_size: self.polling.page_size,
            max_restarts,
            final_retention: self.polling.final_retention,
            ask_until: now.saturating_add(LONGEST_POLL / 2),
        }
    }

    /// Publishes how a poll ended and when the next one is due.
    fn conclude(
        &mut self,
        caller: &Caller,
        store: &Store,
        effort: Effort,
        ending: Ending,
    ) -> Outcome {
        let Effort { started, .. } = effort;
        let Ending { walk_failure, later_failure, deep, transitions, descriptions } = ending;
        log_transitions(self.snapshot.key(), &transitions, &descriptions);
        if deep == Deep::Succeeded {
            let observed = Observed {
                tasks: self.roster.tasks().clone(),
                entered: &entered(&transitions),
                descriptions: &descriptions,
                has_new_positions: false,
            };
            store.record(|history| history.observe(self.key(), caller.clock.now(), observed));
        }
        self.record_poll(caller, store, effort, walk_failure.as_ref().or(later_failure.as_ref()));
        self.schedule_deep(caller, deep, later_failure.as_ref());
        match &walk_failure {
            None => {
                self.failing_with = None;
                let snapshot = Arc::make_mut(&mut self.snapshot);
                snapshot.state = state(&self.roster);
                snapshot.transitions = self.roster.transitions().clone();
                if let Some(good) = &mut snapshot.last_good {
                    good.tasks = self.roster.tasks().clone();
                }
            }
            Some(error) => {
                let code = error.code().to_string();
                caller.instruments.walk(self.scope(), Some(&code));
                self.failing_with = Some(code);
                let snapshot = Arc::make_mut(&mut self.snapshot);
                snapshot.up = Some(false);
                snapshot.state = PollState::Failing;
            }
        }
        let refused = walk_failure.as_ref();
        let refused = refused.is_some_and(|error| error.kind().scope() == Concerns::Instance);
        let next_due = started.saturating_add(self.period(refused));
        let next_due = next_due.max(caller.clock.monotonic());
        self.announce(caller, store, next_due);
        Outcome { walk_failure, later_failure, next_due }
    }

    fn record_poll(&self, caller: &Caller, store: &Store, effort: Effort, error: Option<&Error>) {
        let Effort { started, calls, walked } = effort;
        store.record(|history| {
            let poll = Poll {
                key: self.key().clone(),
                ended_at: caller.clock.now(),
                duration: caller.clock.monotonic().saturating_sub(started),
                calls,
                walked,
                failure: error.map(|error| history.failure(error)),
            };
            history.poll_ended(poll);
        });
    }

    /// A deep walk that failed is tried again soon, then more and more rarely: until it succeeds, a
    /// running task that left the window before the exporter started is not known.
    fn schedule_deep(&mut self, caller: &Caller, deep: Deep, failure: Option<&Error>) {
        let pause = match deep {
            Deep::NotTried => return,
            Deep::Succeeded => {
                self.deep.failures = 0;
                self.polling.deep_interval
            }
            Deep::Failed => {
                self.deep.failures = self.deep.failures.saturating_add(1);
                let interval = self.target.interval;
                exponential(interval, self.polling.deep_interval, self.deep.failures)
            }
        };
        self.deep.due = caller.clock.monotonic().saturating_add(pause);
        if let (1, Some(error)) = (self.deep.failures, failure) {
            let InstanceKey { account, region_id, db_instance_id } = self.snapshot.key();
            tracing::warn!(
                %account,
                %region_id,
                %db_instance_id,
                action = LIST_IMPORTS,
                code = %error.code(),
                request_id = error.request_id(),
                error = error.message(),
                "the deep walk failed: running tasks that are older than lookback and were not seen before are not shown; it will be tried again"
            );
        }
    }

    fn is_idle(&self) -> bool {
        self.snapshot.last_good.is_some() && !self.roster.is_active()
    }

    /// Time between polls as things are: the idle interval if no task is under way, or if asking
    /// soon would change nothing.
    fn period(&self, refused: bool) -> Duration {
        if self.is_idle() || refused { self.target.idle_interval } else { self.target.interval }
    }

    fn set_next_poll(&mut self, caller: &Caller, due: Duration) {
        let wait = due.saturating_sub(caller.clock.monotonic());
        let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        Arc::make_mut(&mut self.snapshot).next_poll = caller.clock.now().checked_add_signed(wait);
    }
}

fn state(roster: &Roster) -> PollState {
    if roster.is_active() { PollState::Active } else { PollState::Idle }
}

fn count_walk(caller: &Caller, key: &InstanceKey, report: &Report) {
    let scope = Scope { account: &key.account, region_id: &key.region_id };
    caller.instruments.walk(scope, None);
    for moved in &report.restarts {
        caller.instruments.walk_restart(scope, moved.as_str());
    }
    if !report.clean {
        tracing::debug!(
            account = %key.account,
            region_id = %key.region_id,
            db_instance_id = %key.db_instance_id,
            pages = report.pages,
            "the task list keeps moving: showing all that was seen of it"
        );
    }
}

fn entered(transitions: &[Transition]) -> Vec<ImportId> {
    transitions.iter().map(|transition| transition.task.import_id).collect()
}

/// Says which tasks entered a status: for the record, and failures as warnings.
fn log_transitions(key: &InstanceKey, transitions: &[Transition], descriptions: &[Description]) {
    let InstanceKey { account, region_id, db_instance_id } = key;
    for Transition { task, from } in transitions {
        let from = from.map(TaskStatus::as_str);
        let (import_id, status) = (task.import_id.0, task.status.as_str());
        if task.status == TaskStatus::FAILED {
            let place = descriptions.binary_search_by_key(&task.import_id, |(id, _)| *id);
            let description = place.ok().map(|place| &*descriptions[place].1);
            tracing::warn!(
                %account, %region_id, %db_instance_id, import_id, from, status, description,
                "migration task failed"
            );
        } else {
            tracing::info!(
                %account, %region_id, %db_instance_id, import_id, from, status,
                "migration task entered a status"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_waits_for_its_poll_is_small() {
        assert!(size_of::<InstancePoll>() <= 192, "{}", size_of::<InstancePoll>());
    }
}
