//! Polling and instances, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::accounts::DEFAULT_ACCOUNT;
use super::duration::format;
use super::problem::{KeyPath, allowed, quoted};
use super::read::{Reader, Section, count, one_of};
use super::{Instance, Polling};
use crate::domain::Engine;

/// `polling` as far as it could be read: `None` was reported.
#[derive(Debug)]
pub(super) struct PollingParts {
    pub(super) polling: Option<Polling>,
    interval: Option<Duration>,
    idle_interval: Option<Duration>,
    lookback: Option<Duration>,
    deep_lookback: Option<Duration>,
    stale_after: Option<Duration>,
}

/// Walks of one account in flight; each holds a connection.
const MAX_CONCURRENCY: usize = 1_000;

/// Longest name for people, in characters; the API's own limit for an instance's description is
/// not documented.
pub const MAX_NAME: usize = 128;

/// Reads `polling`.
pub(super) fn read_polling(reader: &mut Reader, root: &Section<'_>) -> PollingParts {
    let section = root.section("polling");
    let defaults = Polling::default();
    let mut duration = |key, default| reader.duration(&section, key, Some(default));
    let interval = duration("interval", defaults.interval);
    let idle_interval = duration("idle_interval", defaults.idle_interval);
    let lookback = duration("lookback", defaults.lookback);
    let deep_lookback = duration("deep_lookback", defaults.deep_lookback);
    let deep_interval = duration("deep_interval", defaults.deep_interval);
    let final_retention = duration("final_retention", defaults.final_retention);
    let request_timeout = duration("request_timeout", defaults.request_timeout);
    let stale_after = duration("stale_after", defaults.stale_after);
    let page_size = reader.value(&section, "page_size", defaults.page_size, |text| {
        one_of(text, &[("30", 30), ("50", 50), ("100", 100)])
    });
    let concurrency = reader
        .value(&section, "concurrency", defaults.concurrency, |text| count(text, MAX_CONCURRENCY));

    if let (Some(stale), Some(idle)) = (stale_after, idle_interval)
        && stale <= idle
    {
        let (stale, idle) = (format(stale), format(idle));
        let message = format!("{stale} is not more than idle_interval, {idle}; allowed: more");
        reader.problem(&section, "stale_after", message);
    }
    if let (Some(deep), Some(regular)) = (deep_lookback, lookback)
        && deep < regular
    {
        let (deep, regular) = (format(deep), format(regular));
        let message = format!("{deep} is less than lookback, {regular}; allowed: as much or more");
        reader.problem(&section, "deep_lookback", message);
    }

    let polling = || {
        Some(Polling {
            interval: interval?,
            idle_interval: idle_interval?,
            lookback: lookback?,
            deep_lookback: deep_lookback?,
            deep_interval: deep_interval?,
            final_retention: final_retention?,
            page_size: page_size?,
            concurrency: concurrency?,
            request_timeout: request_timeout?,
            stale_after: stale_after?,
        })
    };
    PollingParts {
        polling: polling(),
        interval,
        idle_interval,
        lookback,
        deep_lookback,
        stale_after,
    }
}

/// Reads `instances`.
pub(super) fn read(
    reader: &mut Reader,
    root: &Section<'_>,
    polling: &PollingParts,
    accounts: &BTreeSet<Arc<str>>,
) -> Vec<Instance> {
    let mut seen = BTreeMap::new();
    let mut shared = Shared::default();
    let mut instances = Vec::new();
    for section in root.list("instances") {
        if let Some(mut instance) = instance(reader, &section, polling, accounts) {
            instance.region = shared.text(instance.region);
            instance.name = shared.text(instance.name);
            instances.push(instance);
        }
        check_unique(reader, &section, &mut seen);
    }
    instances.shrink_to_fit();
    instances
}

/// Texts that thousands of instances have alike, each in memory once.
#[derive(Debug, Default)]
struct Shared(BTreeSet<Arc<str>>);

impl Shared {
    fn text(&mut self, text: Arc<str>) -> Arc<str> {
        match self.0.get(&text) {
            Some(known) => Arc::clone(known),
            None => {
                self.0.insert(Arc::clone(&text));
                text
            }
        }
    }
}

