//! The living part: instances and their tasks at a moment. Nothing runs in it; everything follows
//! from the scenario and the time, so the same moment always looks the same.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::task::{Kind, Life, Precision, Status};
use crate::clock::Clock;
use crate::simulator::scenario::{Instance, Order, Scenario};

/// The instances, by ID, and the time they live in.
#[derive(Debug)]
pub(crate) struct World {
    clock: Clock,
    started: Duration,
    speed: f64,
    order: Order,
    /// Owns the instances that name no account.
    first_account: Option<String>,
    instances: RwLock<BTreeMap<String, Arc<Instance>>>,
}

/// A point in time, as wall and as world see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Wall time.
    pub(crate) now: DateTime<Utc>,
    /// Real time since the start.
    pub(crate) elapsed: Duration,
    /// The world's time since the start.
    world: TimeDelta,
    speed: f64,
}

/// A task in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) import_id: u64,
    /// When it was created, in the world's time since the start.
    created: TimeDelta,
    life: &'a Life,
}

/// What the API says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) import_id: u64,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) description: &'a str,
    /// Empty for an incremental task that has not synchronised, `None` for a full one.
    pub(crate) importing_time: Option<String>,
}

impl World {
    /// The scenario's instances, from now on.
    pub(crate) fn new(scenario: &Scenario, clock: Clock) -> Self {
        let first = scenario.accounts.first().map(|account| account.name.clone());
        let instances = scenario.fleet().map(|instance| {
            let instance = prepared(instance, first.as_deref());
            (instance.id.clone(), Arc::new(instance))
        });
        Self {
            started: clock.monotonic(),
            speed: scenario.speed,
            order: scenario.order,
            instances: RwLock::new(instances.collect()),
            first_account: first,
            clock,
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        let world = Duration::try_from_secs_f64(elapsed.as_secs_f64() * self.speed);
        let world = world.ok().and_then(|world| TimeDelta::from_std(world).ok());
        Moment {
            now: self.clock.now(),
            elapsed,
            world: world.unwrap_or(TimeDelta::MAX),
            speed: self.speed,
        }
    }

    pub(crate) fn instance(&self, id: &str) -> Option<Arc<Instance>> {
        self.instances.read().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)
    }

    /// Every instance, sorted by ID.
    pub(crate) fn instances(&self) -> Vec<Arc<Instance>> {
        let instances = self.instances.read().unwrap_or_else(PoisonError::into_inner);
        instances.values().map(Arc::clone).collect()
    }

    /// Takes an instance in, in place of one with the same ID.
    pub(crate) fn put(&self, instance: Instance) {
        let instance = Arc::new(prepared(instance, self.first_account.as_deref()));
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        instances.insert(instance.id.clone(), instance);
    }

    /// Releases an instance; false if there is none.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        instances.remove(id).is_some()
    }

    /// Changes an instance; `None` if there is none.
    pub(crate) fn change<T>(&self, id: &str, change: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        let instance = Arc::make_mut(instances.get_mut(id)?);
        let changed = change(instance);
        instance.tasks.sort_by_key(|task| (task.created, task.import_id));
        Some(changed)
    }

    /// The tasks that exist at a moment and were created between two times, both included, to the
    /// minute.
    pub(crate) fn list<'a>(
        &self,
        instance: &'a Instance,
        moment: &Moment,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Vec<Entry<'a>> {
        let listed = instance.tasks.iter().map(|task| Entry {
            import_id: task.import_id.into(),
            created: task.created,
            life: &task.life,
        });
        let generated = instance.generate.iter().flat_map(|generator| {
            let places = generator.places(moment.world.to_std().unwrap_or_default());
            places.filter_map(|place| {
                Some(Entry {
                    import_id: generator.import_id(place),
                    created: generator.created(place),
                    life: generator.life(place)?,
                })
            })
        });
        // Seconds are cut off the creation time, so the last minute counts whole.
        let (from, until) =
            (moment.world_time(from), moment.world_time(to + TimeDelta::minutes(1)));
        let exists = |entry: &Entry<'_>| entry.created <= moment.world;
        let inside = |entry: &Entry<'_>| entry.created >= from && entry.created < until;
        let mut entries: Vec<_> =
            listed.chain(generated).filter(|entry| exists(entry) && inside(entry)).collect();
        entries.sort_by_key(|entry| (entry.created, entry.import_id));
        if self.order == Order::NewestFirst {
            entries.reverse();
        }
        entries
    }
}

impl Moment {
    /// The wall's time at a time of the world. What was before the start is as long ago as it says,
    /// whatever the speed.
    fn wall_time(&self, world: TimeDelta) -> DateTime<Utc> {
        let real = if world < TimeDelta::zero() {
            world
        } else {
            let seconds = world.as_seconds_f64() / self.speed;
            milliseconds(seconds)
        };
        let since = real - TimeDelta::from_std(self.elapsed).unwrap_or(TimeDelta::MAX);
        self.now.checked_add_signed(since).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// The inverse of [`wall_time`](Self::wall_time).
    fn world_time(&self, wall: DateTime<Utc>) -> TimeDelta {
        let elapsed = TimeDelta::from_std(self.elapsed).unwrap_or(TimeDelta::MAX);
        let real = wall - self.now + elapsed;
        if real < TimeDelta::zero() {
            real
        } else {
            milliseconds(real.as_seconds_f64() * self.speed)
        }
    }
}

impl<'a> Entry<'a> {
    /// A task that the scenario does not know, for faults.
    pub(crate) fn stranger(import_id: u64, moment: &Moment) -> Self {
        static LIFE: LazyLock<Life> = LazyLock::new(Life::default);
        Self { import_id, created: moment.world, life: &LIFE }
    }

    /// What the API says of the task at a moment.
    pub(crate) fn item(&self, moment: &Moment) -> Item<'a> {
        let age = (moment.world - self.created).to_std().unwrap_or_default();
        let status = self.life.status_at(age);
        let importing_time = match self.life.kind {
            Kind::Full => None,
            Kind::Incremental => Some(self.importing_time(moment, age).unwrap_or_default()),
        };
        Item {
            import_id: self.import_id,
            kind: self.life.kind,
            status,
            description: self.life.description.as_deref().unwrap_or(status.description()),
            importing_time,
        }
    }

    fn importing_time(&self, moment: &Moment, age: Duration) -> Option<String> {
        let synchronised = self.life.synchronised_at(age)?;
        let reached = self.created + TimeDelta::from_std(synchronised.age).ok()?;
        let lag = TimeDelta::from_std(synchronised.lag).ok()?;
        let position = moment.wall_time(reached).checked_sub_signed(lag)?;
        let format = match self.life.importing_time {
            Precision::Seconds => "%Y-%m-%dT%H:%M:%SZ",
            Precision::Minutes => "%Y-%m-%dT%H:%MZ",
        };
        Some(position.format(format).to_string())
    }
}

/// An instance whose owner is named and whose tasks are in order.
fn prepared(mut instance: Instance, first_account: Option<&str>) -> Instance {
    instance.account = instance.account.or_else(|| first_account.map(str::to_owned));
    instance.tasks.sort_by_key(|task| (task.created, task.import_id));
    instance
}

fn milliseconds(seconds: f64) -> TimeDelta {
    // A float beyond the integer's range saturates.
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and it saturates")]
    let milliseconds = (seconds * 1e3).round() as i64;
    TimeDelta::try_milliseconds(milliseconds).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
