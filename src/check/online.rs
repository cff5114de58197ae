//! What of a configuration works, as tables, and what to do about the rest: one problem for all
//! failures of the same kind.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta};

use super::advice::{Situation, advice};
use super::settings::{
    accounts, discovery, instance, instances_header, write_cost, write_cost_of_found,
};
use super::table::{row, write_table};
use crate::api::{Error, SKEW_TOLERANCE};
use crate::config::cost::exceeded_budgets;
use crate::config::load::Loaded;
use crate::config::{Config, Instance};
use crate::domain::LIST_IMPORTS;
use crate::poll::targets::Search;
use crate::poll::trial::{AccountTrial, Outcome, Trial};

/// IDs that a problem names before it only counts.
const NAMED: usize = 10;
/// Characters of an answer that are shown.
const SHOWN: usize = 400;
const DAY: f64 = 86_400.0;

/// Where and how something fails: what makes failures the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    account: Arc<str>,
    region_id: Arc<str>,
    /// The operation; empty for keys.
    action: &'static str,
    code: String,
    advice: String,
}

/// Failures of the same kind.
#[derive(Debug)]
struct Problem {
    /// The first answer of the kind.
    said: String,
    /// Instances that it concerns; none for keys and searches.
    ids: Vec<Arc<str>>,
}

/// Writes how everything went, and returns the number of problems.
pub(super) fn write(loaded: &Loaded, trial: &Trial, out: &mut impl Write) -> io::Result<usize> {
    // As if everything that was found were listed: so it is counted where listed ones are.
    let found = trial.accounts.values().flat_map(|account| &account.instances);
    let config = Config {
        instances: found.map(|(target, _)| Instance::clone(target)).collect(),
        ..loaded.config.clone()
    };
    write_table(&with_keys(accounts(&config), trial), out)?;
    if !config.discovery.is_empty() {
        write_table(&discovery(&config), out)?;
        write_table(&searches(trial), out)?;
    }
    if !config.instances.is_empty() {
        write_table(&instances(trial), out)?;
    }
    write_cost(&config, search_calls_per_day(trial, &config), out)?;
    if has_unknown_searches(trial) {
        write_cost_of_found(&config, out)?;
    }
    write_warnings(loaded, &config, trial, out)?;
    let problems = problems(trial);
    for (place, problem) in &problems {
        writeln!(out, "problem: {place}{problem}\n  to do: {}", place.advice)?;
    }
    write_not_tried(trial, out)?;
    if counted(trial) < config.instances.len() {
        writeln!(out, "{}", super::READ_ONLY_ACCESS)?;
    }
    Ok(problems.len())
}

fn with_keys(mut rows: Vec<Vec<String>>, trial: &Trial) -> Vec<Vec<String>> {
    let mut header = row(["WORKING", "FAILED", "NOT TRIED", "KEYS FROM", "KEYS END"]);
    if let Some(first) = rows.first_mut() {
        first.append(&mut header);
    }
    for (row, account) in rows.iter_mut().skip(1).zip(trial.accounts.values()) {
        let outcomes = || account.instances.iter().map(|(_, outcome)| outcome);
        let works = outcomes().filter(|outcome| matches!(outcome, Outcome::Count(_))).count();
        let failed = outcomes().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
        row.extend([works, failed, not_tried(account)].map(|count| count.to_string()));
        let [from, end] = match &account.keys {
            Some(Ok(origin)) => {
                let expires =
                    origin.expires.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
                [origin.provider.to_owned(), expires.unwrap_or_else(|| "never".to_owned())]
            }
            Some(Err(_)) | None => ["none".to_owned(), "-".to_owned()],
        };
        row.extend([from, end]);
    }
    rows
}

fn searches(trial: &Trial) -> Vec<Vec<String>> {
    let mut rows = vec![row(["SEARCHED BY", "FOR", "IN", "FOUND", "RESULT"])];
    for (name, account) in &trial.accounts {
        for (search, outcome, _) in &account.searches {
            let (what, place) = match search {
                Search::Regions => ("regions", "-"),
                Search::Instances { region, .. } => ("instances", &**region),
            };
            let [found, result] = told(outcome);
            rows.push(vec![name.to_string(), what.to_owned(), place.to_owned(), found, result]);
        }
    }
    rows
}

fn instances(trial: &Trial) -> Vec<Vec<String>> {
    let mut header = instances_header();
    header.splice(4..4, row(["TASKS", "RESULT"]));
    let mut rows = vec![header];
    for (target, outcome) in trial.accounts.values().flat_map(|account| &account.instances) {
        let mut row = instance(target);
        row.splice(4..4, told(outcome));
        rows.push(row);
    }
    rows
}

/// How many there are, and the result in a word.
fn told(outcome: &Outcome) -> [String; 2] {
    match outcome {
        Outcome::Count(count) => [count.to_string(), "ok".to_owned()],
        Outcome::Failed(error) => ["-".to_owned(), error.code().to_string()],
        Outcome::NotTried => ["-".to_owned(), "not tried".to_owned()],
    }
}

