//! The exposition: what the store and the instruments know, as a page for Prometheus.
//!
//! What instances contribute is deflated when it changes, not when it is asked for: a [`plan`] of
//! all their samples is kept, and only the runs of it in which something changed are made anew. The
//! exporter's own families come from the registry at each scrape and join the same page. Sending it
//! is the business of `web`.

mod format;
mod gzip;
mod instances;
mod page;
mod plan;
mod registered;
mod states;
mod text;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::CompressError;
use prometheus::proto::MetricFamily;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::instruments::Instruments;
use crate::instruments::catalog::INSTANCES;
use crate::store::Store;

use gzip::{Fragment, Place, Press};
use instances::CONTRIBUTIONS;
use page::TextPage;
use plan::Plan;
use text::Text;

pub use format::Format;
pub use page::Page;

/// Level of what is kept: with runs of 64 KiB and more, the page is a tenth larger than one member
/// of level 6, and takes less time.
const LEVEL: u32 = 5;
/// Level of what is made at each scrape and thrown away.
const QUICK_LEVEL: u32 = 1;
/// Time between two plans that nobody waits for.
const PAUSE: Duration = Duration::from_secs(2);
/// How many plans that nobody asked for are made before the exporter waits for a scrape.
const UNASKED: u32 = 150;

/// How a page is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// One gzip member.
    Gzip,
}

/// Makes pages. Cheap to clone; clones share what is kept.
#[derive(Clone)]
pub struct Exposition(Arc<Shared>);

struct Shared {
    store: Store,
    instruments: Instruments,
    current: RwLock<Option<Current>>,
    /// Taken while a plan is made: one at a time.
    planner: Mutex<Press>,
    quick: Mutex<Press>,
    was_asked: AtomicBool,
}

#[derive(Clone)]
struct Current {
    /// The store's revision at the time of the plan.
    revision: u64,
    plan: Arc<Plan>,
}

impl Exposition {
    /// The exposition of what these two know.
    pub fn new(store: Store, instruments: Instruments) -> Self {
        Self(Arc::new(Shared {
            store,
            instruments,
            current: RwLock::new(None),
            planner: Mutex::new(Press::new(LEVEL)),
            quick: Mutex::new(Press::new(QUICK_LEVEL)),
            was_asked: AtomicBool::new(false),
        }))
    }

    /// Whether [`page`](Self::page) would be quick at `now`: nothing has changed since the last.
    pub fn is_ready(&self, now: DateTime<Utc>) -> bool {
        self.0.current(now).is_some()
    }

    /// The page at `now`. May take a good part of a second where [`is_ready`](Self::is_ready) says
    /// no.
    ///
    /// # Errors
    ///
    /// When the page cannot be compressed.
    pub fn page(
        &self,
        format: Format,
        coding: Coding,
        now: DateTime<Utc>,
    ) -> Result<Page, CompressError> {
        self.0.was_asked.store(true, Ordering::Relaxed);
        let plan = match self.0.current(now) {
            Some(plan) => plan,
            None => self.0.plan(now)?,
        };
        let own = Own { gathered: self.0.instruments.gather(now), plan: &plan, format };
        match coding {
            Coding::Identity => {
                let (before, after) = (own.written(Own::before), own.written(Own::after));
                Ok(Page::text(TextPage { before, plan: Arc::clone(&plan), format, after }))
            }
            Coding::Gzip => {
                let mut press = self.0.quick.lock().unwrap_or_else(PoisonError::into_inner);
                let before = press.fragment(Place::Inside, |text| own.before(text))?;
                let after = press.fragment(Place::Last, |text| own.after(text))?;
                drop(press);
                let sections = plan.sections.iter().flat_map(|section| section.fragments(format));
                Ok(member(std::iter::once(before).chain(sections).chain([after])))
            }
        }
    }

