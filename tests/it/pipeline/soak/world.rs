//! What there really is: the tasks of every instance and what becomes of them, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    ApiError, Control, Drift, Effect, Fault, Field, Hint, Kind, Life, Status, Step, Task,
};
use chrono::TimeDelta;

/// From one look at the fleet to the next.
pub(super) const STEP: Duration = Duration::from_secs(86_400);

/// Most tasks of an instance; the oldest ones that are final go.
const MOST: usize = 45;

/// What goes wrong with an instance during a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Calls fail, some or all.
    Failures,
    /// The list moves while it is read.
    Drift {
        /// However often it is read.
        always: bool,
    },
}

/// The fleet, and the time in it.
pub(super) struct World {
    random: fastrand::Rng,
    steps: u32,
    instances: BTreeMap<String, BTreeMap<u64, Known>>,
    next_id: u32,
    /// When the API forgot a task.
    forgotten: BTreeMap<u64, u32>,
    /// Instances that are to be polled.
    pub(super) configured: BTreeSet<String>,
    /// What goes wrong in this step: everywhere, if with no instance.
    pub(super) trouble: BTreeMap<Option<String>, Trouble>,
    /// In the step before.
    troubled: BTreeSet<Option<String>>,
    /// When each instance was configured first, or again.
    since: BTreeMap<String, u32>,
}

struct Known {
    /// Step at which it was created.
    created: u32,
    life: Life,
}

/// A task as it is now.
#[derive(Debug)]
pub(super) struct Real {
    pub(super) status: String,
    pub(super) is_final: bool,
    /// It was created within the regular window.
    pub(super) in_window: bool,
    /// It ended, and left the window, longer ago than ended tasks are kept.
    pub(super) long_gone: bool,
}

impl World {
    pub(super) fn new(ids: impl Iterator<Item = String>) -> Self {
        let instances: BTreeMap<_, _> = ids.map(|id| (id, BTreeMap::new())).collect();
        Self {
            random: fastrand::Rng::with_seed(42),
            steps: 0,
            configured: instances.keys().cloned().collect(),
            instances,
            next_id: 1,
            forgotten: BTreeMap::new(),
            trouble: BTreeMap::new(),
            troubled: BTreeSet::new(),
            since: BTreeMap::new(),
        }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        STEP * self.steps
    }

    /// A step's time passes.
    pub(super) fn pass(&mut self) {
        self.steps += 1;
        let configured = &self.configured;
        self.since.retain(|id, _| configured.contains(id));
        for id in configured {
            self.since.entry(id.clone()).or_insert(self.steps);
        }
    }

    /// What happens to the fleet before the next step.
    pub(super) fn change(&mut self, control: &Control, step: u64) {
        for id in self.instances.keys().cloned().collect::<Vec<_>>() {
            for _ in 0..self.random.u32(0..3) {
                self.begin_task(control, &id);
            }
            self.end_tasks(control, &id);
        }
        self.troubled = std::mem::take(&mut self.trouble).into_keys().collect();
        let mut faults = Vec::new();
        // The first walks are to succeed, so that there is something to lose.
        if step > 2 && self.random.u32(0..3) == 0 {
            let place = self.random.usize(0..self.instances.len() + 2);
            let instance = self.instances.keys().nth(place).cloned();
            let (mut trouble, effect) = self.effect();
            let mut fault = Fault::always(effect);
            fault.when.instance.clone_from(&instance);
            if self.random.bool() {
                fault.when.skip = self.random.u64(0..6);
                fault.when.first = Some(self.random.u64(1..12));
                if matches!(trouble, Trouble::Drift { .. }) {
                    trouble = Trouble::Drift { always: false };
                }
            }
            faults.push(fault);
            self.trouble.insert(instance, trouble);
        }
        control.set_faults(faults);
    }

    fn begin_task(&mut self, control: &Control, id: &str) {
        let life = self.life();
        let created = TimeDelta::from_std(self.elapsed()).unwrap();
        let import_id = self.next_id;
        self.next_id += 1;
        let task = Task { created, ..Task::new(import_id, life.clone()) };
        assert!(control.put_task(id, task));
        let known = Known { created: self.steps, life };
        self.instances.get_mut(id).unwrap().insert(import_id.into(), known);
    }

    /// A life whose changes fall between the steps; some run for months.
    fn life(&mut self) -> Life {
        let steps = |count| STEP * count;
        let long = if self.random.u32(0..12) == 0 { 40..150 } else { 1..20 };
        let running = steps(self.random.u32(long)) + STEP / 2;
        let lasting = |status, lasts| Step { status, lasts: Some(lasts) };
        match self.random.u32(0..3) {
            0 => {
                let copying = [
                    lasting(Status::FullExporting, running),
                    lasting(Status::FullImporting, steps(2)),
                ];
                let end = *[Status::Success, Status::Failed].get(self.random.usize(0..2)).unwrap();
                Life::new(Kind::Full, [&copying[..], &[Step::last(end)]].concat())
            }
            1 => {
                let following = [
                    lasting(Status::IncrementalWaiting, STEP / 2),
                    lasting(Status::IncrementalImporting, running + STEP / 2),
                    Step::last(Status::StopSyncing),
                ];
                Life::new(Kind::Incremental, following.to_vec())
            }
            _ => {
                let canceled = [lasting(Status::Canceling, running), Step::last(Status::Canceled)];
                Life::new(Kind::Full, canceled.to_vec())
            }
        }
    }

