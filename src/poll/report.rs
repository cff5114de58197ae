//! What the log says of an account: on change, not on each try, and one line with a count where many
//! fail alike.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Error;
use crate::domain::{InstanceKey, LIST_IMPORTS};
use crate::poll::fleet::Turnover;
use crate::poll::journal::{Journal, Summary};
use crate::poll::targets::Search;

/// What the journals call an instance or a search without failure.
const WELL: &str = "";

/// Writes the log of one account.
#[derive(Debug)]
pub(crate) struct Report {
    account: Arc<str>,
    polls: Journal,
    searches: Journal,
    /// Whether the budget was too small when it was looked at last.
    falls_short: bool,
}

impl Report {
    /// The log of `account`.
    pub(crate) fn new(account: Arc<str>) -> Self {
        let (polls, searches) = (Journal::default(), Journal::default());
        Self { account, polls, searches, falls_short: false }
    }

    /// Another set of instances was taken over; there are `instances` now.
    pub(crate) fn turnover(&self, turnover: Turnover, instances: usize) {
        let Turnover { came, went, changed } = turnover;
        if turnover != Turnover::default() {
            tracing::info!(
                account = %self.account, came, went, changed, instances,
                "the set of instances changed"
            );
        }
    }

    /// The instances ask for `wanted` calls a second while all are idle, and `budget` is allowed. A
    /// line when that begins to be too little.
    pub(crate) fn budget(&mut self, wanted: f64, budget: f64) {
        let fell_short = std::mem::replace(&mut self.falls_short, wanted > budget);
        if self.falls_short && !fell_short {
            tracing::warn!(
                account = %self.account,
                requests_per_second = budget,
                wanted,
                "the API budget cannot meet the intervals of these instances even while all are idle: polls will be late; raise requests_per_second or idle_interval, or add shards"
            );
        }
    }

    /// The account's calls fail as one, in another way than before.
    pub(crate) fn backs_off(&self, error: &Error, action: &str, instances: usize) {
        tracing::error!(
            account = %self.account,
            action,
            code = %error.code(),
            request_id = error.request_id(),
            error = error.message(),
            hint = error.kind().hint(),
            instances,
            "the account cannot call the API: all its instances wait, one call at a time tries again"
        );
    }

    /// The account's calls fail as one no more.
    pub(crate) fn recovers(&self) {
        tracing::info!(account = %self.account, "the account can call the API again");
    }

    /// A poll ended. A line if the instance fails in another way than before, or no more.
    pub(crate) fn poll(
        &mut self,
        key: &InstanceKey,
        failure: Option<&Error>,
        failed_before: Option<&str>,
        now: Duration,
    ) {
        let code = failure.map(|error| error.code().to_string());
        if code.as_deref() == failed_before
            || !self.polls.enters(code.as_deref().unwrap_or(WELL), now)
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

    /// A search fails in another way than before, or no more.
    pub(crate) fn search(&mut self, search: &Search, failure: Option<&Error>, now: Duration) {
        let code = failure.map(|error| error.code().to_string());
        if !self.searches.enters(code.as_deref().unwrap_or(WELL), now) {
            return;
        }
        let scope = search.scope(&self.account);
        let (account, region_id, action) = (scope.account, scope.region_id, search.action());
        match failure {
            Some(error) => tracing::warn!(
                account,
                region_id,
                action,
                code,
                request_id = error.request_id(),
                error = error.message(),
                hint = search.hint(error.kind()),
                "discovery fails; the instances found before stay"
            ),
            None => tracing::info!(account, region_id, action, "discovery succeeds again"),
        }
    }

    /// When there is something to say of those that were counted.
    pub(crate) fn next_summary(&self) -> Option<Duration> {
        let times = [self.polls.next_summary(), self.searches.next_summary()];
        times.into_iter().flatten().min()
    }

    /// Says how many were counted, where that has gone on for long enough at `now`.
    pub(crate) fn summaries(&mut self, now: Duration) {
        let account = &self.account;
        for Summary { state, count } in self.polls.summaries(now) {
            if state == WELL {
                tracing::info!(
                    %account, instances = count, "polling further instances succeeds again"
                );
            } else {
                tracing::warn!(
                    %account, code = state, instances = count, "polling further instances fails alike"
                );
            }
        }
        for Summary { state, count } in self.searches.summaries(now) {
            if state == WELL {
                tracing::info!(
                    %account, searches = count, "discovery succeeds again in further searches"
                );
            } else {
                tracing::warn!(
                    %account, code = state, searches = count, "discovery fails alike in further searches"
                );
            }
        }
    }
}
