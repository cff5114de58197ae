//! Reads typed values out of the merged layers, and reports what does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Map, Value, ValueKind};

use super::duration;
use super::problem::{KeyPath, Report, allowed, quoted};

/// A mapping of the configuration and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    pub(super) path: KeyPath,
    table: Option<&'a Map<String, Value>>,
}

/// Reads values, and gathers what is wrong with them.
///
/// A method that returns an `Option` has reported why there is no value. It fills in defaults, so
/// that checks across values can go on with what is right.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) report: Report,
    directory: PathBuf,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: &'a Map<String, Value>) -> Self {
        Self { path: KeyPath::default(), table: Some(table) }
    }

    /// The mapping at `key`; one without keys if there is none.
    pub(super) fn section(&self, key: &str) -> Self {
        let table = match self.get(key) {
            Some(ValueKind::Table(table)) => Some(table),
            _ => None,
        };
        Self { path: self.path.key(key), table }
    }

    /// Whether there is a mapping at `key`.
    pub(super) fn has_section(&self, key: &str) -> bool {
        matches!(self.get(key), Some(ValueKind::Table(_)))
    }

    /// The mappings at the names of this mapping, in the order of the names.
    pub(super) fn named(&self) -> Vec<(&'a str, Self)> {
        let mut names: Vec<_> = self.table.iter().flat_map(|table| table.keys()).collect();
        names.sort();
        names.into_iter().map(|name| (name.as_str(), self.section(name))).collect()
    }

    /// The mappings of the list at `key`; items that are none, which the check of the keys has
    /// reported, are left out.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = Self> + use<'a> {
        let items = match self.get(key) {
            Some(ValueKind::Array(items)) => items.as_slice(),
            _ => &[],
        };
        let path = self.path.key(key);
        items.iter().enumerate().filter_map(move |(index, item)| match &item.kind {
            ValueKind::Table(table) => Some(Self { path: path.index(index), table: Some(table) }),
            _ => None,
        })
    }

    /// The texts of the list at `key`, each with the way to it; `None` if there is no list. Items
    /// that are none, which the check of the keys has reported, are left out.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<(KeyPath, &'a str)>> {
        let Some(ValueKind::Array(items)) = self.get(key) else { return None };
        let path = self.path.key(key);
        let texts = items.iter().enumerate().filter_map(|(index, item)| match &item.kind {
            ValueKind::String(text) => Some((path.index(index), text.as_str())),
            _ => None,
        });
        Some(texts.collect())
    }

    /// The names and texts of the mapping at `key`, in the order of the names.
    pub(super) fn pairs(&self, key: &str) -> BTreeMap<&'a str, &'a str> {
        let Some(ValueKind::Table(table)) = self.get(key) else { return BTreeMap::new() };
        let pairs = table.iter().filter_map(|(name, value)| match &value.kind {
            ValueKind::String(text) => Some((name.as_str(), text.as_str())),
            _ => None,
        });
        pairs.collect()
    }

    /// The value at `key`, as it is written.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.get(key) {
            Some(ValueKind::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value at `key`, if there is one that is not empty.
    pub(super) fn filled(&self, key: &str) -> Option<&'a str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    fn get(&self, key: &str) -> Option<&'a ValueKind> {
        self.table?.get(key).map(|value| &value.kind)
    }
}

impl Reader {
    /// `directory` is what relative paths of files start from.
    pub(super) fn new(report: Report, directory: &Path) -> Self {
        Self { report, directory: directory.to_owned() }
    }

    /// The value at `key` as `parse` understands it, or `default` if there is none. The error of
    /// `parse` follows the quoted value in a sentence.
    pub(super) fn value<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = section.text(key) else {
            return (!self.report.has(&section.path.key(key))).then_some(default);
        };
        self.parsed(section, key, text, parse)
    }

    /// The value at `key` as `parse` understands it. `what` says what is missing without one.
    pub(super) fn required<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = section.filled(key) else {
            if !self.is_reported(section, key) {
                self.problem(section, key, format!("is missing; allowed: {what}"));
            }
            return None;
        };
        self.parsed(section, key, text, parse)
    }

    /// The items of the list at `key` as `parse` understands them, each once; `None` if there is
    /// no list or something is wrong with it.
    pub(super) fn set<T: Ord>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<BTreeSet<T>> {
        let mut set = BTreeSet::new();
        let mut fits = !self.report.has(&section.path.key(key));
        for (path, text) in section.texts(key)? {
            let problem = match parse(text).map(|item| set.insert(item)) {
                Ok(true) => continue,
                Ok(false) => "stands in this list already".to_owned(),
                Err(error) => error,
            };
            fits = false;
            self.report.problem(&path, format!("{} {problem}", quoted(text)));
        }
        fits.then_some(set)
    }

    /// The duration at `key`.
    pub(super) fn duration(
        &mut self,
        section: &Section<'_>,
        key: &str,
        default: Option<Duration>,
    ) -> Option<Duration> {
        match section.text(key) {
            Some(text) => self.parsed(section, key, text, duration::parse),
            None if self.report.has(&section.path.key(key)) => None,
            None => default,
        }
    }

    /// The path of a file at `key`, from the configuration's directory.
    pub(super) fn file(&self, section: &Section<'_>, key: &str) -> Option<PathBuf> {
        section.filled(key).map(|path| self.directory.join(path))
    }

    /// Whether a missing value at `key` needs no word: there is one, and it or its mapping has a
    /// problem already.
    pub(super) fn is_reported(&self, section: &Section<'_>, key: &str) -> bool {
        self.report.has(&section.path) || self.report.has(&section.path.key(key))
    }

    /// Adds a problem of the value at `key`.
    pub(super) fn problem(&mut self, section: &Section<'_>, key: &str, message: impl Into<String>) {
        self.report.problem(&section.path.key(key), message);
    }

    fn parsed<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(section, key, format!("{} {error}", quoted(text)));
                None
            }
        }
    }
}

/// Reads one of a few words.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    known.ok_or_else(|| {
        format!("is not known; {}", allowed(text, words.iter().map(|(word, _)| *word)))
    })
}

/// Reads a whole number from 1 to `max`.
pub(super) fn count(text: &str, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("is not allowed; allowed: a whole number from 1 to {max}"))
}
