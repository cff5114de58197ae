//! The list of instances.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::domain::TaskStatus;
use crate::status::fleet::Part;
use crate::status::instance::{Instance, LastError};
use crate::status::query::PageQuery;
use crate::status::verdict::number;

use super::pager::{pager, range};
use super::tasks::instance_name;
use super::words::{foreign, relative, took};

/// The instances of the page that is asked for.
pub(super) fn section(
    instances: &Part<Instance<'_>>,
    asked: &PageQuery,
    now: DateTime<Utc>,
) -> Markup {
    let to = |page| PageQuery { instances_page: page, ..asked.clone() };
    html! {
        section #instances aria-labelledby="instances-title" {
            h2 #instances-title {
                "Instances " span .muted { (range(asked.instances_page, instances.total)) }
            }
            @if instances.items.is_empty() {
                p .empty { (nothing(instances.total, asked)) }
            } @else {
                table role="table" aria-labelledby="instances-title" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" scope="col" { "Polling" }
                            th role="columnheader" scope="col" { "Instance" }
                            th role="columnheader" scope="col" { "Tasks" }
                            th role="columnheader" scope="col" { "Polls" }
                            th role="columnheader" scope="col" { "Last error" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for instance in &instances.items { (row(instance, asked, now)) }
                    }
                }
            }
            (pager(asked.instances_page, instances.total, "instances", to))
        }
    }
}

fn nothing(total: usize, asked: &PageQuery) -> &'static str {
    if total > 0 {
        "There is no instance on this page."
    } else if asked.filters() {
        "No instance matches the filters."
    } else {
        "No instance is being watched."
    }
}

fn row(instance: &Instance<'_>, asked: &PageQuery, now: DateTime<Utc>) -> Markup {
    let (class, tone) = match instance.state {
        "failing" => ("bad", "bad"),
        "active" => ("", "busy"),
        _ => ("", "calm"),
    };
    html! {
        tr .(class) role="row" {
            td role="cell" { span .badge .(tone) { (instance.state) } }
            td role="cell" {
                (instance_name(instance.name, instance.db_instance_id, asked))
                div .muted {
                    (instance.engine) " · " bdi { (instance.region_id) }
                    " · " bdi { (instance.account) }
                }
            }
            td role="cell" { (tasks(instance)) }
            td role="cell" { (polls(instance, now)) }
            td role="cell" {
                @if let Some(error) = &instance.last_error { (last_error(error, instance, now)) }
            }
        }
    }
}

fn tasks(instance: &Instance<'_>) -> Markup {
    let Some(tasks) = &instance.tasks else {
        return html! { span .muted { "not known" } };
    };
    let (failed, all) = (tasks.get(TaskStatus::FAILED.as_str()), tasks.values().sum());
    let failed = failed.copied().unwrap_or_default();
    html! {
        (number(all)) @if all == 1 { " task" } @else { " tasks" }
        @if failed > 0 { ", " strong .bad { (number(failed)) " failed" } }
    }
}

fn polls(instance: &Instance<'_>, now: DateTime<Utc>) -> Markup {
    html! {
        @if let Some(seen) = instance.instance_last_success_timestamp_seconds {
            div { "Good " (relative(seen, now)) }
        } @else {
            div { "None was good yet" }
        }
        @if let Some(next) = instance.instance_next_poll_timestamp_seconds {
            div { "Next " (relative(next, now)) }
        }
        div .muted { (effort(instance)) }
    }
}

/// What the last polls took.
fn effort(instance: &Instance<'_>) -> String {
    let counted = |n: u32, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let parts = [
        instance.instance_walk_pages.map(|pages| counted(pages, "page")),
        instance.last_poll_calls.map(|calls| counted(calls, "call")),
        instance
            .instance_walk_duration_seconds
            .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
            .map(took),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn last_error(error: &LastError<'_>, instance: &Instance<'_>, now: DateTime<Utc>) -> Markup {
    let LastError { timestamp_seconds, code, message, request_id, hint } = error;
    // Once polls succeed again, an error is history: there is nothing to do about it.
    let is_over = instance.has_recovered();
    html! {
        div .error .over[is_over] {
            div {
                strong { bdi { (code) } } " " span .muted {
                    (relative(*timestamp_seconds, now))
                    @if instance.failures_in_a_row > 1 {
                        ", " (instance.failures_in_a_row) " in a row"
                    }
                    @if is_over { ", over" }
                }
            }
            div { (foreign(message)) }
            @if let Some(request_id) = request_id {
                div .muted { "RequestId " code { bdi { (request_id) } } }
            }
            @if !is_over { div .hint { "What to do: " (hint) } }
        }
    }
}