fn instance(
    reader: &mut Reader,
    section: &Section<'_>,
    polling: &PollingParts,
    accounts: &BTreeSet<Arc<str>>,
) -> Option<Instance> {
    let id = reader.required(section, "id", "an instance ID such as rm-bp1xxxxxxxxxxxxx", parse_id);
    let region =
        reader.required(section, "region", "a region ID such as cn-hangzhou", parse_region);
    let engine = reader.required(section, "engine", "MySQL, SQLServer", parse_engine);
    let account = account(reader, section, accounts);
    let name = reader.value(section, "name", Arc::from(""), parse_name);
    let interval = reader.duration(section, "interval", polling.interval);
    let idle_interval = reader.duration(section, "idle_interval", polling.idle_interval);
    let lookback = reader.duration(section, "lookback", polling.lookback);

    // What polling's own defaults break was reported there, once.
    if let (Some(_), Some(idle), Some(stale)) =
        (section.text("idle_interval"), idle_interval, polling.stale_after)
        && stale <= idle
    {
        let (idle, stale) = (format(idle), format(stale));
        let message =
            format!("{idle} is not less than polling.stale_after, {stale}; allowed: less");
        reader.problem(section, "idle_interval", message);
    }
    if let (Some(_), Some(regular), Some(deep)) =
        (section.text("lookback"), lookback, polling.deep_lookback)
        && deep < regular
    {
        let (regular, deep) = (format(regular), format(deep));
        let message = format!(
            "{regular} is more than polling.deep_lookback, {deep}; allowed: as much or less"
        );
        reader.problem(section, "lookback", message);
    }

    Some(Instance {
        id: id?,
        region: region?,
        engine: engine?,
        account: account?,
        name: name?,
        interval: interval?,
        idle_interval: idle_interval?,
        lookback: lookback?,
    })
}

/// The account that `section` names, or the default one.
pub(super) fn account(
    reader: &mut Reader,
    section: &Section<'_>,
    accounts: &BTreeSet<Arc<str>>,
) -> Option<Arc<str>> {
    let given = section.text("account");
    let name = given.unwrap_or(DEFAULT_ACCOUNT);
    let path = section.path.key("account");
    if let Some(account) = accounts.get(name) {
        return (!reader.report.has(&path)).then(|| Arc::clone(account));
    }
    // Without names to choose from, `accounts` itself was reported.
    if !accounts.is_empty() && !reader.report.has(&path) {
        let known = allowed(name, accounts.iter().map(|name| &**name));
        let message = match given {
            Some(name) => format!("{} is no account; {known}", quoted(name)),
            None => format!("is missing, and there is no account {DEFAULT_ACCOUNT:?}; {known}"),
        };
        reader.report.problem(&path, message);
    }
    None
}

/// The ID is the instance's identity, whatever account and region it is listed with.
fn check_unique<'a>(
    reader: &mut Reader,
    section: &Section<'a>,
    seen: &mut BTreeMap<&'a str, (KeyPath, &'a str)>,
) {
    let Some(id) = section.filled("id") else { return };
    let account = section.text("account").unwrap_or(DEFAULT_ACCOUNT);
    if let Some((first, other)) = seen.get(id) {
        let message = if *other == account {
            format!("{} is listed already, as {first}", quoted(id))
        } else {
            let (account, other) = (quoted(account), quoted(other));
            format!(
                "{} is listed under account {other} already, as {first}, and here under {account}",
                quoted(id)
            )
        };
        reader.problem(section, "id", message);
    } else {
        seen.insert(id, (section.path.clone(), account));
    }
}

/// Whether an instance can have this ID.
pub fn is_instance_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Whether a region can have this ID: it becomes part of a host name.
pub fn is_region_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = text.starts_with('-') || text.ends_with('-');
    (1..=50).contains(&text.len()) && text.chars().all(fits) && !ends
}

pub(super) fn parse_engine(text: &str) -> Result<Engine, String> {
    one_of(text, &[Engine::MySQL, Engine::SQLServer].map(|engine| (engine.as_str(), engine)))
}

pub(super) fn parse_id(text: &str) -> Result<Arc<str>, String> {
    if is_instance_id(text) {
        return Ok(Arc::from(text));
    }
    Err("is not an instance ID; allowed: up to 64 letters, digits, -, _ and .".to_owned())
}

pub(super) fn parse_region(text: &str) -> Result<Arc<str>, String> {
    if is_region_id(text) {
        return Ok(Arc::from(text));
    }
    Err("is not a region ID; allowed: up to 50 small letters, digits and -, such as cn-hangzhou"
        .to_owned())
}

fn parse_name(text: &str) -> Result<Arc<str>, String> {
    if text.chars().count() <= MAX_NAME && !text.contains(char::is_control) {
        return Ok(Arc::from(text));
    }
    Err(format!("is not allowed; allowed: up to {MAX_NAME} characters, none of them for control"))
}
