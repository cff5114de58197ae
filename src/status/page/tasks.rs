//! The list of tasks.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::status::filter::{Slice, TaskFilter};
use crate::status::fleet::{Fleet, Part};
use crate::status::query::PageQuery;
use crate::status::task::{Concern, Task};
use crate::status::verdict::number;

use super::filters::tone;
use super::pager::{pager, range};
use super::slice;
use super::sparkline::sparkline;
use super::words::{about, foreign, relative, span};

/// What the tasks are called that have no list of their own, when others have.
const OTHERS: &str = "Other tasks";
/// Rows of a list that the page has of its own for tasks that need attention.
const FIRST_ROWS: usize = 6;

/// The tasks that are asked for. If nobody asked for some in particular, the failed ones and those
/// that are behind come first in lists of their own: neither can hide the other.
pub(super) fn sections(fleet: &Fleet<'_>, asked: &PageQuery) -> Markup {
    let now = fleet.now();
    if !asked.groups() {
        let tasks = fleet.tasks(&asked.tasks(), slice(asked.tasks_page));
        return main_list("Tasks", &tasks, asked, now);
    }
    let of = |concerns: &[Concern], slice| {
        let filter = TaskFilter { concern: concerns.to_vec(), ..asked.tasks() };
        fleet.tasks(&filter, slice)
    };
    let first = Slice { offset: 0, limit: FIRST_ROWS };
    let failed = of(&[Concern::Failed], first);
    let lagging = of(&[Concern::Lagging], first);
    let rest = [Concern::UnknownStatus, Concern::Running, Concern::Ended];
    let rest = of(&rest, slice(asked.tasks_page));
    let title = if failed.total + lagging.total == 0 { "Tasks" } else { OTHERS };
    html! {
        @if asked.tasks_page == 1 {
            (short_list("failed", "Failed tasks", Concern::Failed, &failed, asked, now))
            (short_list("behind", "Tasks that are behind", Concern::Lagging, &lagging, asked, now))
        }
        (main_list(title, &rest, asked, now))
    }
}

/// The first tasks of a concern, with a link to all of them.
fn short_list(
    id: &str,
    title: &str,
    concern: Concern,
    tasks: &Part<Task<'_>>,
    asked: &PageQuery,
    now: DateTime<Utc>,
) -> Markup {
    if tasks.total == 0 {
        return html! {};
    }
    let all = PageQuery { concern: Some(concern), ..asked.clone() };
    let title_id = format!("{id}-title");
    html! {
        section id=(id) aria-labelledby=(title_id) {
            h2 id=(title_id) { (title) " " span .muted { (number(tasks.total as u64)) } }
            (table(&title_id, tasks, asked, now))
            @if tasks.total > tasks.items.len() {
                p .more {
                    a href={ (all.link()) "#tasks" } { "Show all " (number(tasks.total as u64)) }
                }
            }
        }
    }
}

fn main_list(title: &str, tasks: &Part<Task<'_>>, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
    let to = |page| PageQuery { tasks_page: page, ..asked.clone() };
    html! {
        section #tasks aria-labelledby="tasks-title" {
            h2 #tasks-title { (title) " " span .muted { (range(asked.tasks_page, tasks.total)) } }
            @if tasks.items.is_empty() {
                p .empty { (nothing(title, tasks.total, asked)) }
            } @else {
                (table("tasks-title", tasks, asked, now))
            }
            (pager(asked.tasks_page, tasks.total, "tasks", to))
        }
    }
}

fn table(title: &str, tasks: &Part<Task<'_>>, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
    let lags = tasks.items.iter().any(|task| task.task_incremental_lag_seconds.is_some());
    html! {
        table .tasks role="table" aria-labelledby=(title) {
            thead role="rowgroup" {
                tr role="row" {
                    th role="columnheader" scope="col" { "Status" }
                    th role="columnheader" scope="col" { "Task" }
                    th role="columnheader" scope="col" { "What the API says" }
                    @if lags { th role="columnheader" scope="col" { "Lag" } }
                }
            }
            tbody role="rowgroup" {
                @for task in &tasks.items { (row(task, lags, asked, now)) }
            }
        }
    }
}

fn nothing(title: &str, total: usize, asked: &PageQuery) -> &'static str {
    if title == OTHERS && total == 0 {
        "There are no others."
    } else if total > 0 {
        "There is no task on this page."
    } else if asked.filters() {
        "No task matches the filters."
    } else {
        "There is no migration task."
    }
}

fn row(task: &Task<'_>, lags: bool, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
    let class = match task.concern {
        Concern::Failed => Some("bad"),
        Concern::Lagging | Concern::UnknownStatus => Some("warn"),
        Concern::Running | Concern::Ended => None,
    };
    html! {
        tr .(class.unwrap_or_default()) role="row" {
            td role="cell" {
                span .badge .(tone(task.status)) { bdi { (task.status) } }
                (since(task, now))
            }
            td role="cell" {
                (instance_name(task.name, task.db_instance_id, asked))
                div .muted {
                    span { (task.kind) " task " (task.import_id) }
                    " · " bdi { (task.region_id) } " · " bdi { (task.account) }
                }
                @if task.instance_up == Some(0)
                    && let Some(seen) = task.instance_last_success_timestamp_seconds {
                    div .stale { "Seen " (relative(seen, now)) "; polls fail since" }
                }
            }
            td role="cell" {
                @if let Some(description) = task.status_description { (foreign(description)) }
            }
            @if lags { td role="cell" { (lag(task)) } }
        }
    }
}

fn since(task: &Task<'_>, now: DateTime<Utc>) -> Markup {
    let Some(since) = task.status_seen_since_timestamp_seconds else { return html! {} };
    html! {
        div .muted {
            @if task.status_seen_to_begin {
                (relative(since.into(), now))
            } @else {
                "before the first poll"
            }
        }
    }
}

/// The name and ID of an instance; they lead to all of it.
pub(super) fn instance_name(name: &str, id: &str, asked: &PageQuery) -> Markup {
    let refreshes = asked.refreshes;
    let only = PageQuery { instance: id.to_owned(), refreshes, ..PageQuery::default() };
    html! {
        a .name href=(only.link()) {
            @if name.is_empty() { bdi { (id) } } @else { bdi { (name) } }
        }
        @if !name.is_empty() { " " bdi .muted { (id) } }
    }
}

fn lag(task: &Task<'_>) -> Markup {
    let Some(lag) = task.task_incremental_lag_seconds else { return html! {} };
    html! {
        div .reading {
            strong { (span(lag.into())) }
            (sparkline(task.readings))
        }
        @if let Some(seconds) = task.catch_up_seconds {
            div .muted { "caught up in about " (about(seconds)) }
        }
    }
}
