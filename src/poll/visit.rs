//! One poll of an instance, from the first page to the last question: a state machine that says
//! what to ask and is given the answers.
//!
//! A visit walks the regular window, asks by number for tasks that are missing there, and then,
//! when it is time, walks the deep window. It does no I/O and reads no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::api::error::Scope;
use crate::api::{Error, ListImports, Page};
use crate::domain::{Description, Engine, ImportId, Task};
use crate::poll::roster::{Ask, Found, Roster, Transition};
use crate::poll::walk::{self, Moved, Step, Walk, Walked};
use crate::poll::window::Window;

/// What a visit is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The API's time.
    pub(crate) now: DateTime<Utc>,
    /// Window of the regular walk.
    pub(crate) lookback: Duration,
    /// Window of the deep walk.
    pub(crate) deep_lookback: Duration,
    /// Whether the deep walk is due.
    pub(crate) deep: bool,
    /// Tasks a page.
    pub(crate) page_size: u32,
    /// How often the regular walk may begin again.
    pub(crate) max_restarts: u32,
    /// How long a task that ended outside the window stays.
    pub(crate) final_retention: Duration,
    /// When asking by number has to end, so that the walk before it is not lost to the limit of a
    /// poll.
    pub(crate) ask_until: Duration,
}

/// What to ask the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// In this time range
    pub(crate) window: Window,
    /// for this page of the list, or this task.
    pub(crate) what: What,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A page of the list, counted from 1.
    Page {
        /// Its number.
        number: u32,
        /// Tasks a page.
        size: u32,
    },
    /// A single task.
    Task(ImportId),
}

/// What comes next in a visit.
#[derive(Debug)]
pub(crate) enum Next {
    /// Ask this, and hand the answer to [`Visit::answer`].
    Ask(Question),
    /// The roster is up to date with the list: show it.
    Publish(Report),
    /// The visit is over.
    End(Ending),
}

/// A regular walk that succeeded.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many pages it read.
    pub(crate) pages: u32,
    /// Whether the list stood still.
    pub(crate) clean: bool,
    /// What made it begin again.
    pub(crate) restarts: Vec<Moved>,
    /// Tasks that were seen to enter a status.
    pub(crate) transitions: Vec<Transition>,
    /// `ImportDataStatusDescription` of tasks that did not succeed, in the order of their numbers.
    pub(crate) descriptions: Vec<Description>,
}

/// How a visit ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What made the regular walk fail; nothing changed then.
    pub(crate) walk_failure: Option<Error>,
    /// What made a question after the regular walk fail: by number, or a deep page.
    pub(crate) later_failure: Option<Error>,
    /// How the deep walk went.
    pub(crate) deep: Deep,
    /// Tasks that the deep walk saw to enter a status.
    pub(crate) transitions: Vec<Transition>,
    /// `ImportDataStatusDescription` of tasks that the deep walk saw and that did not succeed, in
    /// the order of their numbers.
    pub(crate) descriptions: Vec<Description>,
}

/// How the deep walk went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deep {
    /// It was not tried.
    #[default]
    NotTried,
    /// It came to its end.
    Succeeded,
    /// It failed, and harmed nothing.
    Failed,
}

/// One poll of an instance.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    roster: &'a mut Roster,
    plan: Plan,
    regular: Window,
    deep: Window,
    phase: Phase,
    ending: Ending,
}

#[derive(Debug)]
enum Phase {
    Walk(Walk),
    Asking(Asking),
    Walked(Report),
    Deep(Walk),
    Over,
}

/// Asking by number for the tasks that a walk missed.
#[derive(Debug)]
struct Asking {
    walked: Walked,
    queue: VecDeque<Ask>,
    found: BTreeMap<ImportId, Found>,
}

impl Question {
    /// The request that asks this of an instance.
    pub(crate) fn request<'a>(&self, db_instance_id: &'a str, engine: Engine) -> ListImports<'a> {
        let Window { start, end } = self.window;
        let mut request = ListImports::new(db_instance_id, engine, start, end);
        match self.what {
            What::Page { number, size } => {
                request.page_number = Some(number);
                request.page_size = Some(size);
            }
            What::Task(import_id) => request.import_id = Some(import_id),
        }
        request
    }
}

impl<'a> Visit<'a> {
    /// A visit that brings `roster` up to date.
    pub(crate) fn new(plan: Plan, roster: &'a mut Roster) -> Self {
        let walk = Walk::new(plan.page_size, plan.max_restarts);
        Self {
            roster,
            plan,
            regular: Window::up_to(plan.now, plan.lookback),
            deep: Window::up_to(plan.now, plan.deep_lookback),
            phase: Phase::Walk(walk),
            ending: Ending::default(),
        }
    }

    /// The instance's tasks as the visit knows them so far.
    pub(crate) fn roster(&self) -> &Roster {
        self.roster
    }

