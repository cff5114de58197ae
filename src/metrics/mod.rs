//! The exposition: what the store and the instruments know, as a page for Prometheus.
//!
//! What instances contribute is deflated when it changes, not when it is asked for: a [`plan`] of
//! all their samples is kept, and only the runs of it in which something changed are made anew. The
//! exporter's own families come from the registry when they have changed and join the same page. Sending it
//! is the business of `web`.

mod deflate;
mod fleet;
mod format;
mod frame;
mod gzip;
mod instances;
mod own;
mod page;
mod plan;
mod registered;
mod run;
mod section;
mod states;
mod text;
mod value;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::instruments::Instruments;
use crate::store::Store;

use gzip::Press;
use own::Own;
use page::TextPage;
use plan::Plan;

pub use format::Format;
pub use page::{Page, Pieces};

/// Shortest time between two plans that nobody waits for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// Longest time between them: what changes in it is what a scrape may have to wait for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many times as long as the last plan took the exporter waits in between: so that plans take a
/// few hundredths of a processor, as long as the longest pause allows.
const REST: u32 = 25;
/// Time without a scrape after which plans wait for the next one.
const UNASKED: Duration = Duration::from_secs(5 * 60);

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
    own: Own,
    current: RwLock<Option<Current>>,
    /// Taken while a plan is made: one at a time.
    planner: Mutex<Press>,
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
            own: Own::new(instruments),
            current: RwLock::new(None),
            planner: Mutex::new(Press::default()),
            was_asked: AtomicBool::new(false),
        }))
    }

    /// The page at `now`, if that is quick: no instance has changed since the last one.
    pub fn ready_page(&self, format: Format, coding: Coding, now: DateTime<Utc>) -> Option<Page> {
        Some(self.page_of(self.0.current(now)?, format, coding, now))
    }

    /// The page at `now`. May take a good part of a second where there is no
    /// [`ready_page`](Self::ready_page).
    pub fn page(&self, format: Format, coding: Coding, now: DateTime<Utc>) -> Page {
        self.page_of(self.0.plan(now), format, coding, now)
    }

    fn page_of(&self, plan: Arc<Plan>, format: Format, coding: Coding, now: DateTime<Utc>) -> Page {
        self.0.was_asked.store(true, Ordering::Relaxed);
        let own = &self.0.own;
        let groups = own.groups(now);
        let frame = plan.frames.with(groups, format);
        match coding {
            Coding::Identity => {
                let [before, after] = frame.text(&plan, own, groups, format);
                Page::text(TextPage { before, plan, format, after })
            }
            Coding::Gzip => Page::ready(frame.gzip(&plan, own, groups, format)),
        }
    }

    /// Makes pages ready as instances change, as long as there are scrapes, until told to stop.
    pub async fn keep_ready(self, clock: Clock, stop: CancellationToken) {
        let mut revision = self.0.store.revision();
        let (mut pause, mut asked_at) = (SHORTEST_PAUSE, clock.monotonic());
        let again = async {
            while revision.changed().await.is_ok() {
                // Many instances change in this time, and a run of their samples is made once.
                clock.sleep(pause).await;
                revision.mark_unchanged();
                let began = clock.monotonic();
                if self.0.was_asked.swap(false, Ordering::Relaxed) {
                    asked_at = began;
                }
                if began.saturating_sub(asked_at) > UNASKED {
                    continue;
                }
                let (shared, now) = (Arc::clone(&self.0), clock.now());
                // It fails only while the runtime shuts down.
                let _ = tokio::task::spawn_blocking(move || drop(shared.plan(now))).await;
                let took = clock.monotonic().saturating_sub(began);
                pause = took.saturating_mul(REST).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
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

    fn plan(&self, now: DateTime<Utc>) -> Arc<Plan> {
        let mut press = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = self.current(now) {
            return plan;
        }
        // Read before the snapshots: what is published in between makes the plan old at once.
        let revision = self.store.current_revision();
        let before = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let before = before.map(|before| before.plan);
        let plan = Plan::new(self.store.snapshots(), now, before.as_deref(), &mut press);
        let plan = Arc::new(plan);
        let current = Current { revision, plan: Arc::clone(&plan) };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
        plan
    }
}
