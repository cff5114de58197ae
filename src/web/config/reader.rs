//! Reads a YAML tree by keys, and reports what does not fit.
//!
//! Values are quoted only by whoever knows that they hold no secret.

use std::collections::BTreeMap;

use crate::config::problem::{KeyPath, Report, allowed, quoted};
use crate::yaml::{Content, Entry, Node};

/// A mapping, without the entries that were reported, and the way to it.
#[derive(Debug, Default)]
pub(super) struct Table<'a> {
    pub(super) path: KeyPath,
    entries: Vec<&'a Entry>,
}

/// A text and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) path: KeyPath,
    pub(super) text: &'a str,
}

impl<'a> Table<'a> {
    /// The mapping that is `node`, with no other keys than `known`.
    pub(super) fn of(node: &'a Node, path: KeyPath, known: &[&str], report: &mut Report) -> Self {
        let mut table = Self::with_any_key(node, path, report);
        table.entries.retain(|entry| {
            let fits = known.contains(&entry.key.as_str());
            if !fits {
                unknown(entry, &table.path, known, report);
            }
            fits
        });
        table
    }

    /// The mapping that is `node`, whatever its keys are. Nothing is a mapping without keys.
    pub(super) fn with_any_key(node: &'a Node, path: KeyPath, report: &mut Report) -> Self {
        report.stands_in_line(path.clone(), node.line);
        let entries = match &node.content {
            Content::Null => Vec::new(),
            Content::Table(entries) => unrepeated(entries, &path, report),
            other => {
                let message = format!("is {}; allowed: a mapping (key: value)", other.describe());
                report.problem(&path, message);
                Vec::new()
            }
        };
        Self { path, entries }
    }

    /// The mapping at `key`, with no other keys than `known`; one without keys if there is none.
    pub(super) fn section(&self, key: &str, known: &[&str], report: &mut Report) -> Self {
        let path = self.path.key(key);
        match self.get(key) {
            Some(entry) => Self::of(&entry.value, path, known, report),
            None => Self { path, entries: Vec::new() },
        }
    }

    /// The mapping at `key`, whatever its keys are.
    pub(super) fn names(&self, key: &str, report: &mut Report) -> Self {
        let path = self.path.key(key);
        match self.get(key) {
            Some(entry) => Self::with_any_key(&entry.value, path, report),
            None => Self { path, entries: Vec::new() },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// The text at `key`, `None` if there is none or it is empty, as the toolkit has it.
    pub(super) fn text(&self, key: &str, report: &mut Report) -> Option<Item<'a>> {
        let entry = self.get(key)?;
        let path = self.path.key(key);
        report.stands_in_line(path.clone(), entry.line);
        item(&entry.value, path, report).filter(|item| !item.text.is_empty())
    }

    /// The texts of the list at `key`, `None` if there is none.
    pub(super) fn list(&self, key: &str, report: &mut Report) -> Option<Vec<Item<'a>>> {
        let entry = self.get(key)?;
        let path = self.path.key(key);
        report.stands_in_line(path.clone(), entry.line);
        match &entry.value.content {
            Content::Null => None,
            Content::List(items) => {
                let items = items.iter().enumerate();
                Some(items.filter_map(|(at, node)| item(node, path.index(at), report)).collect())
            }
            other => {
                report.problem(&path, format!("is {}; allowed: a list (- item)", other.describe()));
                None
            }
        }
    }

    /// The value at `key` as one of `words`, or `default` if there is none.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        default: T,
        report: &mut Report,
    ) -> T {
        let Some(Item { path, text }) = self.text(key, report) else { return default };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word);
            report.problem(&path, format!("{} is unknown; {}", quoted(text), allowed(text, known)));
        }
        found.map_or(default, |(_, value)| *value)
    }

    /// The yes or no at `key`, in the spellings of YAML 1.1, or `default` if there is none.
    pub(super) fn boolean(&self, key: &str, default: bool, report: &mut Report) -> bool {
        let Some(Item { path, text }) = self.text(key, report) else { return default };
        match text {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                true
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
            | "N" => false,
            _ => {
                let message = format!("{} is no truth value; allowed: true, false", quoted(text));
                report.problem(&path, message);
                default
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key).copied()
    }
}

fn item<'a>(node: &'a Node, path: KeyPath, report: &mut Report) -> Option<Item<'a>> {
    // Nothing stands where the next value begins.
    if !matches!(node.content, Content::Null) {
        report.stands_in_line(path.clone(), node.line);
    }
    match &node.content {
        Content::Null => None,
        Content::Text(text) => Some(Item { path, text }),
        other => {
            report.problem(&path, format!("is {}; allowed: one value", other.describe()));
            None
        }
    }
}

fn unrepeated<'a>(entries: &'a [Entry], path: &KeyPath, report: &mut Report) -> Vec<&'a Entry> {
    let mut lines = BTreeMap::new();
    let mut first = Vec::new();
    for entry in entries {
        if let Some(line) = lines.get(&entry.key) {
            let message = format!("is a repeated key; it stands in line {line} already");
            let path = if is_wordlike(&entry.key) { &path.key(&entry.key) } else { path };
            report.problem_in_line(entry.line, path, message);
        } else {
            lines.insert(&entry.key, entry.line);
            first.push(entry);
        }
    }
    first
}

/// Whether a key may be told: one that is no word may be a secret, with a space missing after a
/// colon.
fn is_wordlike(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=40).contains(&key.len()) && key.chars().all(fits)
}

fn unknown(entry: &Entry, path: &KeyPath, known: &[&str], report: &mut Report) {
    let name = &entry.key;
    if is_wordlike(name) {
        let message = format!("is an unknown key; {}", allowed(name, known.iter().copied()));
        report.problem_in_line(entry.line, &path.key(name), message);
    } else {
        let message = format!("has an unknown key; allowed: {}", known.join(", "));
        report.problem_in_line(entry.line, path, message);
    }
}
