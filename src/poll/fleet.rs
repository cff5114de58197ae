//! The instances of one account: which there are, which is polled next, and how a new set of them
//! takes the place of the old one.
//!
//! An instance that stays keeps all that is known of it, whatever else changes. One that goes
//! leaves with everything that was published of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::Error;
use crate::config::{Instance, Polling};
use crate::domain::InstanceKey;
use crate::poll::caller::Caller;
use crate::poll::instance::InstancePoll;
use crate::poll::schedule::{Index, Schedule, first_due};
use crate::store::Store;

/// The instances of one account and when they are due.
#[derive(Debug)]
pub(crate) struct Fleet {
    store: Store,
    polling: Arc<Polling>,
    members: BTreeMap<Index, Member>,
    next_index: Index,
    schedule: Schedule,
    /// How many instances no attempt has ended at.
    unattempted: usize,
}

#[derive(Debug)]
struct Member {
    /// The settings to poll it with from the next poll on.
    target: Arc<Instance>,
    attempted: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Waiting for its turn, and in the schedule.
    Here(Box<InstancePoll>),
    /// Away, being polled.
    Away {
        /// Ends the poll at once.
        stop: CancellationToken,
        /// It is to go when it comes back.
        leaves: bool,
    },
}

/// An instance that was given away to be polled.
#[derive(Debug)]
pub(crate) struct Outing {
    pub(crate) index: Index,
    pub(crate) instance: Box<InstancePoll>,
    /// When the poll was due.
    pub(crate) due: Duration,
    /// Tells that the poll is wanted no more.
    pub(crate) stop: CancellationToken,
}

/// What a new set of instances changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turnover {
    /// Instances that came.
    pub(crate) came: usize,
    /// Instances that went.
    pub(crate) went: usize,
    /// Instances whose settings changed.
    pub(crate) changed: usize,
}

impl Fleet {
    /// No instance.
    pub(crate) fn new(store: Store, polling: Arc<Polling>) -> Self {
        Self {
            store,
            polling,
            members: BTreeMap::new(),
            next_index: 0,
            schedule: Schedule::default(),
            unattempted: 0,
        }
    }

    /// Makes `targets` the instances, polled as `polling` says. New ones are announced as pending,
    /// and their first polls are spread over their interval.
    pub(crate) fn take_over(
        &mut self,
        targets: &[Arc<Instance>],
        polling: &Arc<Polling>,
        caller: &Caller,
    ) -> Turnover {
        let before = self.members.iter();
        let mut before: HashMap<InstanceKey, Index> =
            before.map(|(index, member)| (key(&member.target), *index)).collect();
        let polling_changed = self.polling != *polling;
        self.polling = Arc::clone(polling);
        let mut turnover = Turnover::default();
        let mut new = Vec::new();
        for target in targets {
            match before.remove(&key(target)) {
                Some(index) if self.stays(index, target, polling_changed, caller) => {
                    turnover.changed += 1;
                }
                Some(_) => {}
                None => new.push(target),
            }
        }
        for index in before.into_values() {
            turnover.went += usize::from(self.goes(index));
        }
        // In the order of the page: what changes together is deflated together there.
        new.sort_by_cached_key(|target| key(target));
        turnover.came = new.len();
        for (position, target) in new.iter().enumerate() {
            self.comes(target, position, new.len(), caller);
        }
        self.unattempted = self.members.values().filter(|member| member.is_awaited()).count();
        turnover
    }

    /// Lets every instance go. None may be away.
    pub(crate) fn dissolve(&mut self) {
        for (_, member) in std::mem::take(&mut self.members) {
            self.store.remove(&key(&member.target));
        }
        self.schedule = Schedule::default();
        self.unattempted = 0;
    }

    /// Whether an instance is due at `now`.
    pub(crate) fn has_due(&mut self, now: Duration) -> bool {
        self.schedule.has_due(now)
    }

