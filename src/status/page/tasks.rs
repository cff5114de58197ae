//! The list of tasks.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::status::fleet::Part;
use crate::status::query::PageQuery;
use crate::status::task::{Concern, Task};

use super::filters::tone;
use super::pager::{pager, range};
use super::sparkline::sparkline;
use super::words::{foreign, relative, span};

/// The tasks of the page that is asked for.
pub(super) fn section(tasks: &Part<Task<'_>>, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
    let to = |page| PageQuery { tasks_page: page, ..asked.clone() };
    html! {
        section #tasks aria-labelledby="tasks-title" {
            h2 #tasks-title {
                "Tasks " span .muted { (range(asked.tasks_page, tasks.total)) }
            }
            @if tasks.items.is_empty() {
                p .empty { (nothing(tasks.total, asked)) }
            } @else {
                table role="table" aria-labelledby="tasks-title" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Status" }
                            th role="columnheader" scope="col" { "Task" }
                            th role="columnheader" scope="col" { "What the API says" }
                            th role="columnheader" scope="col" { "Lag" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for task in &tasks.items { (row(task, asked, now)) }
                    }
                }
            }
            (pager(asked.tasks_page, tasks.total, "tasks", to))
        }
    }
}

fn nothing(total: usize, asked: &PageQuery) -> &'static str {
    if total > 0 {
        "There is no task on this page."
    } else if asked.filters() {
        "No task matches the filters."
    } else {
        "There is no migration task."
    }
}

fn row(task: &Task<'_>, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
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
            td .lag role="cell" { (lag(task)) }
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
            div .muted { "caught up in about " (span(seconds)) }
        }
    }
}
