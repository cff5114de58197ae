//! The keys that a configuration may have, in one table, and the check of a file against it.
//!
//! The loader, the overrides from the environment and the tests of `config.example.yaml` and
//! `docs/configuration.md` all read the table. What the values mean is not known here, and no
//! value is ever quoted here: it may be a secret in the wrong place.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::problem::{KeyPath, Report, allowed};
use crate::yaml::{Content, Entry, Node};

/// A key and what its value is made of.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A scalar.
    Text,
    /// A mapping with these keys.
    Table(&'static [Key]),
    /// A mapping from names to mappings with these keys.
    Named(&'static [Key]),
    /// A list of mappings with these keys.
    List(&'static [Key]),
    /// A list of scalars.
    Texts,
    /// A mapping from names of any kind to scalars.
    Pairs,
}

const fn text(name: &'static str) -> Key {
    Key { name, shape: Shape::Text }
}

const fn table(name: &'static str, keys: &'static [Key]) -> Key {
    Key { name, shape: Shape::Table(keys) }
}

/// Every key there is.
pub(super) const KEYS: &[Key] = &[
    Key { name: "accounts", shape: Shape::Named(ACCOUNT) },
    table("polling", POLLING),
    Key { name: "instances", shape: Shape::List(INSTANCE) },
    Key { name: "discovery", shape: Shape::List(DISCOVERY) },
];

const ACCOUNT: &[Key] = &[
    table("credentials", CREDENTIALS),
    text("requests_per_second"),
    text("signature"),
    text("network"),
    table("endpoints", &[text("rds"), text("sts"), text("metadata")]),
    text("allow_http"),
    text("ca_file"),
];

const CREDENTIALS: &[Key] = &[
    text("type"),
    text("access_key_id"),
    text("access_key_secret"),
    text("access_key_secret_file"),
    text("security_token"),
    text("security_token_file"),
    text("profile"),
    text("file"),
    text("role_name"),
    text("role_arn"),
    text("role_session_name"),
    text("external_id"),
    text("policy"),
    text("duration"),
    text("oidc_provider_arn"),
    text("oidc_token_file"),
    text("uri"),
    table("source", SOURCE),
];

/// Keys that take a role: credentials, but no other role.
const SOURCE: &[Key] = &[
    text("type"),
    text("access_key_id"),
    text("access_key_secret"),
    text("access_key_secret_file"),
    text("security_token"),
    text("security_token_file"),
    text("profile"),
    text("file"),
    text("role_name"),
    text("role_arn"),
    text("role_session_name"),
    text("policy"),
    text("duration"),
    text("oidc_provider_arn"),
    text("oidc_token_file"),
    text("uri"),
];

const POLLING: &[Key] = &[
    text("interval"),
    text("idle_interval"),
    text("lookback"),
    text("deep_lookback"),
    text("deep_interval"),
    text("final_retention"),
    text("page_size"),
    text("concurrency"),
    text("request_timeout"),
    text("stale_after"),
];

const INSTANCE: &[Key] = &[
    text("id"),
    text("region"),
    text("engine"),
    text("account"),
    text("name"),
    text("interval"),
    text("idle_interval"),
    text("lookback"),
];

const DISCOVERY: &[Key] = &[
    text("account"),
    Key { name: "regions", shape: Shape::Texts },
    Key { name: "engines", shape: Shape::Texts },
    Key { name: "tags", shape: Shape::Pairs },
    text("resource_group_id"),
    Key { name: "exclude", shape: Shape::Texts },
    text("refresh_interval"),
];

/// The likeliest reason for a key that is no word.
const SPACE_HINT: &str = " (is there no space after a colon?)";

/// What a name may be, for messages.
pub(super) const NAME: &str = "1 to 64 letters, digits, -, _ and .";

/// Checks a file's keys and shapes, reports what does not fit, and returns the rest as a layer of
/// configuration. A list keeps an empty value for each item that does not fit, so that the others
/// keep their places.
pub(super) fn layer(root: Node, report: &mut Report) -> Map<String, Value> {
    let path = KeyPath::default();
    match value(root, Shape::Table(KEYS), &path, report).map(|value| value.kind) {
        Some(ValueKind::Table(table)) => table,
        _ => Map::new(),
    }
}

/// The names of `keys`.
pub(super) fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|key| key.name)
}

/// Whether an account can have this name: it is a label, and part of variables' names.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.chars().count()) && name.chars().all(fits)
}

