//! The walk through the pages of an instance's task list: a state machine fed with pages.
//!
//! A list can move while it is being read. A pass over its pages that shows this is begun again, a
//! few times; after that everything that was seen is taken together, and nothing is taken as gone.
//! The walk asks nothing itself: it says which page it wants, and is given it.

use crate::api::{Error, Page};
use crate::domain::{Description, ImportId, Task};

/// Most pages that one walk reads, restarts included.
pub(crate) const MAX_PAGES: u32 = 1_000;

/// Reads one list.
#[derive(Debug)]
pub(crate) struct Walk {
    page_size: u32,
    restarts_left: u32,
    /// Tasks shown so far that this list may drop only with proof, see [`Walk::settle`]. They are,
    /// as all lists here, in the order of the tasks' numbers.
    expected: Vec<ImportId>,
    proof: Proof,
    pass: Pass,
    /// The last sighting of each task in the passes that were left behind.
    seen: Vec<Task>,
    descriptions: Vec<Description>,
    pages: u32,
    restarts: Vec<Moved>,
}

/// What showed that the list moved under the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moved {
    /// A page came with another number than the one asked for.
    PageNumber,
    /// The total differs between pages.
    TotalChanged,
    /// A task stands on two pages.
    Duplicate,
    /// A page, or all of them together, hold more or fewer tasks than the total demands.
    Count,
}

/// What the walk wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This page, counted from 1.
    Page(u32),
    /// Nothing more.
    End(Walked),
}

/// What a walk found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The tasks, each once, in the order of their numbers.
    pub(crate) tasks: Vec<Task>,
    /// `ImportDataStatusDescription` of tasks that did not succeed, likewise.
    pub(crate) descriptions: Vec<Description>,
    /// Whether the list stood still: only then is a task that is not in it gone.
    pub(crate) clean: bool,
    /// How many pages were read.
    pub(crate) pages: u32,
    /// What made the walk begin again, each time.
    pub(crate) restarts: Vec<Moved>,
}

/// One pass over the pages, from the first to the last.
#[derive(Debug)]
struct Pass {
    /// Page asked for.
    number: u32,
    total: u64,
    tasks: Vec<Task>,
    /// Set once the list moved and no restart was left.
    moved: bool,
}

/// How far the proof is that tasks are gone.
#[derive(Debug)]
enum Proof {
    /// Not needed so far.
    None,
    /// An earlier pass stood still with these tasks in it.
    Pass(Vec<ImportId>),
}

impl Moved {
    /// The reason as a label value.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PageNumber => "page_number",
            Self::TotalChanged => "total_changed",
            Self::Duplicate => "duplicate",
            Self::Count => "count",
        }
    }
}

impl Walk {
    /// A walk that begins again `max_restarts` times at most, and expects nothing.
    pub(crate) fn new(page_size: u32, max_restarts: u32) -> Self {
        Self {
            page_size,
            restarts_left: max_restarts,
            expected: Vec::new(),
            proof: Proof::None,
            pass: Pass::new(),
            seen: Vec::new(),
            descriptions: Vec::new(),
            pages: 0,
            restarts: Vec::new(),
        }
    }

    /// Tells which tasks the list has shown before and nobody will ask for one by one, in the order
    /// of their numbers. A list of one page proves by itself what is gone, as most lists are: it is
    /// early enough to tell when the second page is wanted.
    pub(crate) fn expect(&mut self, tasks: Vec<ImportId>) {
        self.expected = tasks;
    }

    /// The page to ask for.
    pub(crate) fn wanted(&self) -> u32 {
        self.pass.number
    }

    /// Takes the page that was [`wanted`](Self::wanted).
    ///
    /// # Errors
    ///
    /// `bad_response` when the list has no end.
    pub(crate) fn take(&mut self, page: Page) -> Result<Step, Error> {
        self.pages += 1;
        put_in(&mut self.descriptions, page.descriptions, |(id, _)| *id);
        let needed = page.total.div_ceil(u64::from(self.page_size)).max(1);
        if needed > u64::from(MAX_PAGES) {
            return Err(endless(&format!("TotalRecordCount {} needs {needed} pages", page.total)));
        }
        let page_was_empty = page.tasks.is_empty();
        if let Some(moved) = self.pass.take(page.number, page.total, page.tasks, self.page_size) {
            if self.may_restart(moved) {
                return self.begin_again();
            }
            self.pass.moved = true;
        }
        if !self.pass.is_over(page_was_empty, needed) {
            self.pass.number += 1;
            return self.next_page();
        }
        self.settle(needed)
    }

