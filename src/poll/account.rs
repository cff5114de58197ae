//! The polls of one account: starts them when they are due, within budget and concurrency, and
//! backs off as one when the account's keys or clock fail.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::Error;
use crate::api::error::Scope as Concerns;
use crate::domain::{InstanceKey, LIST_IMPORTS};
use crate::poll::backoff::account_pause;
use crate::poll::caller::{Caller, Token};
use crate::poll::instance::{InstancePoll, Outcome};
use crate::poll::journal::{Journal, Summary};
use crate::poll::schedule::{Index, Schedule, first_due};
use crate::store::Store;
use crate::store::history::AccountHistory;

/// What the journal calls an instance that is polled without failure.
const WELL: &str = "";
/// Pause of an account that has nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// Polls the instances of one account.
pub(crate) struct AccountPoll {
    caller: Caller,
    store: Store,
    concurrency: usize,
    /// `None` while the instance is being polled.
    instances: Vec<Option<Box<InstancePoll>>>,
    schedule: Schedule,
    polls: JoinSet<Finished>,
    /// The right to start the next poll, once the budget gave it.
    token: Option<Token>,
    /// The wait for it. It goes on over the rounds of the loop, so that it keeps its turn.
    acquiring: Option<Pin<Box<dyn Future<Output = Token> + Send>>>,
    backing_off: Option<BackingOff>,
    journal: Journal,
    /// How many instances no attempt has ended at.
    unattempted: usize,
    /// How many of them are still to be waited for before the exporter has something to say.
    pending: watch::Sender<usize>,
}

struct Finished {
    index: Index,
    instance: Box<InstancePoll>,
    outcome: Outcome,
    was_pending: bool,
    failed_before: Option<String>,
}

/// The account's calls fail as one.
struct BackingOff {
    error: Error,
    failures: u32,
    /// No call before this.
    until: Duration,
}

impl AccountPoll {
    /// Polls of `instances`, the first ones spread over their interval from now on.
    pub(crate) fn new(
        caller: Caller,
        store: Store,
        concurrency: usize,
        instances: Vec<InstancePoll>,
        pending: watch::Sender<usize>,
    ) -> Self {
        let (now, count) = (caller.clock.monotonic(), instances.len());
        let mut schedule = Schedule::default();
        let mut announced = Vec::with_capacity(count);
        for (index, mut instance) in instances.into_iter().enumerate() {
            let due = now.saturating_add(first_due(index, count, instance.interval()));
            caller.instruments.announce(instance.scope(), caller.budget.rate());
            instance.announce(&caller, &store, due);
            schedule.add(index, due, instance.patience());
            announced.push(Some(Box::new(instance)));
        }
        pending.send_replace(count);
        tell_history(&caller, &store, None);
        Self {
            caller,
            store,
            concurrency,
            instances: announced,
            schedule,
            polls: JoinSet::new(),
            token: None,
            acquiring: None,
            backing_off: None,
            journal: Journal::default(),
            unattempted: count,
            pending,
        }
    }