fn value(node: Node, shape: Shape, path: &KeyPath, report: &mut Report) -> Option<Value> {
    let kind = match (node.content, shape) {
        (Content::Null, _) => return None,
        (Content::Text(text), Shape::Text) => ValueKind::String(text),
        (Content::Table(entries), Shape::Table(keys)) => {
            ValueKind::Table(known(entries, keys, path, report))
        }
        (Content::Table(entries), Shape::Named(keys)) => {
            ValueKind::Table(named(entries, keys, path, report))
        }
        (Content::List(items), Shape::List(keys)) => {
            ValueKind::Array(list(items, keys, path, report))
        }
        (Content::List(items), Shape::Texts) => ValueKind::Array(texts(items, path, report)),
        (Content::Table(entries), Shape::Pairs) => ValueKind::Table(pairs(entries, path, report)),
        (other, expected) => {
            let expected = match expected {
                Shape::Text => "one value",
                Shape::Table(_) | Shape::Named(_) | Shape::Pairs => "a mapping (key: value)",
                Shape::List(_) | Shape::Texts => "a list (- item)",
            };
            report.problem(path, format!("is {}; allowed: {expected}", other.describe()));
            return None;
        }
    };
    Some(Value::new(None, kind))
}

/// The entries of a mapping whose keys are known.
fn known(
    entries: Vec<Entry>,
    keys: &'static [Key],
    path: &KeyPath,
    report: &mut Report,
) -> Map<String, Value> {
    let mut values = Map::new();
    for entry in unrepeated(entries, path, report) {
        match keys.iter().find(|key| key.name == entry.key) {
            Some(key) => {
                let path = path.key(key.name);
                if let Some(value) = value(entry.value, key.shape, &path, report) {
                    values.insert(entry.key, value);
                }
            }
            None => unknown(&entry, keys, path, report),
        }
    }
    values
}

/// The entries of a mapping whose keys are names. An entry without a value has all defaults.
fn named(
    entries: Vec<Entry>,
    keys: &'static [Key],
    path: &KeyPath,
    report: &mut Report,
) -> Map<String, Value> {
    let mut values = Map::new();
    for entry in unrepeated(entries, path, report) {
        if !is_name(&entry.key) {
            let message = format!("has a name that is not allowed{SPACE_HINT}; allowed: {NAME}");
            report.problem_in_line(entry.line, path, message);
            continue;
        }
        let path = path.key(&entry.key);
        let value = value(entry.value, Shape::Table(keys), &path, report);
        values.insert(entry.key, value.unwrap_or_else(|| Map::<String, Value>::new().into()));
    }
    values
}

fn list(items: Vec<Node>, keys: &'static [Key], path: &KeyPath, report: &mut Report) -> Vec<Value> {
    let values = items.into_iter().enumerate().map(|(index, item)| {
        let path = path.index(index);
        if matches!(item.content, Content::Null) {
            report.problem(&path, "is empty; allowed: a mapping (key: value)");
        }
        value(item, Shape::Table(keys), &path, report).unwrap_or_default()
    });
    values.collect()
}

/// The items of a list of scalars. One that is none keeps its place as an empty value.
fn texts(items: Vec<Node>, path: &KeyPath, report: &mut Report) -> Vec<Value> {
    let texts = items.into_iter().enumerate().map(|(index, item)| {
        let path = path.index(index);
        if matches!(item.content, Content::Null) {
            report.problem(&path, "is empty; allowed: one value");
        }
        value(item, Shape::Text, &path, report).unwrap_or_default()
    });
    texts.collect()
}

/// The entries of a mapping whose keys can be anything. One without a value is an empty text.
fn pairs(entries: Vec<Entry>, path: &KeyPath, report: &mut Report) -> Map<String, Value> {
    let mut values = Map::new();
    for entry in unrepeated(entries, path, report) {
        let text = match entry.value.content {
            Content::Null => Some(ValueKind::String(String::new()).into()),
            _ => value(entry.value, Shape::Text, &path.key(&entry.key), report),
        };
        values.extend(text.map(|text: Value| (entry.key, text)));
    }
    values
}

/// The first entry of each key.
fn unrepeated(mut entries: Vec<Entry>, path: &KeyPath, report: &mut Report) -> Vec<Entry> {
    let mut lines = BTreeMap::new();
    entries.retain(|entry| {
        let Some(line) = lines.insert(entry.key.clone(), entry.line) else { return true };
        let path = if is_name(&entry.key) { &path.key(&entry.key) } else { path };
        let message = format!("is a repeated key; it stands in line {line} already");
        report.problem_in_line(entry.line, path, message);
        lines.insert(entry.key.clone(), line);
        false
    });
    entries
}