    /// Decides what a pass that came to its end is worth.
    ///
    /// Totals and duplicates do not show every move: one task removed from a page that was read
    /// and another added behind it leave both as they were, and a task between them is skipped. A
    /// list of one page cannot be torn like that. For longer ones an expected task that is missing
    /// counts as gone only if two passes stood still with the very same tasks: each of them existed
    /// when the second pass began, and the total of that moment leaves no room for another.
    fn settle(&mut self, needed: u64) -> Result<Step, Error> {
        let stood_still = !self.pass.moved;
        let proved = needed <= 1 || self.pass.holds(&self.expected) || self.proof.is(&self.pass);
        if stood_still && proved {
            return Ok(Step::End(self.end(true)));
        }
        if stood_still {
            let first = matches!(self.proof, Proof::None);
            self.proof = Proof::Pass(self.pass.ids().collect());
            if first || self.may_restart(Moved::Count) {
                return self.begin_again();
            }
        }
        Ok(Step::End(self.end(false)))
    }

    fn may_restart(&mut self, moved: Moved) -> bool {
        if self.restarts_left == 0 {
            return false;
        }
        self.restarts_left -= 1;
        self.restarts.push(moved);
        true
    }

    fn begin_again(&mut self) -> Result<Step, Error> {
        let left_behind = std::mem::replace(&mut self.pass, Pass::new());
        put_in(&mut self.seen, left_behind.tasks, id);
        self.next_page()
    }

    fn next_page(&self) -> Result<Step, Error> {
        if self.pages >= MAX_PAGES {
            return Err(endless(&format!("the list did not end within {MAX_PAGES} pages")));
        }
        Ok(Step::Page(self.pass.number))
    }

    fn end(&mut self, clean: bool) -> Walked {
        let mut tasks = std::mem::take(&mut self.pass.tasks);
        if !clean {
            let newer = tasks;
            tasks = std::mem::take(&mut self.seen);
            put_in(&mut tasks, newer, id);
        }
        Walked {
            tasks,
            descriptions: std::mem::take(&mut self.descriptions),
            clean,
            pages: self.pages,
            restarts: std::mem::take(&mut self.restarts),
        }
    }
}

impl Pass {
    fn new() -> Self {
        Self { number: 1, total: 0, tasks: Vec::new(), moved: false }
    }

    /// Adds a page. Says so if the page does not go together with the ones before.
    fn take(
        &mut self,
        number: Option<u32>,
        total: u64,
        tasks: Vec<Task>,
        page_size: u32,
    ) -> Option<Moved> {
        let before = u64::from(self.number - 1) * u64::from(page_size);
        let expected = total.saturating_sub(before).min(u64::from(page_size));
        let wrong_number = number.is_some_and(|number| number != self.number);
        let total_changed = self.number > 1 && total != self.total;
        self.total = total;
        let (known, count) = (self.tasks.len(), tasks.len());
        put_in(&mut self.tasks, tasks, id);
        let duplicate = self.tasks.len() != known + count;

        if wrong_number {
            Some(Moved::PageNumber)
        } else if total_changed {
            Some(Moved::TotalChanged)
        } else if duplicate {
            Some(Moved::Duplicate)
        } else if count as u64 != expected {
            Some(Moved::Count)
        } else {
            None
        }
    }

    fn ids(&self) -> impl Iterator<Item = ImportId> {
        self.tasks.iter().map(id)
    }

    /// Whether all of `expected` are in it; both are in the order of their numbers.
    fn holds(&self, expected: &[ImportId]) -> bool {
        let mut ids = self.ids();
        expected.iter().all(|expected| ids.any(|id| id == *expected))
    }

