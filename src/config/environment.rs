//! The process environment as data, and the configuration's overrides in it.

use std::collections::BTreeMap;
use std::fmt;

use config::{Map, Value, ValueKind};

use super::keys::{KEYS, Key, NAME, Shape, is_name, names};
use super::problem::{KeyPath, Report, Step, allowed};

/// What a variable that overrides a key begins with; the key's path follows, with `__` between its
/// steps.
pub const OVERRIDE_PREFIX: &str = "ALIYUN_RDS_IMPORT_EXPORTER__";

/// Separates the steps of a path in a variable's name.
const SEPARATOR: &str = "__";

/// Environment variables by name. `Debug` shows the names alone: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment that the process was started with. Bytes that are not UTF-8 are replaced.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every variable.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads the overrides as a layer of configuration to lie over the `file`'s, and reports variables
/// that lead nowhere.
pub(super) fn layer(
    environment: &Environment,
    file: &Map<String, Value>,
    report: &mut Report,
) -> Map<String, Value> {
    let accounts = account_names(file);
    let mut layer = Map::new();
    let mut places: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (variable, value) in &environment.0 {
        let Some(name) = variable.strip_prefix(OVERRIDE_PREFIX) else { continue };
        let path = match resolve(name, &accounts) {
            Ok(path) => path,
            Err(message) => {
                report.problem_of_variable(variable, message);
                continue;
            }
        };
        if let Some(other) = report.variable(&path) {
            let message = format!("sets {path}, which {other} sets already");
            report.problem_of_variable(variable, message);
            continue;
        }
        for (list, index) in path.lists() {
            places.entry(list).or_default().entry(index).or_insert(variable.clone());
        }
        report.comes_from(path.clone(), variable);
        insert(&mut layer, &path, value);
    }
    for (list, indexes) in &places {
        if leaves_gaps(list, indexes, file, report) {
            let items = format!("{list}[");
            layer.retain(|key, _| !key.starts_with(&items));
        }
    }
    layer
}

/// Items beyond those of the file must follow them without a gap; a slip in a number must not make
/// a thousand empty instances.
fn leaves_gaps(
    list: &KeyPath,
    indexes: &BTreeMap<usize, String>,
    file: &Map<String, Value>,
    report: &mut Report,
) -> bool {
    let mut count = length(list, file);
    for (index, variable) in indexes {
        if *index > count {
            let message = format!("there is no {list}[{index}]; the next one is {list}[{count}]");
            report.problem_of_variable(variable, message);
            return true;
        }
        count = count.max(index + 1);
    }
    false
}

/// How many items the file has in a list.
fn length(list: &KeyPath, file: &Map<String, Value>) -> usize {
    let mut steps = list.steps().iter();
    let Some(Step::Key(first)) = steps.next() else { return 0 };
    let mut value = file.get(first);
    for step in steps {
        value = match (value.map(|value| &value.kind), step) {
            (Some(ValueKind::Table(table)), Step::Key(key)) => table.get(key),
            (Some(ValueKind::Array(items)), Step::Index(index)) => items.get(*index),
            _ => None,
        };
    }
    match value.map(|value| &value.kind) {
        Some(ValueKind::Array(items)) => items.len(),
        _ => 0,
    }
}

/// The names that `accounts` has in the file; without any, there is `default`.
fn account_names(file: &Map<String, Value>) -> Vec<String> {
    match file.get("accounts").map(|value| &value.kind) {
        Some(ValueKind::Table(accounts)) if !accounts.is_empty() => {
            let mut names: Vec<_> = accounts.keys().cloned().collect();
            names.sort();
            names
        }
        _ => vec!["default".to_owned()],
    }
}

/// The path that a variable's name stands for. Case does not matter.
fn resolve(name: &str, accounts: &[String]) -> Result<KeyPath, String> {
    let mut path = KeyPath::default();
    let mut shape = Shape::Table(KEYS);
    for step in name.split(SEPARATOR) {
        shape = match shape {
            Shape::Table(keys) => {
                let key = known(keys, step)?;
                path = path.key(key.name);
                key.shape
            }
            Shape::Named(keys) => {
                path = path.key(&account(step, accounts)?);
                Shape::Table(keys)
            }
            Shape::List(_) | Shape::Texts => {
                let index = step.parse().map_err(|_| format!("{path} takes a number here"))?;
                path = path.index(index);
                match shape {
                    Shape::List(keys) => Shape::Table(keys),
                    _ => Shape::Text,
                }
            }
            // Their names can be anything, and a variable's name cannot.
            Shape::Pairs => return Err(format!("{path} can be set in the file only")),
            Shape::Text => return Err(format!("{path} has no keys of its own")),
        };
    }
    match shape {
        Shape::Text => Ok(path),
        Shape::Table(keys) | Shape::Named(keys) | Shape::List(keys) => {
            let known = names(keys).collect::<Vec<_>>().join(", ");
            Err(format!("{path} is not one value; name one of its keys: {known}"))
        }
        Shape::Texts => Err(format!("{path} is a list; name one of its items by number, from 0")),
        Shape::Pairs => Err(format!("{path} can be set in the file only")),
    }
}

fn known(keys: &'static [Key], step: &str) -> Result<&'static Key, String> {
    keys.iter().find(|key| key.name.eq_ignore_ascii_case(step)).ok_or_else(|| {
        let step = step.to_lowercase();
        format!("{step:?} is an unknown key; {}", allowed(&step, names(keys)))
    })
}

/// The account that a step names: one of the file if it differs in case and in `-`, `.`, `_` alone,
/// since shells allow no others in a variable's name; else a new one in lower case.
fn account(step: &str, accounts: &[String]) -> Result<String, String> {
    let same: Vec<_> = accounts.iter().filter(|name| folded(name) == folded(step)).collect();
    match same.as_slice() {
        [] if !is_name(step) => Err(format!("{step:?} is not a name; allowed: {NAME}")),
        [] => Ok(step.to_lowercase()),
        [name] => Ok((*name).clone()),
        [one, other, ..] => Err(format!("may mean the account {one:?} or {other:?}")),
    }
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

fn insert(layer: &mut Map<String, Value>, path: &KeyPath, value: &str) {
    let value = Value::new(None, ValueKind::String(value.to_owned()));
    // The merge understands a path with an index as a key, and only known words stand in one.
    if path.steps().iter().any(|step| matches!(step, Step::Index(_))) {
        layer.insert(path.to_string(), value);
        return;
    }
    nest(layer, path.steps(), value);
}

fn nest(table: &mut Map<String, Value>, steps: &[Step], value: Value) {
    let [Step::Key(key), rest @ ..] = steps else { return };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return;
    }
    let inner = table.entry(key.clone()).or_insert_with(|| Map::<String, Value>::new().into());
    if let ValueKind::Table(inner) = &mut inner.kind {
        nest(inner, rest, value);
    }
}