    /// Makes pages ready as instances change, as long as there are scrapes, until told to stop.
    pub async fn keep_ready(self, clock: Clock, stop: CancellationToken) {
        let mut revision = self.0.store.revision();
        let mut unasked = 0;
        let again = async {
            while revision.changed().await.is_ok() {
                // Many instances change in this time, and a run of their samples is made once.
                clock.sleep(PAUSE).await;
                revision.mark_unchanged();
                let was_asked = self.0.was_asked.swap(false, Ordering::Relaxed);
                unasked = if was_asked { 0 } else { unasked + 1 };
                if unasked > UNASKED {
                    continue;
                }
                let (shared, now) = (Arc::clone(&self.0), clock.now());
                let planned = tokio::task::spawn_blocking(move || shared.plan(now).map(drop)).await;
                if let Ok(Err(error)) = planned {
                    tracing::error!(%error, "cannot compress the metrics");
                }
            }
        };
        tokio::select! {
            () = again => {}
            () = stop.cancelled() => {}
        }
    }
}

impl Shared {
    /// The last plan, if it still holds.
    fn current(&self, now: DateTime<Utc>) -> Option<Arc<Plan>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let current = current.as_ref()?;
        let holds = current.revision == self.store.current_revision() && current.plan.holds_at(now);
        holds.then(|| Arc::clone(&current.plan))
    }

    fn plan(&self, now: DateTime<Utc>) -> Result<Arc<Plan>, CompressError> {
        let mut press = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = self.current(now) {
            return Ok(plan);
        }
        // Read before the snapshots: what is published in between makes the plan old at once.
        let revision = self.store.current_revision();
        let before = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let before = before.map(|before| before.plan);
        let plan = Plan::new(self.store.snapshots(), now, before.as_deref(), &mut press)?;
        let plan = Arc::new(plan);
        let current = Current { revision, plan: Arc::clone(&plan) };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
        Ok(plan)
    }
}

/// The exporter's own families, which stand around those of the instances.
struct Own<'a> {
    gathered: Vec<MetricFamily>,
    plan: &'a Plan,
    format: Format,
}

impl Own<'_> {
    fn before(&self, text: &mut Text<'_>) {
        let split = self.split();
        let states =
            self.gathered[..split].partition_point(|family| family.name() < INSTANCES.name);
        self.write(&self.gathered[..states], text);
        text.bytes(&self.plan.states);
        self.write(&self.gathered[states..split], text);
    }

    fn after(&self, text: &mut Text<'_>) {
        self.write(&self.gathered[self.split()..], text);
        text.raw(self.format.end());
    }

    /// How many families stand before those of the instances, by their names.
    fn split(&self) -> usize {
        let first = CONTRIBUTIONS[0].family.name;
        self.gathered.partition_point(|family| family.name() < first)
    }

    fn write(&self, families: &[MetricFamily], text: &mut Text<'_>) {
        for family in families {
            registered::write(family, self.format, text);
        }
    }

    fn written(&self, write: fn(&Self, &mut Text<'_>)) -> Vec<u8> {
        let mut written = Vec::new();
        let mut full = |piece: &mut Vec<u8>| written.append(piece);
        let mut text = Text::new(&mut full);
        write(self, &mut text);
        text.finish();
        written
    }
}

/// Joins fragments, the last of which ends the member.
fn member(fragments: impl Iterator<Item = Fragment>) -> Page {
    let mut sum = gzip::Sum::default();
    let mut pieces = vec![Bytes::from_static(&gzip::HEADER)];
    for fragment in fragments {
        sum = sum.followed_by(fragment.sum);
        pieces.push(fragment.deflated);
    }
    pieces.push(Bytes::copy_from_slice(&sum.trailer()));
    Page::ready(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_family_of_the_registry_stands_among_those_of_the_instances() {
        let names = CONTRIBUTIONS.each_ref().map(|contribution| contribution.family.name);
        assert!(names.is_sorted());
        let first_and_last = names[0]..=names[names.len() - 1];
        for family in crate::instruments::catalog::FAMILIES {
            assert_eq!(
                first_and_last.contains(&family.name),
                names.contains(&family.name),
                "{}",
                family.name
            );
        }
    }
}
