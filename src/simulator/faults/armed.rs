//! Which requests a fault meets: its conditions, and its count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use super::{Effect, Fault, When};

/// What a request says of itself, for faults to match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim<'a> {
    pub(crate) action: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    pub(crate) account: Option<&'a str>,
    pub(crate) page: u32,
    pub(crate) by_import_id: bool,
    pub(crate) window: Option<TimeDelta>,
    /// Real time since the start.
    pub(crate) elapsed: Duration,
}

/// A fault, and how many requests it has counted.
#[derive(Debug)]
pub(crate) struct Armed {
    fault: Fault,
    counted: AtomicU64,
}

impl When {
    fn holds(&self, claim: &Claim<'_>) -> bool {
        let elapsed = match self.cycle {
            Some(cycle) if !cycle.is_zero() => {
                let nanos = claim.elapsed.as_nanos() % cycle.as_nanos();
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            _ => claim.elapsed,
        };
        let longer = |limit: Duration| claim.window.and_then(|w| w.to_std().ok()) > Some(limit);
        self.action.as_deref().is_none_or(|action| claim.action == Some(action))
            && self.instance.as_deref().is_none_or(|instance| claim.instance == Some(instance))
            && self.account.as_deref().is_none_or(|account| claim.account == Some(account))
            && self.page.is_none_or(|page| claim.page == page)
            && self.by_import_id.is_none_or(|by| claim.by_import_id == by)
            && self.window_over.is_none_or(longer)
            && self.from.is_none_or(|from| elapsed >= from)
            && self.until.is_none_or(|until| elapsed < until)
    }
}

impl Armed {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, counted: AtomicU64::new(0) }
    }

    /// The effect, if the fault meets the request. Counts it.
    pub(crate) fn meet(&self, claim: &Claim<'_>) -> Option<&Effect> {
        let when = &self.fault.when;
        if !when.holds(claim) {
            return None;
        }
        let number = self.counted.fetch_add(1, Ordering::Relaxed).checked_sub(when.skip)? + 1;
        let counts = when.first.is_none_or(|first| number <= first)
            && when.every.is_none_or(|every| number.is_multiple_of(every));
        counts.then_some(&self.fault.effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(when: When, claims: &[Claim<'_>]) -> Vec<bool> {
        let armed = Armed::new(Fault { when, effect: Effect::Hang });
        claims.iter().map(|claim| armed.meet(claim).is_some()).collect()
    }

    #[test]
    fn counts_only_what_its_conditions_match() {
        let when = When { instance: Some("a".into()), skip: 1, first: Some(1), ..When::default() };
        let (a, b) = (
            Claim { instance: Some("a"), ..Claim::default() },
            Claim { instance: Some("b"), ..Claim::default() },
        );
        assert_eq!(met(when, &[a, b, b, a, a]), [false, false, false, true, false]);
    }

    #[test]
    fn meets_every_third() {
        let when = When { every: Some(3), ..When::default() };
        let met = met(when, &[Claim::default(); 7]);
        assert_eq!(met, [false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_span_begins_with_its_start_ends_before_its_end_and_comes_again() {
        let seconds = Duration::from_secs;
        let when = When {
            from: Some(seconds(10)),
            until: Some(seconds(20)),
            cycle: Some(seconds(60)),
            ..When::default()
        };
        let claims =
            [9, 10, 19, 20, 69, 70].map(|s| Claim { elapsed: seconds(s), ..Claim::default() });
        assert_eq!(met(when, &claims), [false, true, true, false, false, true]);
    }

    #[test]
    fn a_window_must_be_known_and_longer() {
        let when = When { window_over: Some(Duration::from_secs(60)), ..When::default() };
        let claims = [None, Some(60), Some(61)]
            .map(|s| Claim { window: s.map(TimeDelta::seconds), ..Claim::default() });
        assert_eq!(met(when, &claims), [false, false, true]);
    }
}
