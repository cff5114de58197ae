//! The API budget of each account.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::status::account::Account;
use crate::status::unix_time;
use crate::status::verdict::number;

use super::words::{foreign, relative};

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 8.0;

/// Every account.
pub(super) fn section(accounts: &[Account<'_>], now: DateTime<Utc>) -> Markup {
    html! {
        section #accounts aria-labelledby="accounts-title" {
            h2 #accounts-title { "API budget" }
            ul .cards { @for account in accounts { li { (card(account, now)) } } }
        }
    }
}

fn card(account: &Account<'_>, now: DateTime<Utc>) -> Markup {
    let Account { name, instances, requests_per_second, budget, needed, throttled, .. } = account;
    let is_low = needed > budget;
    html! {
        h3 { bdi { (name) } }
        p {
            "Needs " strong { (rate(*needed)) } " of " strong { (rate(*budget)) }
            " calls a second"
            @if budget < requests_per_second {
                "; " strong .warn { "slowed down" } " from " (rate(*requests_per_second))
                " after throttling"
            }
        }
        (bar(account))
        p .muted {
            (number(*instances as u64)) @if *instances == 1 { " instance" } @else { " instances" }
            @if *throttled > 0 { " · throttled " (number(*throttled)) "×" }
        }
        @if is_low {
            p .warn {
                "Polls come late. "
                @if budget < requests_per_second {
                    "The API allows less than they need: lengthen the intervals."
                } @else {
                    "Raise requests_per_second or lengthen the intervals."
                }
            }
        }
        @if let Some((since, failure)) = account.backing_off {
            div .error {
                div {
                    strong { bdi { (failure.code) } } " "
                    span .muted { "no instance is polled since " (relative(unix_time(*since), now)) }
                }
                div { (foreign(&failure.message)) }
                @if let Some(request_id) = &failure.request_id {
                    div .muted { "RequestId " code { bdi { (request_id) } } }
                }
                div .hint { "What to do: " (failure.hint) }
            }
        }
    }
}

/// What is needed and what is allowed, as shares of what the configuration gives.
fn bar(account: &Account<'_>) -> Markup {
    let full = account.requests_per_second.max(f64::MIN_POSITIVE);
    let width = |rate: f64| format!("{:.1}", (rate / full).clamp(0.0, 1.0) * WIDTH);
    let class = if account.needed > account.budget { "warn" } else { "good" };
    html! {
        svg .bar aria-hidden="true" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) }
            preserveAspectRatio="none" {
            rect .frame width=(WIDTH) height=(HEIGHT) rx="4" {}
            rect .allowed width=(width(account.budget)) height=(HEIGHT) rx="4" {}
            rect .(class) width=(width(account.needed)) height=(HEIGHT) rx="4" {}
        }
    }
}

fn rate(calls_a_second: f64) -> String {
    let text = format!("{calls_a_second:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_no_needless_digits() {
        for (value, text) in [(5.0, "5"), (2.5, "2.5"), (0.104, "0.1"), (0.0, "0"), (10.0, "10")] {
            assert_eq!(rate(value), text);
        }
    }
}
