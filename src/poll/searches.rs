//! When the searches of an account are due, and how they went.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::Error;
use crate::api::error::Scope as Concerns;
use crate::poll::backoff::exponential;
use crate::poll::targets::{Repeat, Search};

/// Pause after a search that failed, doubled for each further failure.
const RETRY: Duration = Duration::from_secs(10);

/// The searches of one account. Pure bookkeeping: times are handed in.
#[derive(Debug, Default)]
pub(crate) struct Searches(BTreeMap<Search, State>);

#[derive(Debug)]
struct State {
    repeat: Repeat,
    due: Duration,
    under_way: bool,
    failures: u32,
    /// The code that it fails with.
    failing_with: Option<String>,
}

/// Whether it is worth a line in the log how a search went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It went as before.
    None,
    /// It failed in another way than before, or no more.
    News,
}

impl Searches {
    /// Takes over the searches that are wanted at `now`: new ones are due at once, the others keep
    /// their time.
    pub(crate) fn take_over(&mut self, wanted: &BTreeMap<Search, Repeat>, now: Duration) {
        self.0.retain(|search, _| wanted.contains_key(search));
        for (search, repeat) in wanted {
            match self.0.get_mut(search) {
                Some(state) => {
                    if state.repeat.every > repeat.every {
                        state.due = state.due.min(now.saturating_add(repeat.every));
                    }
                    state.repeat = *repeat;
                }
                None => {
                    let state = State {
                        repeat: *repeat,
                        due: now,
                        under_way: false,
                        failures: 0,
                        failing_with: None,
                    };
                    self.0.insert(search.clone(), state);
                }
            }
        }
    }

    /// Takes out a search that is due at `now`, and until when it is worth trying.
    pub(crate) fn begin_due(&mut self, now: Duration) -> Option<(Search, Duration)> {
        self.begin(|state| state.due <= now, now)
    }

    /// Takes out the search that is due first, whether it is due yet or not.
    pub(crate) fn begin_first(&mut self, now: Duration) -> Option<(Search, Duration)> {
        let first =
            self.0.values().filter(|state| !state.under_way).map(|state| state.due).min()?;
        self.begin(|state| state.due == first, now)
    }

    fn begin(
        &mut self,
        fits: impl Fn(&State) -> bool,
        now: Duration,
    ) -> Option<(Search, Duration)> {
        let mut idle = self.0.iter_mut().filter(|(_, state)| !state.under_way);
        let (search, state) = idle.find(|(_, state)| fits(state))?;
        state.under_way = true;
        Some((search.clone(), now.saturating_add(state.repeat.every)))
    }