    /// The API forgets the oldest of many, and now and then another one.
    fn end_tasks(&mut self, control: &Control, id: &str) {
        let steps = self.steps;
        let known = self.instances.get_mut(id).unwrap();
        let ended = |known: &Known| known.status(steps).1;
        let ended: Vec<u64> = known.iter().filter(|(_, k)| ended(k)).map(|(id, _)| *id).collect();
        let surplus = known.len().saturating_sub(MOST);
        let mut forgotten: BTreeSet<u64> = ended.iter().copied().take(surplus).collect();
        if !ended.is_empty() && self.random.u32(0..10) == 0 {
            forgotten.insert(ended[self.random.usize(0..ended.len())]);
        }
        for number in forgotten {
            known.remove(&number);
            self.forgotten.insert(number, steps);
            assert!(control.remove_task(id, u32::try_from(number).unwrap()));
        }
    }

    fn effect(&mut self) -> (Trouble, Effect) {
        use Trouble::Failures;

        const DRIFTS: Trouble = Trouble::Drift { always: true };

        let error = |code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            Effect::Error(ApiError { status: 400, code, message, retry_after: None })
        };
        let retry_after = Some(Duration::from_secs(3));
        let mut effects = vec![
            (Failures, Effect::Http(503)),
            (Failures, Effect::Html(200)),
            (Failures, Effect::Close),
            (Failures, Effect::Reset),
            (Failures, Effect::CutBody),
            (Failures, Effect::InvalidJson),
            (Failures, Effect::Missing(Field::TotalRecordCount)),
            (Failures, Effect::WrongType(Field::ImportDataStatus)),
            (Failures, Effect::Throttle(Hint::default())),
            (Failures, Effect::Throttle(Hint { retry_after })),
            (Failures, error("InternalError")),
            (Failures, error("InvalidDBInstanceId.NotFound")),
            (Failures, error("InvalidAccessKeyId.Inactive")),
            (Failures, error("InvalidSecurityToken.Expired")),
            (Failures, error("InvalidTimeStamp.Expired")),
            (DRIFTS, Effect::Drift(Drift { insert: 1, remove: 0 })),
            (DRIFTS, Effect::Drift(Drift { insert: 0, remove: 1 })),
            (DRIFTS, Effect::DuplicateItems),
            (DRIFTS, Effect::MovingTotal),
            (DRIFTS, Effect::PageNumber(7)),
        ];
        effects.swap_remove(self.random.usize(0..effects.len()))
    }

    /// What goes wrong with an instance. What befalls one may be its account's, and so every
    /// instance's.
    pub(super) fn trouble_of(&self, id: &str) -> Option<Trouble> {
        let own = self.trouble.get(&Some(id.to_owned()));
        let all = self.trouble.get(&None);
        let of_account = self.trouble.values().find(|trouble| **trouble == Trouble::Failures);
        own.or(all).or(of_account).copied()
    }

    /// Whether something went wrong in the step before.
    pub(super) fn had_trouble(&self) -> bool {
        !self.troubled.is_empty()
    }

    /// Whether it is polled for a while, and nothing went wrong in the step before either.
    pub(super) fn was_well(&self, id: &str) -> bool {
        let new = self.since.get(id).is_none_or(|since| self.steps < since + 2);
        !self.had_trouble() && !new
    }

    /// Whether the API forgot a task longer ago than ended tasks are kept.
    pub(super) fn is_long_forgotten(&self, number: u64) -> bool {
        self.forgotten.get(&number).is_none_or(|step| self.steps > step + 6)
    }

    /// The tasks of an instance, as they are now.
    pub(super) fn tasks(&self, id: &str) -> BTreeMap<u64, Real> {
        let known = self.instances[id].iter();
        known.map(|(number, known)| (*number, known.real(self.steps))).collect()
    }
}

impl Known {
    /// The status, and whether it is a final one.
    fn status(&self, steps: u32) -> (Status, bool) {
        let status = self.life.status_at(STEP * (steps - self.created));
        let last = self.life.steps.last().unwrap().status;
        (status, status == last)
    }

    fn real(&self, steps: u32) -> Real {
        let (status, is_final) = self.status(steps);
        let age = STEP * (steps - self.created);
        let window = Duration::from_secs(30 * 86_400);
        let ends: Duration = self.life.steps.iter().filter_map(|step| step.lasts).sum();
        Real {
            status: status.as_str().to_owned(),
            is_final,
            in_window: age < window,
            // It is kept for three days after it was seen last, which may be two steps later.
            long_gone: age > window.max(ends) + 6 * STEP,
        }
    }
}
