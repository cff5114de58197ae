//! Families that change together, and whether they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::Registry;
use prometheus::proto::MetricFamily;

/// Metrics on a registry of their own, which are changed nowhere but in [`change`](Self::change).
#[derive(Debug)]
pub(super) struct Group<M> {
    registry: Registry,
    metrics: M,
    changes: AtomicU64,
}

/// The families of a group.
#[derive(Clone, Copy, Debug)]
pub struct Families<'a> {
    registry: &'a Registry,
    changes: u64,
}

impl<M> Group<M> {
    /// A group of what `register` puts on the registry.
    ///
    /// # Errors
    ///
    /// Those of `register`.
    pub(super) fn new<E>(register: impl FnOnce(&Registry) -> Result<M, E>) -> Result<Arc<Self>, E> {
        let registry = Registry::new();
        let metrics = register(&registry)?;
        Ok(Arc::new(Self { registry, metrics, changes: AtomicU64::new(0) }))
    }

    /// Changes metrics.
    pub(super) fn change<T>(&self, change: impl FnOnce(&M) -> T) -> T {
        let changed = change(&self.metrics);
        self.changes.fetch_add(1, Ordering::Release);
        changed
    }

    /// The metrics, to look at them.
    pub(super) fn read(&self) -> &M {
        &self.metrics
    }

    pub(super) fn families(&self) -> Families<'_> {
        Families { registry: &self.registry, changes: self.changes.load(Ordering::Acquire) }
    }
}

impl Families<'_> {
    /// Grows whenever a value has changed. What is [gathered](Self::gather) later may be newer than
    /// the number.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The same families, to be looked at whenever those of another group have changed.
    pub(super) fn as_of(self, other: Self) -> Self {
        Self { changes: other.changes, ..self }
    }

    /// The values, sorted by the families' names.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}