    /// When a search is due next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.0.values().filter(|state| !state.under_way).map(|state| state.due).min()
    }

    /// Takes note of how a search ended at `now`; `None` if it is not wanted any more.
    pub(crate) fn end(
        &mut self,
        search: &Search,
        failure: Option<&Error>,
        now: Duration,
    ) -> Option<Change> {
        let state = self.0.get_mut(search)?;
        state.under_way = false;
        let failing_with = failure.map(|error| error.code().to_string());
        state.due = match failure.map(|error| error.kind().scope()) {
            None => {
                state.failures = 0;
                now.saturating_add(state.repeat.every)
            }
            Some(concerns) => {
                state.failures = state.failures.saturating_add(1);
                // An account that polls well may still fail as one in a search, for what that asks:
                // without a pause it would never come to rest.
                let pause = match concerns {
                    Concerns::Call | Concerns::Account => {
                        exponential(RETRY, state.repeat.every, state.failures)
                    }
                    Concerns::Instance => state.repeat.every,
                };
                now.saturating_add(pause)
            }
        };
        let same = failing_with == state.failing_with;
        state.failing_with = failing_with;
        Some(if same { Change::None } else { Change::News })
    }

    /// Takes note that a search was made for nothing: it is due again at `now`.
    pub(crate) fn discard(&mut self, search: &Search, now: Duration) {
        if let Some(state) = self.0.get_mut(search) {
            state.under_way = false;
            state.due = now;
        }
    }

    /// Takes note that every search under way was stopped: they are due again at `now`.
    pub(crate) fn discard_all(&mut self, now: Duration) {
        for state in self.0.values_mut().filter(|state| state.under_way) {
            state.under_way = false;
            state.due = now;
        }
    }

    /// Makes every search due at `now`.
    pub(crate) fn hasten(&mut self, now: Duration) {
        for state in self.0.values_mut() {
            state.due = state.due.min(now);
        }
    }

    /// How many searches no attempt has ended at; of those that succeeded, the instances that they
    /// found have to be known, too.
    pub(crate) fn awaited(&self) -> usize {
        let awaited = |state: &&State| !state.repeat.answered && state.failures == 0;
        self.0.values().filter(awaited).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wanted(every: u64, answered: bool) -> BTreeMap<Search, Repeat> {
        BTreeMap::from([(Search::Regions, Repeat { every: s(every), answered })])
    }

    fn begun(every: u64) -> Searches {
        let mut searches = Searches::default();
        searches.take_over(&wanted(every, false), s(0));
        assert_eq!(searches.begin_due(s(0)), Some((Search::Regions, s(every))));
        searches
    }

    fn refused() -> Error {
        Error::answered("Forbidden.RAM", 403, "", None)
    }

    #[test]
    fn a_new_search_is_due_at_once_and_then_at_its_interval() {
        let mut searches = begun(600);
        assert_eq!((searches.next_due(), searches.begin_due(s(9_999))), (None, None));
        assert_eq!(searches.end(&Search::Regions, None, s(5)), Some(Change::None));
        assert_eq!(searches.next_due(), Some(s(605)));
        assert_eq!(searches.begin_due(s(604)), None);
        assert_eq!(searches.begin_first(s(604)), Some((Search::Regions, s(1_204))));
    }

    #[test]
    fn what_passes_is_tried_again_soon_and_what_is_refused_at_the_interval() {
        let mut searches = begun(600);
        let passing = Error::timeout("");
        let mut due = Vec::new();
        for _ in 0..8 {
            searches.end(&Search::Regions, Some(&passing), s(0));
            due.push(searches.next_due().unwrap().as_secs());
        }
        assert_eq!(due, [10, 20, 40, 80, 160, 320, 600, 600]);

        searches.end(&Search::Regions, Some(&refused()), s(0));
        assert_eq!(searches.next_due(), Some(s(600)));
        searches.hasten(s(7));
        assert_eq!(searches.next_due(), Some(s(7)));
    }

    #[test]
    fn a_search_that_was_made_for_nothing_is_made_again() {
        let mut searches = begun(600);
        searches.discard(&Search::Regions, s(9));
        assert_eq!(searches.begin_due(s(9)), Some((Search::Regions, s(609))));
    }

    #[test]
    fn a_search_that_fails_for_the_accounts_sake_pauses_too() {
        let mut searches = begun(600);
        let of_account = Error::answered("SignatureDoesNotMatch", 400, "", None);
        searches.end(&Search::Regions, Some(&of_account), s(0));
        assert_eq!(searches.next_due(), Some(s(10)));
    }

    #[test]
    fn failing_and_succeeding_are_news_once() {
        let mut searches = begun(600);
        let mut news = |failure: Option<&Error>| searches.end(&Search::Regions, failure, s(0));
        assert_eq!(news(Some(&refused())), Some(Change::News));
        assert_eq!(news(Some(&refused())), Some(Change::None));
        assert_eq!(news(Some(&Error::timeout(""))), Some(Change::News));
        assert_eq!(news(None), Some(Change::News));
        assert_eq!(news(None), Some(Change::None));
    }

    #[test]
    fn a_search_is_awaited_until_it_failed_or_what_it_found_is_known() {
        let mut searches = begun(600);
        searches.end(&Search::Regions, None, s(0));
        assert_eq!(searches.awaited(), 1);
        searches.take_over(&wanted(600, true), s(1));
        assert_eq!(searches.awaited(), 0);

        let mut searches = begun(600);
        searches.end(&Search::Regions, Some(&refused()), s(0));
        assert_eq!(searches.awaited(), 0);
    }

    #[test]
    fn a_search_that_stays_keeps_its_time_unless_it_is_wanted_more_often() {
        let mut searches = begun(600);
        searches.end(&Search::Regions, None, s(0));
        searches.take_over(&wanted(700, true), s(100));
        assert_eq!(searches.next_due(), Some(s(600)));
        searches.take_over(&wanted(60, true), s(100));
        assert_eq!(searches.next_due(), Some(s(160)));
        searches.take_over(&BTreeMap::new(), s(100));
        assert_eq!(searches.end(&Search::Regions, None, s(101)), None);
    }
}
