//! Numbers that tell a changed value from an unchanged one without comparing it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of the making of a value; no two makings in a process share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// A number that was not given out before.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number; never 0.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self::new()
    }
}

/// A shared value that never changes. Clones have the same revision.
#[derive(Debug)]
pub struct Revised<T> {
    revision: Revision,
    value: Arc<T>,
}

impl<T> Revised<T> {
    /// A value of its own revision.
    pub fn new(value: T) -> Self {
        Self { revision: Revision::new(), value: Arc::new(value) }
    }

    /// The number of its making.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl<T> Clone for Revised<T> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, value: Arc::clone(&self.value) }
    }
}

impl<T> Deref for Revised<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