    /// What comes next, at the time `now`.
    pub(crate) fn next(&mut self, now: Duration) -> Next {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Walk(walk) => {
                    let question = self.page(self.regular, &walk);
                    self.phase = Phase::Walk(walk);
                    return Next::Ask(question);
                }
                Phase::Asking(asking) => {
                    let in_time = now < self.plan.ask_until;
                    if let Some(ask) = asking.queue.front().filter(|_| in_time) {
                        let window = if ask.left_window { self.deep } else { self.regular };
                        let question = Question { window, what: What::Task(ask.import_id) };
                        self.phase = Phase::Asking(asking);
                        return Next::Ask(question);
                    }
                    self.phase = Phase::Walked(self.update(asking, now));
                }
                Phase::Walked(report) => {
                    if self.plan.deep && !self.account_failed() {
                        let walk = Walk::new(self.plan.page_size, 1);
                        self.phase = Phase::Deep(walk);
                    }
                    return Next::Publish(report);
                }
                Phase::Deep(walk) => {
                    let question = self.page(self.deep, &walk);
                    self.phase = Phase::Deep(walk);
                    return Next::Ask(question);
                }
                Phase::Over => return Next::End(std::mem::take(&mut self.ending)),
            }
        }
    }

    /// Takes the answer to what [`next`](Self::next) asked for, given at the time `now`.
    pub(crate) fn answer(&mut self, answer: Result<Page, Error>, now: Duration) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Walk(walk) => self.regular_page(walk, answer),
            Phase::Asking(asking) => Phase::Asking(self.single_task(asking, answer)),
            Phase::Deep(walk) => self.deep_page(walk, answer, now),
            phase @ (Phase::Walked(_) | Phase::Over) => phase,
        };
    }

    fn page(&self, window: Window, walk: &Walk) -> Question {
        let what = What::Page { number: walk.wanted(), size: self.plan.page_size };
        Question { window, what }
    }

    fn regular_page(&mut self, mut walk: Walk, answer: Result<Page, Error>) -> Phase {
        match answer.and_then(|page| walk.take(page)) {
            Ok(Step::Page(number)) => {
                if number == 2 {
                    walk.expect(self.roster.expected());
                }
                Phase::Walk(walk)
            }
            Ok(Step::End(walked)) => Phase::Asking(Asking {
                queue: self.roster.choose_asks(&walked).into(),
                found: BTreeMap::new(),
                walked,
            }),
            Err(error) => {
                self.ending.walk_failure = Some(error);
                Phase::Over
            }
        }
    }

    fn single_task(&mut self, mut asking: Asking, answer: Result<Page, Error>) -> Asking {
        let Some(ask) = asking.queue.front_mut() else { return asking };
        let answer = answer.and_then(|page| the_task(page, ask.import_id));
        let found = match answer {
            Ok(Some((task, description))) => {
                let descriptions = &mut asking.walked.descriptions;
                walk::put_in(descriptions, description.into_iter().collect(), |(id, _)| *id);
                if ask.left_window { Found::Outside(task) } else { Found::Listed(task) }
            }
            Ok(None) if ask.left_window => Found::Nowhere,
            Ok(None) => {
                ask.left_window = true;
                return asking;
            }
            Err(error) if error.kind().scope() == Scope::Instance => Found::Refused,
            Err(error) => {
                // The other questions would most likely go the same way: at the next poll.
                self.ending.later_failure = Some(error);
                asking.queue.clear();
                return asking;
            }
        };
        asking.found.insert(ask.import_id, found);
        asking.queue.pop_front();
        asking
    }

    fn deep_page(&mut self, mut walk: Walk, answer: Result<Page, Error>, now: Duration) -> Phase {
        match answer.and_then(|page| walk.take(page)) {
            Ok(Step::Page(_)) => return Phase::Deep(walk),
            Ok(Step::End(walked)) => {
                self.ending.transitions = self.roster.update_deep(&walked, now);
                self.ending.descriptions = walked.descriptions;
                self.ending.deep = Deep::Succeeded;
            }
            Err(error) => {
                self.ending.deep = Deep::Failed;
                self.ending.later_failure = Some(error);
            }
        }
        Phase::Over
    }

    fn update(&mut self, asking: Asking, now: Duration) -> Report {
        let Asking { walked, found, .. } = asking;
        let retention = self.plan.final_retention;
        let transitions = self.roster.update(&walked, &found, now, retention);
        Report {
            pages: walked.pages,
            clean: walked.clean,
            restarts: walked.restarts,
            transitions,
            descriptions: walked.descriptions,
        }
    }

    fn account_failed(&self) -> bool {
        let failure = self.ending.later_failure.as_ref();
        failure.is_some_and(|error| error.kind().scope() == Scope::Account)
    }
}

/// A task, and what the API says of it.
type Described = (Task, Option<Description>);

/// The task that was asked for by number, with what its failure says, or none if the answer is
/// empty. Only that proves that there is none: an answer about other tasks proves nothing.
fn the_task(page: Page, id: ImportId) -> Result<Option<Described>, Error> {
    if let Some(task) = page.tasks.iter().copied().find(|task| task.import_id == id) {
        let description = page.descriptions.into_iter().find(|(described, _)| *described == id);
        return Ok(Some((task, description)));
    }
    if page.total == 0 && page.tasks.is_empty() {
        return Ok(None);
    }
    let problem = format!("asked for task {}, the API answers other ones", id.0);
    Err(Error::bad_response(problem))
}

#[cfg(test)]
mod tests;