    /// When the next instance becomes due that was not yet when it was asked for last.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.schedule.next_due()
    }

    /// How many instances there are.
    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    /// How many instances no attempt has ended at.
    pub(crate) fn unattempted(&self) -> usize {
        self.unattempted
    }

    /// Gives away the instance to poll at `now`.
    pub(crate) fn begin_due(&mut self, now: Duration) -> Option<Outing> {
        let (index, due) = self.schedule.take_due(now)?;
        self.begin(index, due)
    }

    /// Gives away the instance that is due first, whether it is due yet or not.
    pub(crate) fn begin_first(&mut self, now: Duration) -> Option<Outing> {
        let (index, due) = self.schedule.take_first(now)?;
        self.begin(index, due)
    }

    fn begin(&mut self, index: Index, due: Duration) -> Option<Outing> {
        let member = self.members.get_mut(&index)?;
        let stop = CancellationToken::new();
        let away = Place::Away { stop: stop.clone(), leaves: false };
        match std::mem::replace(&mut member.place, away) {
            Place::Here(instance) => Some(Outing { index, instance, due, stop }),
            // An instance that is away is not in the schedule.
            place @ Place::Away { .. } => {
                member.place = place;
                None
            }
        }
    }

    /// Takes back an instance whose attempt ended, if `attempted`, and that is due again at `due`.
    pub(crate) fn end(
        &mut self,
        index: Index,
        mut instance: Box<InstancePoll>,
        attempted: bool,
        due: Duration,
        caller: &Caller,
    ) {
        let Some(member) = self.members.get_mut(&index) else { return };
        if matches!(member.place, Place::Away { leaves: true, .. }) {
            self.members.remove(&index);
            self.store.remove(instance.key());
            return;
        }
        if attempted && !member.attempted {
            member.attempted = true;
            self.unattempted -= 1;
        }
        let target = Arc::clone(&member.target);
        let due = adapt(&mut instance, &target, &self.polling, due, caller, &self.store);
        self.schedule.add(index, due, instance.patience());
        member.place = Place::Here(instance);
    }

    /// Lets everything that is due at `now` fail without a call.
    pub(crate) fn fail_due(&mut self, now: Duration, error: &Error, caller: &Caller) {
        while let Some((index, _)) = self.schedule.take_due(now) {
            let Some(member) = self.members.get_mut(&index) else { continue };
            let Place::Here(instance) = &mut member.place else { continue };
            if !member.attempted {
                member.attempted = true;
                self.unattempted -= 1;
            }
            let outcome = instance.fail(caller, &self.store, now, error.clone());
            self.schedule.add(index, outcome.next_due, instance.patience());
        }
    }

    /// Makes every instance that fails due at `now`.
    pub(crate) fn hasten_failing(&mut self, now: Duration) {
        let members = &self.members;
        self.schedule.hasten(now, |index| match members.get(&index).map(|member| &member.place) {
            Some(Place::Here(instance)) => instance.failing_with().is_some(),
            _ => false,
        });
    }

    /// An instance stays, perhaps with other settings. Says whether they are others.
    fn stays(
        &mut self,
        index: Index,
        target: &Arc<Instance>,
        polling_changed: bool,
        caller: &Caller,
    ) -> bool {
        let Some(member) = self.members.get_mut(&index) else { return false };
        let changed = *member.target != **target;
        // The same settings: one allocation of them is enough.
        member.target = Arc::clone(target);
        match &mut member.place {
            // It takes them over when it comes back.
            Place::Away { leaves, .. } => *leaves = false,
            Place::Here(instance) if changed || polling_changed => {
                let due = self.schedule.remove(index).unwrap_or(Duration::ZERO);
                let due = adapt(instance, target, &self.polling, due, caller, &self.store);
                self.schedule.add(index, due, instance.patience());
            }
            Place::Here(instance) => drop(instance.retarget(target, &self.polling)),
        }
        changed
    }

    /// An instance goes, at once or when it comes back. Says whether that is new.
    fn goes(&mut self, index: Index) -> bool {
        let Some(member) = self.members.get_mut(&index) else { return false };
        if let Place::Away { stop, leaves } = &mut member.place {
            stop.cancel();
            return !std::mem::replace(leaves, true);
        }
        self.schedule.remove(index);
        self.store.remove(&key(&member.target));
        self.members.remove(&index);
        true
    }

    fn comes(&mut self, target: &Arc<Instance>, position: usize, count: usize, caller: &Caller) {
        let mut instance = InstancePoll::new(Arc::clone(target), Arc::clone(&self.polling));
        let first = first_due(position, count, instance.interval());
        let due = caller.clock.monotonic().saturating_add(first);
        caller.instruments.announce(instance.scope(), caller.budget.rate());
        instance.announce(caller, &self.store, due);
        let index = self.next_index;
        self.next_index += 1;
        self.schedule.add(index, due, instance.patience());
        let place = Place::Here(Box::new(instance));
        let member = Member { target: Arc::clone(target), attempted: false, place };
        self.members.insert(index, member);
    }
}

impl Member {
    fn is_awaited(&self) -> bool {
        !self.attempted && !matches!(self.place, Place::Away { leaves: true, .. })
    }
}

/// Gives an instance the settings it is to have, and tells when it is due with them: as before,
/// but not later than its interval from now on.
fn adapt(
    instance: &mut InstancePoll,
    target: &Arc<Instance>,
    polling: &Arc<Polling>,
    due: Duration,
    caller: &Caller,
    store: &Store,
) -> Duration {
    let is_other = **instance.target() != **target;
    let shown = instance.retarget(target, polling);
    let latest = caller.clock.monotonic().saturating_add(instance.interval());
    let sooner = is_other && latest < due;
    let due = if sooner { latest } else { due };
    if shown || sooner {
        instance.announce(caller, store, due);
    }
    due
}

fn key(target: &Instance) -> InstanceKey {
    InstanceKey {
        account: Arc::clone(&target.account),
        region_id: Arc::clone(&target.region),
        db_instance_id: Arc::clone(&target.id),
    }
}
