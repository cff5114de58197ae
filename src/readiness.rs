//! Whether the daemon has something to say, and why not.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// What `/-/ready` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Some instances were not attempted yet; the text says which, for people.
    Pending(String),
    /// Every instance was attempted, or has been waited for long enough.
    Ready,
    /// The daemon is stopping.
    Draining,
}

/// What is still to be attempted for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Awaited {
    /// Instances.
    pub instances: usize,
    /// Looks for instances: they may find some that nothing is known of yet.
    pub searches: usize,
}

impl Awaited {
    /// Nothing.
    pub const NOTHING: Self = Self { instances: 0, searches: 0 };
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instances not attempted yet: {}", self.instances)?;
        if self.searches > 0 {
            write!(f, ", searches for instances not ended yet: {}", self.searches)?;
        }
        Ok(())
    }
}

/// Adds up what several parties await. Cheap to clone; clones add to the same sum.
#[derive(Clone, Debug, Default)]
pub struct AwaitedSum(Arc<watch::Sender<Awaited>>);

/// What one party awaits; nothing more once it is dropped.
#[derive(Debug)]
pub struct AwaitedShare {
    sum: AwaitedSum,
    own: Awaited,
}

impl AwaitedSum {
    /// The share of a party that awaits nothing yet.
    pub fn share(&self) -> AwaitedShare {
        AwaitedShare { sum: self.clone(), own: Awaited::NOTHING }
    }

    /// The sum, now and later.
    pub fn watch(&self) -> watch::Receiver<Awaited> {
        self.0.subscribe()
    }
}

impl AwaitedShare {
    /// Says what the party awaits now.
    pub fn set(&mut self, own: Awaited) {
        let before = std::mem::replace(&mut self.own, own);
        self.sum.0.send_if_modified(|sum| {
            sum.instances = sum.instances - before.instances + own.instances;
            sum.searches = sum.searches - before.searches + own.searches;
            before != own
        });
    }
}

impl Drop for AwaitedShare {
    fn drop(&mut self) {
        self.set(Awaited::NOTHING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_parties_that_are_there() {
        let sum = AwaitedSum::default();
        let (mut one, mut other) = (sum.share(), sum.share());
        let awaited = sum.watch();

        one.set(Awaited { instances: 3, searches: 1 });
        other.set(Awaited { instances: 2, searches: 0 });
        one.set(Awaited { instances: 1, searches: 1 });
        assert_eq!(*awaited.borrow(), Awaited { instances: 3, searches: 1 });

        drop(one);
        assert_eq!(*awaited.borrow(), Awaited { instances: 2, searches: 0 });
    }
}
