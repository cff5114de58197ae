//! How many API calls a configuration asks for, and how many series it makes.

use std::time::Duration;

use super::{Config, Discovery, Instance, Polling, Regions};
use crate::domain::{TaskStatus, TaskType};

const DAY: f64 = 86_400.0;

/// Series of an instance without tasks, once it was walked: six of its own, one for each documented
/// status, and one for each documented pair of type and status.
pub const SERIES_PER_INSTANCE: usize =
    6 + TaskStatus::DOCUMENTED.len() * (1 + TaskType::DOCUMENTED.len());
/// Series of a task.
pub const SERIES_PER_TASK: usize = 1;
/// Series of an incremental task that has a position.
pub const SERIES_PER_INCREMENTAL_TASK: usize = 3;

/// API calls in a day, if every walk reads one page and nothing is retried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallsPerDay {
    /// While no instance has a task that is not final.
    pub all_idle: f64,
    /// While every instance has one.
    pub all_active: f64,
}

/// The calls that `instances` ask for, regular walks and deep ones.
pub fn calls_per_day<'a>(
    instances: impl IntoIterator<Item = &'a Instance>,
    polling: &Polling,
) -> CallsPerDay {
    let none = CallsPerDay { all_idle: 0.0, all_active: 0.0 };
    instances.into_iter().fold(none, |sum, instance| {
        let own = calls_of_one(instance.interval, instance.idle_interval, polling);
        CallsPerDay {
            all_idle: sum.all_idle + own.all_idle,
            all_active: sum.all_active + own.all_active,
        }
    })
}

/// The calls that each instance asks for that discovery finds.
pub fn calls_per_day_of_found(polling: &Polling) -> CallsPerDay {
    calls_of_one(polling.interval, polling.idle_interval, polling)
}

fn calls_of_one(interval: Duration, idle_interval: Duration, polling: &Polling) -> CallsPerDay {
    let a_day = |interval: Duration| DAY / interval.as_secs_f64();
    let deep = a_day(polling.deep_interval);
    CallsPerDay { all_idle: deep + a_day(idle_interval), all_active: deep + a_day(interval) }
}

/// The calls of a day that look for instances, if every list has one page. `all` counts as a single
/// region: how many there are is not known before they were asked for.
pub fn discovery_calls_per_day<'a>(discovery: impl IntoIterator<Item = &'a Discovery>) -> f64 {
    let calls = discovery.into_iter().map(|entry| {
        let (lists, regions) = match &entry.regions {
            Regions::All => (1, 1),
            Regions::Named(regions) => (0, regions.len()),
        };
        let lists = lists + regions * entry.tags.len().max(1);
        lists as f64 * DAY / entry.refresh_interval.as_secs_f64()
    });
    calls.sum()
}

/// Accounts whose budget cannot meet their intervals, each as a sentence with its key path.
pub(crate) fn exceeded_budgets(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, account) in &config.accounts {
        let instances = config.instances.iter().filter(|instance| instance.account == *name);
        let calls = calls_per_day(instances, &config.polling);
        let entries = config.discovery.iter().filter(|entry| entry.account == *name);
        let searches = discovery_calls_per_day(entries);
        let most = (calls.all_active.max(calls.all_idle) + searches) / DAY;
        let budget = account.requests_per_second;
        if most > budget {
            let least = (calls.all_idle + searches) / DAY;
            let when = if least > budget { "always" } else { "at times" };
            let who =
                if searches > 0.0 { "instances and discovery" } else { "instances' intervals" };
            warnings.push(format!(
                "accounts.{name}.requests_per_second: {budget} is less than the up to {most:.2} calls \
                 a second that its {who} ask for; polls will {when} be late"
            ));
        }
    }
    warnings
}