/// The calls of a day that the searches make, with as many pages as now.
fn search_calls_per_day(trial: &Trial, config: &Config) -> f64 {
    let searches = trial
        .accounts
        .iter()
        .flat_map(|(name, account)| account.searches.iter().map(move |search| (name, search)));
    let calls = searches.map(|(name, (search, _, every))| {
        let lists = match search {
            Search::Regions => 1,
            Search::Instances { region, filter } => {
                let here = |target: &&Instance| target.account == *name && target.region == *region;
                let found = config.instances.iter().filter(here).count();
                filter.tags.len().max(1) * found.div_ceil(100).max(1)
            }
        };
        lists as f64 * DAY / every.as_secs_f64()
    });
    calls.sum()
}

fn has_unknown_searches(trial: &Trial) -> bool {
    let mut searches = trial.accounts.values().flat_map(|account| &account.searches);
    searches.any(|(_, outcome, _)| !matches!(outcome, Outcome::Count(_)))
}

fn write_warnings(
    loaded: &Loaded,
    config: &Config,
    trial: &Trial,
    out: &mut impl Write,
) -> io::Result<()> {
    // What is found makes budgets tighter, and so these are judged again.
    let before = exceeded_budgets(&loaded.config);
    let kept = loaded.warnings.iter().filter(|warning| !before.contains(warning));
    for warning in kept.chain(&exceeded_budgets(config)) {
        writeln!(out, "warning: {warning}")?;
    }
    for (name, account) in &trial.accounts {
        // One endpoint's clock is as good as another's.
        let worst = account.clock_skews.values().max_by_key(|skew| skew.abs());
        if let Some(skew) = worst.filter(|skew| skew.abs() > SKEW_TOLERANCE) {
            let (seconds, side) = (skew.num_seconds().abs(), side(*skew));
            writeln!(
                out,
                "warning: accounts.{name}: this machine's clock is about {seconds} s {side} the API's: \
                 set it by NTP"
            )?;
        }
    }
    Ok(())
}

fn side(skew: TimeDelta) -> &'static str {
    if skew > TimeDelta::zero() { "ahead of" } else { "behind" }
}

fn problems(trial: &Trial) -> BTreeMap<Place, Problem> {
    let mut problems = BTreeMap::new();
    for (name, account) in &trial.accounts {
        if let Some(setup) = &account.setup {
            let place = Place {
                account: Arc::clone(name),
                region_id: "".into(),
                action: "",
                code: "https".to_owned(),
                advice: "mend the account's ca_file, or the proxies of the environment".to_owned(),
            };
            problems.insert(place, Problem { said: shown(setup), ids: Vec::new() });
        }
        if let Some(Err(error)) = &account.keys {
            add(&mut problems, name, account, None, "", error, None);
        }
        for (search, outcome, _) in &account.searches {
            if let Outcome::Failed(error) = outcome {
                let region = search.scope(name).region_id;
                add(&mut problems, name, account, Some(search), region, error, None);
            }
        }
        for (target, outcome) in &account.instances {
            if let Outcome::Failed(error) = outcome {
                let id = Some(&target.id);
                add(&mut problems, name, account, None, &target.region, error, id);
            }
        }
    }
    problems
}

fn add(
    problems: &mut BTreeMap<Place, Problem>,
    name: &Arc<str>,
    account: &AccountTrial,
    search: Option<&Search>,
    region_id: &str,
    error: &Error,
    id: Option<&Arc<str>>,
) {
    let clock_skew = account.clock_skews.get(region_id).copied();
    let place = Place {
        account: Arc::clone(name),
        region_id: region_id.into(),
        action: match (search, id) {
            (Some(search), _) => search.action(),
            (None, Some(_)) => LIST_IMPORTS,
            (None, None) => "",
        },
        code: error.code().to_string(),
        advice: advice(error, Situation { search, region_id, clock_skew }),
    };
    let said = || {
        let request = error.request_id().map(|id| format!(" (RequestId {id})"));
        shown(&format!("{}{}", error.message(), request.unwrap_or_default()))
    };
    let problem = problems.entry(place).or_insert_with(|| Problem { said: said(), ids: vec![] });
    problem.ids.extend(id.cloned());
}

fn write_not_tried(trial: &Trial, out: &mut impl Write) -> io::Result<()> {
    for (name, account) in &trial.accounts {
        let count = not_tried(account);
        if count > 0 {
            let noun = if count == 1 { "instance was" } else { "instances were" };
            writeln!(out, "{name}: {count} {noun} not tried, because of these problems")?;
        }
    }
    Ok(())
}

fn not_tried(account: &AccountTrial) -> usize {
    account.instances.iter().filter(|(_, outcome)| *outcome == Outcome::NotTried).count()
}

fn counted(trial: &Trial) -> usize {
    let outcomes = trial.accounts.values().flat_map(|account| &account.instances);
    outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Count(_))).count()
}

/// Text of others, fit for a terminal's line.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(SHOWN).collect()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}: ", self.account)?;
        if !self.action.is_empty() {
            write!(f, "{} ", self.action)?;
        }
        if !self.region_id.is_empty() {
            write!(f, "in {} ", self.region_id)?;
        }
        write!(f, "fails with {}", self.code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ids.is_empty() {
            let noun = if self.ids.len() == 1 { "instance" } else { "instances" };
            let named: Vec<_> = self.ids.iter().take(NAMED).map(|id| &**id).collect();
            write!(f, " for {} {noun}: {}", self.ids.len(), named.join(", "))?;
            if self.ids.len() > NAMED {
                write!(f, " and {} more", self.ids.len() - NAMED)?;
            }
        }
        if !self.said.is_empty() {
            write!(f, "\n  said: {}", self.said)?;
        }
        Ok(())
    }
}