    /// Whether there is no further page to read. A list that moved may hold tasks behind the page
    /// at which it should have ended: it is read on until all are there or a page is empty.
    fn is_over(&self, page_was_empty: bool, needed: u64) -> bool {
        let all_read = u64::from(self.number) >= needed;
        let all_there = !self.moved || self.tasks.len() as u64 >= self.total || page_was_empty;
        all_read && all_there
    }
}

impl Proof {
    /// Whether `pass` has the very tasks of the earlier one.
    fn is(&self, pass: &Pass) -> bool {
        matches!(self, Self::Pass(earlier) if earlier.iter().copied().eq(pass.ids()))
    }
}

/// Adds `more` to `list`, which is in the order of the tasks' numbers; of two of a task the later
/// one stays. That is cheap where the API's order is the same, as it mostly is.
pub(crate) fn put_in<T>(list: &mut Vec<T>, mut more: Vec<T>, id: impl Fn(&T) -> ImportId) {
    if list.is_empty() {
        *list = more;
    } else {
        list.append(&mut more);
    }
    // A stable sort: the later one stays behind.
    list.sort_by_key(&id);
    list.dedup_by(|later, earlier| {
        let same = id(later) == id(earlier);
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

fn id(task: &Task) -> ImportId {
    task.import_id
}

fn endless(what: &str) -> Error {
    Error::bad_response(format!("{what}; the exporter reads {MAX_PAGES} at most"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{TaskStatus, TaskType};

    const SIZE: u32 = 30;

    fn task(id: u64) -> Task {
        Task {
            import_id: ImportId(id),
            kind: TaskType::FULL,
            status: TaskStatus::SUCCESS,
            position: None,
        }
    }

    fn page(number: u32, total: u64, ids: impl IntoIterator<Item = u64>) -> Page {
        let tasks = ids.into_iter().map(task).collect();
        Page { number: Some(number), total, tasks, descriptions: Vec::new() }
    }

    /// The page that a list of tasks `0..total` which stands still gives.
    fn still(number: u32, total: u64, size: u32) -> Page {
        let start = u64::from(number - 1) * u64::from(size);
        page(number, total, start..total.min(start + u64::from(size)))
    }

    fn expecting(id: u64) -> Walk {
        let mut walk = Walk::new(SIZE, 2);
        walk.expect(vec![ImportId(id)]);
        walk
    }

    fn ids(walked: &Walked) -> Vec<u64> {
        walked.tasks.iter().map(|task| task.import_id.0).collect()
    }

    fn end(step: Result<Step, Error>) -> Walked {
        match step.unwrap() {
            Step::End(walked) => walked,
            Step::Page(number) => panic!("wants page {number}"),
        }
    }

    #[test]
    fn reads_each_task_once_with_the_fewest_calls() {
        for total in [0, 1, 29, 30, 31, 100, 101, 250, 3_000] {
            for size in [30, 50, 100] {
                let mut walk = Walk::new(size, 2);
                let walked = loop {
                    let step = walk.take(still(walk.wanted(), total, size)).unwrap();
                    if let Step::End(walked) = step {
                        break walked;
                    }
                };
                assert_eq!(ids(&walked), (0..total).collect::<Vec<_>>());
                assert_eq!(u64::from(walked.pages), total.div_ceil(u64::from(size)).max(1));
                assert!(walked.clean && walked.restarts.is_empty());
            }
        }
    }

    #[test]
    fn begins_again_when_the_list_shows_that_it_moved() {
        for (second_page, reason) in [
            (page(1, 60, 30..60), Moved::PageNumber),
            (page(2, 61, 30..60), Moved::TotalChanged),
            (page(2, 60, 29..59), Moved::Duplicate),
            (page(2, 60, 30..59), Moved::Count),
            (page(2, 60, 30..61), Moved::Count),
        ] {
            let mut walk = Walk::new(SIZE, 2);
            assert_eq!(walk.take(still(1, 60, SIZE)), Ok(Step::Page(2)));
            assert_eq!(walk.take(second_page), Ok(Step::Page(1)));
            assert_eq!(walk.take(still(1, 60, SIZE)), Ok(Step::Page(2)));
            let walked = end(walk.take(still(2, 60, SIZE)));
            assert_eq!(walked.restarts, [reason]);
            assert_eq!(ids(&walked), (0..60).collect::<Vec<_>>());
            assert!(walked.clean);
            assert_eq!(walked.pages, 4);
        }
    }

    #[test]
    fn a_page_without_a_number_is_the_one_asked_for() {
        let mut walk = Walk::new(SIZE, 2);
        let unnumbered = Page { number: None, ..still(1, 5, SIZE) };
        assert!(end(walk.take(unnumbered)).clean);
    }

    #[test]
    fn publishes_the_union_of_all_that_was_seen_when_restarts_are_used_up() {
        let mut walk = Walk::new(SIZE, 1);
        walk.take(page(1, 60, 0..30)).unwrap();
        assert_eq!(walk.take(page(2, 61, 30..60)), Ok(Step::Page(1)));
        walk.take(page(1, 60, 100..130)).unwrap();
        assert_eq!(walk.take(page(2, 60, 129..159)), Ok(Step::Page(3)));
        let walked = end(walk.take(page(3, 60, [])));

        assert!(!walked.clean);
        assert_eq!(ids(&walked), (0..60).chain(100..159).collect::<Vec<_>>());
        assert_eq!(walked.restarts, [Moved::TotalChanged]);
    }

    #[test]
    fn a_union_reads_on_until_the_count_is_reached_or_a_page_is_empty() {
        let mut walk = Walk::new(100, 0);
        for number in 1..=4 {
            let ids = u64::from(number - 1) * 50..u64::from(number) * 50;
            assert_eq!(walk.take(page(number, 250, ids)), Ok(Step::Page(number + 1)));
        }
        let walked = end(walk.take(page(5, 250, 200..250)));
        assert_eq!(walked.tasks.len(), 250);

        let mut walk = Walk::new(100, 0);
        assert_eq!(walk.take(page(1, 80, 0..50)), Ok(Step::Page(2)));
        assert_eq!(end(walk.take(page(2, 80, []))).tasks.len(), 50);
    }

    #[test]
    fn an_expected_task_is_gone_from_a_single_page_at_once() {
        let mut walk = expecting(99);
        let walked = end(walk.take(still(1, 30, SIZE)));
        assert!(walked.clean);
        assert_eq!(walked.pages, 1);
    }

    #[test]
    fn an_expected_task_is_gone_from_several_pages_only_if_two_passes_agree() {
        let mut walk = expecting(99);
        walk.take(still(1, 60, SIZE)).unwrap();
        assert_eq!(walk.take(still(2, 60, SIZE)), Ok(Step::Page(1)));
        walk.take(still(1, 60, SIZE)).unwrap();
        let walked = end(walk.take(still(2, 60, SIZE)));
        assert!(walked.clean && walked.restarts.is_empty());
        assert_eq!(walked.pages, 4);
    }

    #[test]
    fn a_task_skipped_between_pages_is_found_by_the_second_pass() {
        // 29 was on page 2 until a task of page 1 went, and another came at the end.
        let mut walk = expecting(30);
        walk.take(page(1, 60, 0..30)).unwrap();
        assert_eq!(walk.take(page(2, 60, 31..61)), Ok(Step::Page(1)));
        walk.take(page(1, 60, 1..31)).unwrap();
        let walked = end(walk.take(page(2, 60, 31..61)));
        assert!(walked.clean && ids(&walked).contains(&30));
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let mut walk = Walk::new(SIZE, 2);
        let error = walk.take(page(1, 30_001, 0..30)).unwrap_err();
        assert!(error.message().contains("needs 1001 pages"), "{error}");

        let mut walk = Walk::new(SIZE, 2);
        let mut asked = 0;
        let error = loop {
            asked += 1;
            let number = walk.wanted();
            let start = u64::from(asked) * 30;
            let endless = page(number, u64::from(number) * 30 + 1, start..start + 30);
            if let Err(error) = walk.take(endless) {
                break error;
            }
        };
        assert_eq!(asked, MAX_PAGES);
        assert_eq!(error.code().to_string(), "bad_response");
    }
}