    /// Polls until told to stop; polls under way are dropped then.
    ///
    /// # Errors
    ///
    /// When a poll panicked: the process must not go on half alive.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), JoinError> {
        let clock = self.caller.clock.clone();
        loop {
            let now = clock.monotonic();
            self.schedule.has_due(now);
            self.log_summaries(now);
            self.fail_what_is_due(now);
            self.start_what_is_due(now);
            let wake_at = self.wake_at(now);
            // A wait that holds its turn must go on, or it would keep the polls under way waiting.
            let acquires = self.acquiring.is_some() || self.wants_token(now);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(finished) = self.polls.join_next() => self.finish(finished?),
                token = acquire(&mut self.acquiring, &self.caller), if acquires => {
                    self.token = Some(token);
                }
                () = clock.sleep_until(wake_at) => {}
            }
        }
        self.polls.shutdown().await;
        Ok(())
    }

    fn is_free(&mut self, now: Duration) -> bool {
        match &self.backing_off {
            // One call at a time, to see whether the account is well again.
            Some(backing_off) => self.polls.is_empty() && now >= backing_off.until,
            None => self.polls.len() < self.concurrency && self.schedule.has_due(now),
        }
    }

    fn wants_token(&mut self, now: Duration) -> bool {
        self.token.is_none() && self.is_free(now)
    }

    fn start_what_is_due(&mut self, now: Duration) {
        if self.token.is_none() || !self.is_free(now) {
            return;
        }
        let next = match self.backing_off {
            Some(_) => self.schedule.take_first(now),
            None => self.schedule.take_due(now),
        };
        let Some((index, due)) = next else { return };
        let Some(mut instance) = self.instances[index].take() else { return };
        let Some(token) = self.token.take() else { return };
        self.caller.instruments.schedule_delay(now.saturating_sub(due));
        let failed_before = instance.failing_with().map(str::to_owned);
        let (caller, store) = (self.caller.clone(), self.store.clone());
        self.polls.spawn(async move {
            let was_pending = instance.is_pending();
            let outcome = instance.poll(&caller, &store, token).await;
            Finished { index, instance, outcome, was_pending, failed_before }
        });
    }

    /// While the account backs off, what is due fails without a call.
    fn fail_what_is_due(&mut self, now: Duration) {
        let Some(backing_off) = &self.backing_off else { return };
        while let Some((index, _)) = self.schedule.take_due(now) {
            let Some(instance) = &mut self.instances[index] else { continue };
            self.unattempted -= usize::from(instance.is_pending());
            let error = backing_off.error.clone();
            let outcome = instance.fail(&self.caller, &self.store, now, error);
            self.schedule.add(index, outcome.next_due, instance.patience());
        }
    }

    fn finish(&mut self, finished: Finished) {
        let Finished { index, instance, outcome, was_pending, failed_before } = finished;
        let now = self.caller.clock.monotonic();
        let Outcome { walk_failure, later_failure, next_due } = outcome;
        let failure = walk_failure.as_ref().or(later_failure.as_ref());
        match failure.filter(|error| error.kind().scope() == Concerns::Account) {
            Some(error) => self.back_off(now, error),
            None => {
                // An API error of another kind shows too that keys and clock are accepted.
                let accepted = failure.is_none_or(|error| error.request_id().is_some());
                self.probed(now, accepted);
                self.log_outcome(
                    instance.key(),
                    walk_failure.as_ref(),
                    failed_before.as_deref(),
                    now,
                );
            }
        }
        self.unattempted -= usize::from(was_pending);
        self.schedule.add(index, next_due, instance.patience());
        self.instances[index] = Some(instance);
        self.tell_pending();
    }

    /// A poll ended without an error of the account's: if it backs off, this was a try.
    fn probed(&mut self, now: Duration, accepted: bool) {
        match &mut self.backing_off {
            Some(_) if accepted => self.recover(now),
            Some(backing_off) => {
                backing_off.until = now.saturating_add(account_pause(backing_off.failures));
            }
            None => {}
        }
    }

    fn back_off(&mut self, now: Duration, error: &Error) {
        self.caller.client.forget_credentials();
        let before = self.backing_off.as_ref();
        // Polls that were under way together fail together: that is one failure.
        if before.is_some_and(|backing_off| now < backing_off.until) {
            return;
        }
        let failures = before.map_or(0, |backing_off| backing_off.failures) + 1;
        let changed = before.is_none_or(|backing_off| backing_off.error.code() != error.code());
        let pause = account_pause(failures);
        if changed {
            tracing::error!(
                account = %self.caller.account,
                action = LIST_IMPORTS,
                code = %error.code(),
                request_id = error.request_id(),
                error = error.message(),
                hint = error.kind().hint(),
                instances = self.instances.len(),
                "the account cannot call the API: all its instances wait, one call at a time tries again"
            );
        }
        let until = now.saturating_add(pause);
        if changed {
            tell_history(&self.caller, &self.store, Some(error));
        }
        self.backing_off = Some(BackingOff { error: error.clone(), failures, until });
    }

    fn recover(&mut self, now: Duration) {
        self.backing_off = None;
        tell_history(&self.caller, &self.store, None);
        tracing::info!(account = %self.caller.account, "the account can call the API again");
        let instances = &self.instances;
        self.schedule.hasten(now, |index| {
            instances[index].as_ref().is_some_and(|instance| instance.failing_with().is_some())
        });
    }

    /// An account that backs off counts as attempted: its instances would not be for long.
    fn tell_pending(&self) {
        let pending = if self.backing_off.is_some() { 0 } else { self.unattempted };
        self.pending.send_if_modified(|current| std::mem::replace(current, pending) != pending);
    }

    fn wake_at(&self, now: Duration) -> Duration {
        let probe = self.backing_off.as_ref().map(|backing_off| backing_off.until);
        let probe = probe.filter(|until| *until > now);
        let times = [self.schedule.next_due(), self.journal.next_summary(), probe];
        times.into_iter().flatten().min().unwrap_or(now.saturating_add(IDLE))
    }

    /// A line on change only: when an instance fails in another way than before, or no more.
    fn log_outcome(
        &mut self,
        key: &InstanceKey,
        failure: Option<&Error>,
        failed_before: Option<&str>,
        now: Duration,
    ) {
        let code = failure.map(|error| error.code().to_string());
        if code.as_deref() == failed_before
            || !self.journal.enters(code.as_deref().unwrap_or(WELL), now)
        {
            return;
        }
        let InstanceKey { account, region_id, db_instance_id } = key;
        match failure {
            Some(error) => tracing::warn!(
                %account,
                %region_id,
                %db_instance_id,
                action = LIST_IMPORTS,
                code,
                request_id = error.request_id(),
                error = error.message(),
                hint = error.kind().hint(),
                "polling the instance fails; its last known tasks stay until stale_after"
            ),
            None => tracing::info!(
                %account, %region_id, %db_instance_id, "polling the instance succeeds again"
            ),
        }
    }

    fn log_summaries(&mut self, now: Duration) {
        let account = &self.caller.account;
        for Summary { state, instances } in self.journal.summaries(now) {
            if state == WELL {
                tracing::info!(%account, instances, "polling further instances succeeds again");
            } else {
                tracing::warn!(
                    %account, code = state, instances, "polling further instances fails alike"
                );
            }
        }
    }
}

/// Tells those who read the history whether the account can call, and at which rate.
fn tell_history(caller: &Caller, store: &Store, error: Option<&Error>) {
    store.record(|history| {
        let backing_off = error.map(|error| (caller.clock.now(), history.failure(error)));
        let requests_per_second = caller.budget.configured_rate();
        let account = AccountHistory { requests_per_second, backing_off };
        history.account_changed(&caller.account, account);
    });
}

/// Waits for the right to make a call. May be dropped and called again without losing its turn.
async fn acquire(
    acquiring: &mut Option<Pin<Box<dyn Future<Output = Token> + Send>>>,
    caller: &Caller,
) -> Token {
    let waiting = acquiring.get_or_insert_with(|| {
        let caller = caller.clone();
        Box::pin(async move { caller.token().await })
    });
    let token = waiting.await;
    *acquiring = None;
    token
}
