//! The last polls, folded away: for when something is to be found out.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::status::unix_time;
use crate::store::history::Poll;

use super::words::{foreign, relative, took};

/// The last polls, the newest first.
pub(super) fn section(polls: &[&Poll], now: DateTime<Utc>) -> Markup {
    let failed = polls.iter().filter(|poll| poll.failure.is_some()).count();
    html! {
        section #polls aria-labelledby="polls-title" {
            h2 #polls-title { "Recent polls" }
            @if polls.is_empty() {
                p .empty { "No poll has ended yet." }
            } @else {
                details {
                    summary { (failed) " failed, " (polls.len() - failed) " good; failures are kept longer" }
                    table role="table" aria-labelledby="polls-title" {
                        thead role="rowgroup" {
                            tr role="row" {
                                th role="columnheader" scope="col" { "Ended" }
                                th role="columnheader" scope="col" { "Instance" }
                                th role="columnheader" scope="col" { "Effort" }
                                th role="columnheader" scope="col" { "Outcome" }
                            }
                        }
                        tbody role="rowgroup" { @for poll in polls { (row(poll, now)) } }
                    }
                }
            }
        }
    }
}

fn row(poll: &Poll, now: DateTime<Utc>) -> Markup {
    let key = &poll.key;
    html! {
        tr .(if poll.walk_failed() { "bad" } else { "" }) role="row" {
            td role="cell" { (relative(unix_time(poll.ended_at), now)) }
            td role="cell" {
                bdi { (key.db_instance_id) }
                div .muted { bdi { (key.region_id) } " · " bdi { (key.account) } }
            }
            td role="cell" {
                (poll.calls) @if poll.calls == 1 { " call" } @else { " calls" }
                " · " (took(poll.duration))
            }
            td role="cell" {
                @if let Some(walked) = poll.walked {
                    div {
                        (walked.tasks) @if walked.tasks == 1 { " task" } @else { " tasks" }
                        " on " (walked.pages) @if walked.pages == 1 { " page" } @else { " pages" }
                    }
                }
                @if let Some(failure) = &poll.failure {
                    div .error {
                        strong { bdi { (failure.code) } } " " (foreign(&failure.message))
                        @if let Some(request_id) = &failure.request_id {
                            div .muted { "RequestId " code { bdi { (request_id) } } }
                        }
                    }
                }
            }
        }
    }
}
