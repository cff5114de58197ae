//! Counts of tasks by status, which are filters too, and the form for the other filters.

use maud::{Markup, html};

use crate::domain::TaskStatus;
use crate::status::fleet::Summary;
use crate::status::query::PageQuery;
use crate::status::verdict::number;
use crate::store::PollState;

/// How many tasks are in each status; each count leads to them.
pub(super) fn counts(summary: &Summary, asked: &PageQuery) -> Markup {
    let by_status = summary.statuses.iter().map(|(status, count)| (status.as_str(), *count));
    let total: u64 = summary.statuses.values().sum();
    let to = |status: Option<&str>| PageQuery {
        status: status.map(str::to_owned),
        concern: None,
        tasks_page: 1,
        ..asked.clone()
    };
    html! {
        nav .counts aria-label="Tasks by status" {
            ul {
                li { (count(&to(None), "All", total, "all", asked.groups())) }
                @for (status, of_status) in by_status {
                    @let current = asked.status.as_deref() == Some(status);
                    li { (count(&to(Some(status)), status, of_status, tone(status), current)) }
                }
            }
        }
    }
}

fn count(to: &PageQuery, name: &str, count: u64, tone: &str, current: bool) -> Markup {
    html! {
        a .(tone) href={ (to.link()) "#tasks" } aria-current=[current.then_some("true")] {
            strong { (number(count)) } " " bdi { (name) }
        }
    }
}

/// The filters that the page can be loaded with.
pub(super) fn form(summary: &Summary, asked: &PageQuery) -> Markup {
    let mut statuses: Vec<&str> = TaskStatus::DOCUMENTED.map(TaskStatus::as_str).to_vec();
    let others = summary.statuses.keys().filter(|status| !status.is_documented());
    statuses.extend(others.map(|status| status.as_str()));
    let unseen = asked.status.as_deref().filter(|status| !statuses.contains(status));
    let all = PageQuery { refreshes: asked.refreshes, ..PageQuery::default() };
    html! {
        form .filters method="get" role="search" aria-label="Filter tasks and instances" {
            label { span { "Instance" }
                input type="search" name="instance" value=(asked.instance) maxlength="128"
                    placeholder="ID or name" autocomplete="off" spellcheck="false";
            }
            label { span { "Task status" }
                select name="status" {
                    option value="" { "any" }
                    @for status in statuses.iter().copied().chain(unseen) {
                        @let selected = asked.status.as_deref() == Some(status);
                        option value=(status) selected[selected] { (status) }
                    }
                }
            }
            label { span { "Polling" }
                select name="state" {
                    option value="" { "any" }
                    @for state in PollState::ALL.map(PollState::as_str) {
                        option value=(state) selected[asked.state.as_deref() == Some(state)] { (state) }
                    }
                }
            }
            @if !asked.refreshes {
                input type="hidden" name="refresh" value="off";
            }
            button type="submit" { "Filter" }
            @if asked.filters() {
                a href=(all.link()) { "Show all" }
            }
        }
    }
}

/// The class that gives a status its colour.
pub(super) fn tone(status: &str) -> &'static str {
    match TaskStatus::DOCUMENTED.into_iter().find(|known| known.as_str() == status) {
        None => "warn",
        Some(TaskStatus::FAILED) => "bad",
        Some(TaskStatus::SUCCESS) => "good",
        Some(status) if status.is_final() => "calm",
        Some(_) => "busy",
    }
}
