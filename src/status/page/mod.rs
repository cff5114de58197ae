//! The status page: HTML without script, readable without colour, on a phone and in the dark.
//!
//! Every text is escaped by the templates, and every link is relative, so that the page works
//! behind a proxy that adds a prefix.

mod accounts;
mod filters;
mod instances;
mod pager;
mod polls;
mod sparkline;
mod tasks;
mod words;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::instruments::BUILD;

use super::filter::Slice;
use super::fleet::Fleet;
use super::query::{PAGE_ROWS, PageQuery};
use super::verdict::{Mood, Verdict, verdict};

use words::clock_time;
pub(crate) use words::{about, span};

/// Seconds between two loads of the page.
const REFRESH: u32 = 30;

const STYLE: &str = include_str!("style.css");

/// The page's one style sheet, as a source of a content security policy.
pub(crate) static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE))));

/// A page that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    /// The HTML.
    pub(crate) html: String,
    /// Seconds after which it should be loaded again.
    pub(crate) refresh: Option<u32>,
}

/// A link to another path of the exporter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    /// The path, with its slash at the start.
    pub(crate) path: &'a str,
    /// What is there.
    pub(crate) about: &'a str,
}

/// Writes the page that `asked` asks for.
pub(crate) fn page(fleet: &Fleet<'_>, asked: &PageQuery, links: &[Link<'_>]) -> Page {
    let (summary, accounts) = (fleet.summary(), fleet.accounts());
    let verdict = verdict(&summary, &accounts);
    let instances = fleet.instances(&asked.instances(), slice(asked.instances_page));
    let now = fleet.now();
    let body = html! {
        (top(&verdict, fleet, asked))
        main {
            (filters::counts(&summary, asked))
            (filters::form(&summary, asked))
            (tasks::sections(fleet, asked))
            (instances::section(&instances, asked, now))
            (accounts::section(&accounts, now))
            (polls::section(&fleet.polls(), now))
        }
        (bottom(links))
    };
    let html = document(&verdict, &body).into_string();
    Page { html, refresh: asked.refreshes.then_some(REFRESH) }
}

fn slice(page: usize) -> Slice {
    Slice { offset: (page - 1).saturating_mul(PAGE_ROWS), limit: PAGE_ROWS }
}

fn document(verdict: &Verdict, body: &Markup) -> Markup {
    html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (mark(verdict.mood)) " RDS migrations" }
                link rel="icon" href=(icon(verdict.mood));
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

fn top(verdict: &Verdict, fleet: &Fleet<'_>, asked: &PageQuery) -> Markup {
    let other = PageQuery { refreshes: !asked.refreshes, ..asked.clone() };
    html! {
        header {
            h1 { "RDS migrations" }
            p .verdict .(class(verdict.mood)) {
                span .mark aria-hidden="true" { (mark(verdict.mood)) }
                span { (verdict.sentence) }
            }
            nav .parts aria-label="Parts of this page" {
                ul {
                    li { a href="#tasks" { "Tasks" } }
                    li { a href="#instances" { "Instances" } }
                    li { a href="#accounts" { "API budget" } }
                    li { a href="#polls" { "Recent polls" } }
                }
            }
            p .note {
                "As of " (clock_time(fleet.now())) ". "
                @if asked.refreshes {
                    "The page loads itself again every " (REFRESH) " seconds. "
                    a href=(other.link()) { "Pause" }
                } @else {
                    "Paused. "
                    a href=(other.link()) { "Go on" }
                }
            }
        }
    }
}

fn bottom(links: &[Link<'_>]) -> Markup {
    html! {
        footer {
            nav aria-label="Other paths" {
                ul {
                    @for Link { path, about } in links {
                        // The dot makes it relative, and keeps a colon in the path from being read
                        // as the end of a scheme.
                        li { a href={ "." (path) } { (path) } " " span .muted { (about) } }
                    }
                }
            }
            p .muted {
                (env!("CARGO_PKG_NAME")) " " (BUILD.version) ", revision " (BUILD.revision)
            }
        }
    }
}

fn class(mood: Mood) -> &'static str {
    match mood {
        Mood::Fine => "good",
        Mood::Waiting => "calm",
        Mood::Attention => "warn",
        Mood::Trouble => "bad",
    }
}

/// A sign that needs no colour.
fn mark(mood: Mood) -> &'static str {
    match mood {
        Mood::Fine => "✓",
        Mood::Waiting => "…",
        Mood::Attention => "!",
        Mood::Trouble => "✗",
    }
}

/// A dot in the colour of the mood, for the browser's tab.
fn icon(mood: Mood) -> String {
    let colour = match mood {
        Mood::Fine => "1a7f45",
        Mood::Waiting => "6b7686",
        Mood::Attention => "d98200",
        Mood::Trouble => "c9302c",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}
