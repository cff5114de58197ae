//! What a configuration says, as tables, and what it costs.

use std::io::{self, Write};

use super::table::row;
use crate::config::cost::{
    CallsPerDay, SERIES_PER_INCREMENTAL_TASK, SERIES_PER_INSTANCE, SERIES_PER_TASK, calls_per_day,
    calls_per_day_of_found,
};
use crate::config::{Account, Config, Instance, Network, Regions, format_duration};

/// Writes the calls and series to expect, with `searches` calls a day for discovery.
pub(super) fn write_cost(config: &Config, searches: f64, out: &mut impl Write) -> io::Result<()> {
    let CallsPerDay { all_idle, all_active } = calls_per_day(&config.instances, &config.polling);
    let (all_idle, all_active) = (all_idle + searches, all_active + searches);
    writeln!(
        out,
        "\nexpected API calls a day, at one page a walk: {all_idle:.0} (every instance idle) to \
         {all_active:.0} (every instance active)"
    )?;
    let series = SERIES_PER_INSTANCE * config.instances.len();
    writeln!(
        out,
        "expected series: {series}, and {SERIES_PER_TASK} for each task, \
         {SERIES_PER_INCREMENTAL_TASK} for each incremental one that is under way"
    )
}

/// Writes what is not known before there was a search.
pub(super) fn write_cost_of_found(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let CallsPerDay { all_idle, all_active } = calls_per_day_of_found(&config.polling);
    writeln!(
        out,
        "each instance that discovery finds adds {all_idle:.0} to {all_active:.0} calls a day and \
         {SERIES_PER_INSTANCE} series; a search is one call for each 100 instances"
    )
}

/// The accounts, with the instances that `config` lists for each.
pub(super) fn accounts(config: &Config) -> Vec<Vec<String>> {
    let mut rows = vec![row(["ACCOUNT", "CREDENTIALS", "ENDPOINT", "CALLS/S", "INSTANCES"])];
    for (name, account) in &config.accounts {
        let used = config.instances.iter().filter(|instance| instance.account == *name).count();
        rows.push(vec![
            name.to_string(),
            account.credentials.type_name().to_owned(),
            endpoint(account).to_owned(),
            account.requests_per_second.to_string(),
            used.to_string(),
        ]);
    }
    rows
}

/// The header over rows of [`instance`].
pub(super) fn instances_header() -> Vec<String> {
    row(["INSTANCE", "REGION", "ENGINE", "ACCOUNT", "INTERVAL", "IDLE", "LOOKBACK", "NAME"])
}

/// An instance and how it is polled.
pub(super) fn instance(instance: &Instance) -> Vec<String> {
    vec![
        instance.id.to_string(),
        instance.region.to_string(),
        instance.engine.to_string(),
        instance.account.to_string(),
        format_duration(instance.interval),
        format_duration(instance.idle_interval),
        format_duration(instance.lookback),
        instance.name.to_string(),
    ]
}

/// Where instances are looked for.
pub(super) fn discovery(config: &Config) -> Vec<Vec<String>> {
    let mut rows =
        vec![row(["DISCOVERY", "REGIONS", "ENGINES", "TAGS", "GROUP", "EXCLUDED", "EVERY"])];
    for entry in &config.discovery {
        let joined = |items: Vec<String>| match items.as_slice() {
            [] => "-".to_owned(),
            _ => items.join(","),
        };
        rows.push(vec![
            entry.account.to_string(),
            match &entry.regions {
                Regions::All => "all".to_owned(),
                Regions::Named(regions) => {
                    joined(regions.iter().map(ToString::to_string).collect())
                }
            },
            joined(entry.engines.iter().map(ToString::to_string).collect()),
            joined(entry.tags.iter().map(|(key, value)| format!("{key}={value}")).collect()),
            entry.resource_group_id.clone().unwrap_or_else(|| "-".to_owned()),
            entry.exclude.len().to_string(),
            format_duration(entry.refresh_interval),
        ]);
    }
    rows
}

fn endpoint(account: &Account) -> &str {
    match (&account.endpoints.rds, account.network) {
        (Some(url), _) => url,
        (None, Network::Public) => "public",
        (None, Network::Vpc) => "vpc",
    }
}
