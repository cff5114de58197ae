//! Discovery: where to look for instances, and which of them to take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::instances::{account, parse_engine, parse_id, parse_region};
use super::problem::quoted;
use super::read::{Reader, Section};
use super::{Account, Discovery, Network, Regions};
use crate::domain::Engine;

/// The word that stands for every region.
const ALL: &str = "all";

const REFRESH_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Tags that an instance can have; each one that is asked for costs a list of its own.
const MAX_TAGS: usize = 20;
/// Longest key or value of a tag, in characters.
const MAX_TAG: usize = 128;
/// Longest ID of a resource group.
const MAX_RESOURCE_GROUP_ID: usize = 64;

/// Reads `discovery`. `accounts` are those of the configuration, `None` where one was reported.
pub(super) fn read(
    reader: &mut Reader,
    root: &Section<'_>,
    accounts: &BTreeMap<Arc<str>, Option<Account>>,
) -> Vec<Discovery> {
    let names = accounts.keys().cloned().collect();
    let sections = root.list("discovery");
    sections.filter_map(|section| entry(reader, &section, accounts, &names)).collect()
}

fn entry(
    reader: &mut Reader,
    section: &Section<'_>,
    accounts: &BTreeMap<Arc<str>, Option<Account>>,
    names: &BTreeSet<Arc<str>>,
) -> Option<Discovery> {
    let account = account(reader, section, names);
    let regions = regions(reader, section);
    let engines = engines(reader, section);
    let tags = tags(reader, section);
    let resource_group_id = resource_group_id(reader, section);
    let exclude = match section.texts("exclude") {
        Some(_) => reader.set(section, "exclude", parse_id),
        None => Some(BTreeSet::new()),
    };
    let refresh_interval = reader.duration(section, "refresh_interval", Some(REFRESH_INTERVAL));

    if let (Some(Regions::All), Some(name)) = (&regions, &account)
        && let Some(Some(account)) = accounts.get(name)
        && account.network == Network::Vpc
        && account.endpoints.rds.is_none()
    {
        // An endpoint within a VPC serves its own region and knows of no other.
        let message = format!(
            "{ALL} needs an endpoint that serves every region, and accounts.{name} has network: \
             vpc; allowed: region IDs"
        );
        reader.problem(section, "regions", message);
    }
    Some(Discovery {
        account: account?,
        regions: regions?,
        engines: engines?,
        tags: tags?,
        resource_group_id: resource_group_id?,
        exclude: exclude?,
        refresh_interval: refresh_interval?,
    })
}

fn regions(reader: &mut Reader, section: &Section<'_>) -> Option<Regions> {
    let texts = section.texts("regions").unwrap_or_default();
    if texts.is_empty() {
        if !reader.is_reported(section, "regions") {
            let message = "is missing; allowed: a list of region IDs, or [all]";
            reader.problem(section, "regions", message);
        }
        return None;
    }
    if texts.iter().any(|(_, text)| *text == ALL) {
        if texts.len() > 1 {
            let message = format!("has {ALL} beside others; allowed: [{ALL}], or region IDs alone");
            reader.problem(section, "regions", message);
            return None;
        }
        return Some(Regions::All);
    }
    reader.set(section, "regions", parse_region).map(Regions::Named)
}

fn engines(reader: &mut Reader, section: &Section<'_>) -> Option<BTreeSet<Engine>> {
    let Some(texts) = section.texts("engines") else {
        let every = BTreeSet::from([Engine::MySQL, Engine::SQLServer]);
        return (!reader.is_reported(section, "engines")).then_some(every);
    };
    if texts.is_empty() {
        reader.problem(section, "engines", "is empty; allowed: MySQL, SQLServer");
        return None;
    }
    reader.set(section, "engines", parse_engine)
}

fn tags(reader: &mut Reader, section: &Section<'_>) -> Option<BTreeMap<String, String>> {
    let pairs = section.pairs("tags");
    let path = section.path.key("tags");
    if pairs.len() > MAX_TAGS {
        let message =
            format!("has {} tags; allowed: up to {MAX_TAGS}, as an instance has", pairs.len());
        reader.report.problem(&path, message);
        return None;
    }
    let mut fits = !reader.report.has(&path);
    for (key, value) in &pairs {
        let is_text =
            |text: &str| text.chars().count() <= MAX_TAG && !text.contains(char::is_control);
        if key.is_empty() || !is_text(key) || !is_text(value) {
            fits = false;
            let message = format!(
                "{}: {} is not a tag; allowed: up to {MAX_TAG} characters each, none of them for \
                 control, and a key that is not empty",
                quoted(key),
                quoted(value)
            );
            reader.report.problem(&path, message);
        }
        fits &= !reader.report.has(&path.key(key));
    }
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    fits.then(|| pairs.into_iter().map(owned).collect())
}

fn resource_group_id(reader: &mut Reader, section: &Section<'_>) -> Option<Option<String>> {
    const KEY: &str = "resource_group_id";
    let Some(text) = section.filled(KEY) else {
        return (!reader.is_reported(section, KEY)).then_some(None);
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.len() > MAX_RESOURCE_GROUP_ID || !text.chars().all(fits) {
        let message = format!(
            "{} is not a resource group ID; allowed: up to {MAX_RESOURCE_GROUP_ID} letters, digits, \
             - and _, such as rg-acfmxxxxxxxxxxx",
            quoted(text)
        );
        reader.problem(section, KEY, message);
        return None;
    }
    Some(Some(text.to_owned()))
}
