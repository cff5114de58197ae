//! Reads the configuration from a file and the environment, and tells everything that is wrong
//! with it at once.
//!
//! The file and the environment's overrides become layers of the `config` crate. Keys are checked
//! against one table first, then the merged values are read and what must hold between them is
//! checked. It opens no connection; whether the API takes the credentials is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use config::{ConfigError, Map, Source, Value};

use crate::yaml;

use super::environment::{self, Environment};
use super::problem::{KeyPath, Problem, Report};
use super::read::{Reader, Section};
use super::{Config, Shard, accounts, cost, credentials, discovery, duration, instances, keys};

/// Larger than any configuration of 10,000 instances.
const MAX_BYTES: u64 = 16 << 20;

/// A configuration without problems.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What an operator should know, each as a sentence that begins with file or key path.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a configuration; displays one problem a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct LoadError {
    problems: Vec<Problem>,
}

impl LoadError {
    /// The problems, in the order of the file's lines, those of the environment last.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Reads the file at `path`, with the overrides in `environment`. Relative paths in it start from
/// its directory.
///
/// # Errors
///
/// When the file cannot be read, and for anything that is wrong with it or with the overrides.
pub fn from_file(path: &Path, environment: &Environment) -> Result<Loaded, LoadError> {
    let name = path.to_string_lossy();
    let text = read(path).map_err(|error| {
        let mut report = Report::new(&name);
        report.problem(&KeyPath::default(), error);
        LoadError { problems: report.into_problems() }
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let (mut loaded, holds_secret) = load(text, &name, directory, environment)?;
    if holds_secret && is_readable_by_others(path) {
        loaded.warnings.insert(
            0,
            format!("{name}: holds a secret and can be read by every user; chmod o-r {name}"),
        );
    }
    tracing::debug!(
        file = %name,
        accounts = loaded.config.accounts.len(),
        instances = loaded.config.instances.len(),
        "read the configuration"
    );
    Ok(loaded)
}

/// Reads `text`, with the overrides in `environment`. `name` stands for the file in messages;
/// relative paths start from `directory`.
///
/// # Errors
///
/// For anything that is wrong with the text or with the overrides.
pub fn from_str(
    text: &str,
    name: &str,
    directory: &Path,
    environment: &Environment,
) -> Result<Loaded, LoadError> {
    load(text.to_owned(), name, directory, environment).map(|(loaded, _)| loaded)
}

fn load(
    text: String,
    name: &str,
    directory: &Path,
    environment: &Environment,
) -> Result<(Loaded, bool), LoadError> {
    let parsed = yaml::parse(&text);
    let mut report = Report::of_text(name, text);
    let root = match parsed {
        Ok(root) => root,
        Err(error) => {
            report.problem_in_line(error.line, &KeyPath::default(), error.message);
            return Err(LoadError { problems: report.into_problems() });
        }
    };
    let file = keys::layer(root, &mut report);
    let holds_secret = holds_secret(&file);
    let overrides = environment::layer(environment, &file, &mut report);
    let merged = match merge(file, overrides) {
        Ok(merged) => merged,
        Err(error) => {
            report.problem(&KeyPath::default(), error.to_string());
            return Err(LoadError { problems: report.into_problems() });
        }
    };
    let config = read_config(&merged, report, directory)?;
    let warnings = warnings(&config);
    Ok((Loaded { config, warnings }, holds_secret))
}

fn merge(
    file: Map<String, Value>,
    overrides: Map<String, Value>,
) -> Result<Map<String, Value>, ConfigError> {
    // Merging takes copies of both.
    if overrides.is_empty() {
        return Ok(file);
    }
    let layers = config::Config::builder().add_source(Layer(file)).add_source(Layer(overrides));
    layers.build()?.cache.into_table()
}

fn read_config(
    merged: &Map<String, Value>,
    report: Report,
    directory: &Path,
) -> Result<Config, LoadError> {
    let mut reader = Reader::new(report, directory);
    let root = Section::root(merged);
    let accounts = accounts::read(&mut reader, &root);
    let names = accounts.keys().cloned().collect();
    let polling = instances::read_polling(&mut reader, &root);
    let instances = instances::read(&mut reader, &root, &polling, &names);
    let discovery = discovery::read(&mut reader, &root, &accounts);
    report_nothing_to_poll(&mut reader, &root);
    let problems = reader.report.into_problems();
    let accounts: Option<BTreeMap<_, _>> =
        accounts.into_iter().map(|(name, account)| Some((name, account?))).collect();
    match (accounts, polling.polling) {
        (Some(accounts), Some(polling)) if problems.is_empty() => {
            Ok(Config { accounts, polling, instances, discovery, shard: Shard::default() })
        }
        _ => Err(LoadError { problems }),
    }
}

fn report_nothing_to_poll(reader: &mut Reader, root: &Section<'_>) {
    let lists = ["instances", "discovery"];
    let is_empty = |list: &&str| {
        let first = root.path.key(list).index(0);
        root.list(list).next().is_none()
            && !reader.report.has(&first)
            && !reader.is_reported(root, list)
    };
    if lists.iter().all(is_empty) {
        let message = "is empty: there is nothing to poll; allowed: instances here, or discovery";
        reader.problem(root, "instances", message);
    }
}

fn warnings(config: &Config) -> Vec<String> {
    let listed = config.instances.iter().map(|instance| &instance.account);
    let used: BTreeSet<_> =
        listed.chain(config.discovery.iter().map(|discovery| &discovery.account)).collect();
    let unused = config.accounts.keys().filter(|name| !used.contains(name));
    let mut warnings: Vec<_> = unused
        .map(|name| format!("accounts.{name}: no instance and no discovery uses it"))
        .collect();
    for (index, instance) in config.instances.iter().enumerate() {
        if instance.interval > instance.idle_interval {
            warnings.push(format!(
                "instances[{index}]: interval, {}, is longer than idle_interval, {}; with a task \
                 under way it is polled less often than without",
                duration::format(instance.interval),
                duration::format(instance.idle_interval),
            ));
        }
    }
    warnings.extend(cost::exceeded_budgets(config));
    warnings
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable =
        |error| format!("cannot be read: {error}; name another file with --config.file");
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_BYTES {
        return Err(format!("is too large: {size} bytes; allowed: up to {MAX_BYTES}"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

fn holds_secret(file: &Map<String, Value>) -> bool {
    Section::root(file)
        .section("accounts")
        .named()
        .iter()
        .any(|(_, account)| credentials::hold_secret(&account.section("credentials")))
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A layer of configuration that was read already.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}