/// A key that is not in the table. Its name is told only if it is made of letters alone, as every
/// known one is: to YAML, the whole of `{access_key_secret:hunter2}` is a key.
fn unknown(entry: &Entry, keys: &'static [Key], path: &KeyPath, report: &mut Report) {
    let name = &entry.key;
    let wordlike = name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.'));
    if name == "<<" {
        report.problem_in_line(entry.line, path, "has a merge key (<<), which is not supported");
    } else if wordlike && (1..=40).contains(&name.len()) {
        let message = format!("is an unknown key; {}", allowed(name, names(keys)));
        report.problem_in_line(entry.line, &path.key(name), message);
    } else {
        let known = names(keys).collect::<Vec<_>>().join(", ");
        let message = format!("has an unknown key{SPACE_HINT}; allowed: {known}");
        report.problem_in_line(entry.line, path, message);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::yaml;

    const EXAMPLE: &str = include_str!("../../config.example.yaml");
    const REFERENCE: &str = include_str!("../../docs/configuration.md");

    /// Every key of the table, written as the reference does. The keys of `source` are those of
    /// `credentials`.
    fn table() -> BTreeSet<String> {
        fn add(keys: &[Key], prefix: &str, paths: &mut BTreeSet<String>) {
            for key in keys {
                let path = format!("{prefix}{}", key.name);
                match key.shape {
                    Shape::Text | Shape::Texts | Shape::Pairs => {}
                    Shape::Table(_) if key.name == "source" => {}
                    Shape::Table(keys) => add(keys, &format!("{path}."), paths),
                    Shape::Named(keys) => add(keys, &format!("{path}.<name>."), paths),
                    Shape::List(keys) => add(keys, &format!("{path}[]."), paths),
                }
                paths.insert(path);
            }
        }
        let mut paths = BTreeSet::new();
        add(KEYS, "", &mut paths);
        paths
    }

    /// Key and default of every row of the reference's first table.
    fn reference() -> BTreeMap<&'static str, &'static str> {
        let rows = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows = rows.filter_map(|row| {
            let mut cells = row.split('|').map(str::trim);
            Some((cells.next()?.strip_suffix('`')?, cells.next()?.trim_matches('`')))
        });
        rows.collect()
    }

    /// Every text of the example that is not commented out, written as the reference does.
    fn example() -> BTreeMap<String, String> {
        fn add(node: &Node, path: &str, texts: &mut BTreeMap<String, String>) {
            match &node.content {
                Content::Null => {}
                Content::Text(text) => drop(texts.insert(path.to_owned(), text.clone())),
                Content::List(items) if matches!(items[0].content, Content::Table(_)) => {
                    add(&items[0], &format!("{path}[]"), texts);
                }
                // Lists of texts and tags are examples.
                Content::List(_) => {}
                Content::Table(_) if path == "discovery[].tags" => {}
                Content::Table(entries) => {
                    for entry in entries {
                        let key = if path == "accounts" { "<name>" } else { &entry.key };
                        let dot = if path.is_empty() { "" } else { "." };
                        add(&entry.value, &format!("{path}{dot}{key}"), texts);
                    }
                }
            }
        }
        let mut texts = BTreeMap::new();
        add(&yaml::parse(EXAMPLE).unwrap(), "", &mut texts);
        texts
    }

    #[test]
    fn a_source_has_the_keys_of_credentials_but_for_a_role_of_its_own() {
        let credentials: BTreeSet<_> = names(CREDENTIALS).collect();
        let source: BTreeSet<_> = names(SOURCE).collect();
        let missing: Vec<_> = credentials.difference(&source).collect();
        assert_eq!(missing, [&"external_id", &"source"]);
        assert!(source.is_subset(&credentials));
    }

    #[test]
    fn the_reference_names_every_key_and_no_other() {
        let documented: BTreeSet<_> = reference().into_keys().map(str::to_owned).collect();
        assert_eq!(documented, table());
    }

    #[test]
    fn the_example_shows_every_key_and_no_other() {
        let shown = EXAMPLE.lines().filter_map(|line| {
            let line = line.trim_start_matches([' ', '#', '-']);
            let (key, _) = line.split_once(':')?;
            key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
        });
        let shown: BTreeSet<_> = shown.filter(|key| *key != "default").collect();
        let paths = table();
        let known: BTreeSet<_> = paths.iter().filter_map(|path| path.rsplit('.').next()).collect();
        assert_eq!(shown, known);
    }

    #[test]
    fn the_reference_tells_the_defaults_that_the_example_shows() {
        let reference = reference();
        for (key, value) in example() {
            // `name` and what has no default are examples.
            let default = match reference[key.as_str()] {
                "" => continue,
                "\"\"" => "",
                default => default,
            };
            if key != "instances[].name" {
                assert_eq!(default, value, "{key}");
            }
        }
    }
}
