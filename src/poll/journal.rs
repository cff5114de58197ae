//! Log lines about failing instances: on change, not on each try, and one line with a count where
//! many instances fail alike.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long instances that fail alike are counted before the next line.
const GATHER: Duration = Duration::from_secs(60);

/// Decides which failure is worth a line of its own, for one account.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    open: BTreeMap<String, Gathering>,
}

#[derive(Debug)]
struct Gathering {
    until: Duration,
    more: u32,
}

/// Instances, or searches, that came to be in the same state after the one that had its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// What they have in common.
    pub(crate) state: String,
    /// How many they are.
    pub(crate) count: u32,
}

impl Journal {
    /// An instance came into `state` at `now`. Whether it is the first one of late: then it gets
    /// its line, the others are counted.
    pub(crate) fn enters(&mut self, state: &str, now: Duration) -> bool {
        if let Some(gathering) = self.open.get_mut(state) {
            gathering.more += 1;
            return false;
        }
        let until = now.saturating_add(GATHER);
        self.open.insert(state.to_owned(), Gathering { until, more: 0 });
        true
    }

    /// When there is something to say next.
    pub(crate) fn next_summary(&self) -> Option<Duration> {
        self.open.values().map(|gathering| gathering.until).min()
    }

    /// What has been counted long enough at `now`.
    pub(crate) fn summaries(&mut self, now: Duration) -> Vec<Summary> {
        let ended = self.open.extract_if(.., |_, gathering| gathering.until <= now);
        let told = ended.filter(|(_, gathering)| gathering.more > 0);
        told.map(|(state, gathering)| Summary { state, count: gathering.more }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn many_instances_that_fail_alike_are_two_lines() {
        let mut journal = Journal::default();
        assert!(journal.enters("timeout", s(0)));
        for n in 1..1_000 {
            assert!(!journal.enters("timeout", s(n / 20)));
        }
        assert_eq!(journal.next_summary(), Some(s(60)));
        assert_eq!(journal.summaries(s(59)), []);
        assert_eq!(journal.summaries(s(60)), [Summary { state: "timeout".into(), count: 999 }]);
        assert_eq!(journal.next_summary(), None);
    }

    #[test]
    fn a_lone_instance_is_one_line_and_the_next_one_after_a_while_is_another() {
        let mut journal = Journal::default();
        assert!(journal.enters("timeout", s(0)));
        assert!(journal.enters("connect", s(1)));
        assert_eq!(journal.summaries(s(61)), []);
        assert!(journal.enters("timeout", s(62)));
    }
}
