//! The `check` command: what the configuration says, or everything that is wrong with it.
//!
//! It opens no connection.

use std::io::{self, Write};
use std::path::Path;

use crate::clock::Clock;
use crate::config::cost::{
    CallsPerDay, SERIES_PER_INCREMENTAL_TASK, SERIES_PER_INSTANCE, SERIES_PER_TASK, calls_per_day,
    calls_per_day_of_found, discovery_calls_per_day,
};
use crate::config::load::{self, Loaded};
use crate::config::{Account, Config, Environment, Network, Regions, format_duration};
use crate::web::Guard;

/// Checks the configuration and writes the result for people to `out`. Returns whether it is free
/// of problems; warnings are none.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn check(file: &Path, environment: &Environment, out: &mut impl Write) -> io::Result<bool> {
    match load::from_file(file, environment) {
        Ok(loaded) => {
            writeln!(out, "{}: ok", file.display())?;
            write_loaded(&loaded, out)?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "{error}\n{}", count(file, error.problems().len()))?;
            Ok(false)
        }
    }
}

/// Checks the web configuration and what it names, as [`check`] does.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn check_web(file: &Path, out: &mut impl Write) -> io::Result<bool> {
    match Guard::load(file, Clock::system()) {
        Ok(guard) => {
            let transport = if guard.serves_tls() { "TLS" } else { "plain HTTP" };
            writeln!(out, "{}: ok, {transport}", file.display())?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "{error}\n{}", count(file, error.problems().len()))?;
            Ok(false)
        }
    }
}

fn count(file: &Path, problems: usize) -> String {
    let noun = if problems == 1 { "problem" } else { "problems" };
    format!("{}: {problems} {noun}", file.display())
}

fn write_loaded(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let Loaded { config, warnings } = loaded;
    write_table(&accounts(config), out)?;
    if !config.instances.is_empty() {
        write_table(&instances(config), out)?;
    }
    if !config.discovery.is_empty() {
        write_table(&discovery(config), out)?;
    }
    write_cost(config, out)?;
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

fn write_cost(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let CallsPerDay { all_idle, all_active } = calls_per_day(&config.instances, &config.polling);
    let searches = discovery_calls_per_day(&config.discovery);
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
    )?;
    if !config.discovery.is_empty() {
        let CallsPerDay { all_idle, all_active } = calls_per_day_of_found(&config.polling);
        writeln!(
            out,
            "each instance that discovery finds adds {all_idle:.0} to {all_active:.0} calls a day \
             and {SERIES_PER_INSTANCE} series; a search is one call for each 100 instances"
        )?;
    }
    Ok(())
}

fn accounts(config: &Config) -> Vec<Vec<String>> {
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

fn instances(config: &Config) -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "INSTANCE", "REGION", "ENGINE", "ACCOUNT", "INTERVAL", "IDLE", "LOOKBACK", "NAME",
    ])];
    for instance in &config.instances {
        rows.push(vec![
            instance.id.to_string(),
            instance.region.to_string(),
            instance.engine.to_string(),
            instance.account.to_string(),
            format_duration(instance.interval),
            format_duration(instance.idle_interval),
            format_duration(instance.lookback),
            instance.name.to_string(),
        ]);
    }
    rows
}

fn discovery(config: &Config) -> Vec<Vec<String>> {
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

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn write_table(rows: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    writeln!(out)?;
    for row in rows {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
