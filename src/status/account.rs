//! An account as it is shown: what its API budget is and what is needed of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::instruments::Instruments;
use crate::store::InstanceSnapshot;
use crate::store::history::{Failure, History};

/// An account's budget and use of the API.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// How many instances it has.
    pub(crate) instances: usize,
    /// `requests_per_second` of the configuration.
    pub(crate) requests_per_second: f64,
    /// The rate now in force; lower after throttling.
    pub(crate) budget: f64,
    /// The calls a second that polling needs as it goes now.
    pub(crate) needed: f64,
    /// Answers so far by which the API throttled it.
    pub(crate) throttled: u64,
    /// Since when its instances are not polled, and why.
    pub(crate) backing_off: Option<&'a (DateTime<Utc>, Arc<Failure>)>,
}

/// Every account that polls something or cannot, by name.
pub(super) fn accounts<'a>(
    snapshots: &[Arc<InstanceSnapshot>],
    history: &'a History,
    instruments: &Instruments,
) -> Vec<Account<'a>> {
    let mut needs: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for snapshot in snapshots {
        let (instances, needed) = needs.entry(&snapshot.key().account).or_default();
        *instances += 1;
        *needed += calls_a_second(snapshot, history);
    }
    let accounts = history.accounts().map(|(name, account)| {
        let (instances, needed) = needs.get(&**name).copied().unwrap_or_default();
        Account {
            name,
            instances,
            requests_per_second: account.requests_per_second,
            budget: instruments.budget_in_force(name),
            needed,
            throttled: instruments.times_throttled(name),
            backing_off: account.backing_off.as_ref(),
        }
    });
    accounts.filter(|account| account.instances > 0 || account.backing_off.is_some()).collect()
}

/// The calls of the last poll, spread over the time from its start to the next one.
fn calls_a_second(snapshot: &InstanceSnapshot, history: &History) -> f64 {
    let last = history.instance(snapshot.key()).and_then(|history| history.last_poll());
    let (Some(last), Some(next)) = (last, snapshot.next_poll) else { return 0.0 };
    let between = (next - last.ended_at).num_milliseconds().max(0) as f64 / 1e3;
    let period = between + last.duration.as_secs_f64();
    // Polls are at least a second apart; a shorter time is one that is due already.
    f64::from(last.calls) / period.max(1.0)
}
