//! How many API calls a configuration asks for.

use std::time::Duration;

use super::{Config, Instance, Polling};

const DAY: f64 = 86_400.0;

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
    let a_day = |interval: Duration| DAY / interval.as_secs_f64();
    let none = CallsPerDay { all_idle: 0.0, all_active: 0.0 };
    instances.into_iter().fold(none, |sum, instance| {
        let deep = a_day(polling.deep_interval);
        CallsPerDay {
            all_idle: sum.all_idle + deep + a_day(instance.idle_interval),
            all_active: sum.all_active + deep + a_day(instance.interval),
        }
    })
}

/// Accounts whose budget cannot meet their intervals, each as a sentence with its key path.
pub(super) fn exceeded_budgets(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, account) in &config.accounts {
        let instances = config.instances.iter().filter(|instance| instance.account == *name);
        let calls = calls_per_day(instances, &config.polling);
        let most = calls.all_active.max(calls.all_idle) / DAY;
        let budget = account.requests_per_second;
        if most > budget {
            let when = if calls.all_idle / DAY > budget { "always" } else { "at times" };
            warnings.push(format!(
                "accounts.{name}.requests_per_second: {budget} is less than the up to {most:.2} calls \
                 a second that its instances' intervals ask for; polls will {when} be late"
            ));
        }
    }
    warnings
}
