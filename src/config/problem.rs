//! What is wrong with a configuration, and where.
//!
//! Values are quoted here and nowhere else; whoever reports a problem of a private key (see
//! `keys`) gives no value.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::yaml::{self, Content, Node};

/// Longest value that is quoted whole.
const MAX_QUOTED: usize = 60;

/// The way to a value, such as `instances[2].engine`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    place: Place,
    path: KeyPath,
    message: String,
}

/// Where a problem can be mended. The order is that of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File { name: String, line: Option<usize> },
    Variable(String),
}

/// Gathers problems, and knows where each value came from.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    /// What the file holds, and what that is. It is read again for the first problem alone: lines
    /// of every value would take more memory than the values.
    text: String,
    tree: OnceCell<Option<Node>>,
    lines: BTreeMap<KeyPath, usize>,
    variables: BTreeMap<KeyPath, String>,
    problems: Vec<Problem>,
    reported: BTreeSet<KeyPath>,
}

impl KeyPath {
    pub(crate) fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The lists that the way goes through, each with the place it takes in there.
    pub(super) fn lists(&self) -> impl Iterator<Item = (Self, usize)> + '_ {
        self.0.iter().enumerate().filter_map(|(position, step)| match step {
            Step::Index(index) => Some((Self(self.0[..position].to_vec()), *index)),
            Step::Key(_) => None,
        })
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(name) if !is_word(name) => write!(f, "[{}]", quoted(name))?,
                Step::Key(name) if position == 0 => f.write_str(name)?,
                Step::Key(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { name, line: None } => write!(f, "{name}: ")?,
            Place::File { name, line: Some(line) } => write!(f, "{name}:{line}: ")?,
            Place::Variable(name) => write!(f, "{name}: ")?,
        }
        if self.path.0.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self::of_text(file, String::new())
    }

    /// A report of the values in `text`, a YAML document, which tells their lines by itself.
    pub(crate) fn of_text(file: &str, text: String) -> Self {
        Self {
            file: file.to_owned(),
            text,
            tree: OnceCell::new(),
            lines: BTreeMap::new(),
            variables: BTreeMap::new(),
            problems: Vec::new(),
            reported: BTreeSet::new(),
        }
    }

    /// Remembers that the value at `path` stands in a line of the file.
    pub(crate) fn stands_in_line(&mut self, path: KeyPath, line: usize) {
        self.lines.insert(path, line);
    }

    /// Remembers that the value at `path` comes from an environment variable.
    pub(crate) fn comes_from(&mut self, path: KeyPath, variable: &str) {
        self.variables.insert(path, variable.to_owned());
    }

    /// The environment variable that set the value at `path`.
    pub(crate) fn variable(&self, path: &KeyPath) -> Option<&str> {
        self.variables.get(path).map(String::as_str)
    }

    /// Adds a problem of the value at `path`.
    pub(crate) fn problem(&mut self, path: &KeyPath, message: impl Into<String>) {
        let place = self.place(path);
        self.push(place, path.clone(), message.into());
    }

    /// Adds a problem that stands in a line of the file.
    pub(crate) fn problem_in_line(
        &mut self,
        line: usize,
        path: &KeyPath,
        message: impl Into<String>,
    ) {
        let place = Place::File { name: self.file.clone(), line: Some(line) };
        self.push(place, path.clone(), message.into());
    }

    /// Adds a problem of an environment variable that leads to no value.
    pub(crate) fn problem_of_variable(&mut self, variable: &str, message: impl Into<String>) {
        self.push(Place::Variable(variable.to_owned()), KeyPath::default(), message.into());
    }

    /// Whether a problem of exactly this value is known.
    pub(crate) fn has(&self, path: &KeyPath) -> bool {
        self.reported.contains(path)
    }

    /// The problems, in the order of the file's lines, those of the environment last.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by(|a, b| (&a.place, &a.path).cmp(&(&b.place, &b.path)));
        self.problems
    }

    /// The value's own place, or that of the section it is missing from.
    fn place(&self, path: &KeyPath) -> Place {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(variable) = self.variables.get(&path) {
                return Place::Variable(variable.clone());
            }
            let line = self.lines.get(&path).copied().or_else(|| self.line_in_text(&path));
            if line.is_some() {
                return Place::File { name: self.file.clone(), line };
            }
            at = path.parent();
        }
        Place::File { name: self.file.clone(), line: None }
    }

    fn line_in_text(&self, path: &KeyPath) -> Option<usize> {
        let tree = self.tree.get_or_init(|| yaml::parse(&self.text).ok());
        let mut node = tree.as_ref().filter(|_| !self.text.is_empty())?;
        for step in path.steps() {
            node = match (&node.content, step) {
                (Content::Table(entries), Step::Key(key)) => {
                    &entries.iter().find(|entry| entry.key == *key)?.value
                }
                (Content::List(items), Step::Index(index)) => items.get(*index)?,
                _ => return None,
            };
        }
        Some(node.line)
    }

    fn push(&mut self, place: Place, path: KeyPath, message: String) {
        self.reported.insert(path.clone());
        self.problems.push(Problem { place, path, message });
    }
}

/// A value for a message: in quotes, escaped, and not longer than a line. One that seems to have
/// swallowed the line of a secret, by a slip in the YAML, is not told.
pub(crate) fn quoted(value: &str) -> String {
    if value.to_lowercase().contains("secret") && value.contains(char::is_whitespace) {
        return "the value".to_owned();
    }
    match value.char_indices().nth(MAX_QUOTED) {
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?}...", &value[..end]),
    }
}

/// The one of `known` that `word` was probably meant to be: nearly the same, or one begins with the
/// other. Numbers have no spelling.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    if word.chars().count() < 3 || !word.contains(char::is_alphabetic) {
        return None;
    }
    let distances = known.into_iter().map(|name| {
        let distance = strsim::osa_distance(&word, &name.to_lowercase());
        (distance, name)
    });
    let close = |distance: usize, name: &str| {
        let begins = word.starts_with(name) || name.starts_with(&word);
        begins || distance <= name.chars().count().div_ceil(3)
    };
    let candidates = distances.filter(|(distance, name)| close(*distance, name));
    candidates.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The end of a message about a word that is not one of `known`.
pub(crate) fn allowed<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let hint = nearest(word, known.clone()).map(|name| format!("did you mean {name}? "));
    let known: Vec<_> = known.into_iter().collect();
    format!("{}allowed: {}", hint.unwrap_or_default(), known.join(", "))
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_an_operator_would_write_it() {
        let root = KeyPath::default();
        assert_eq!(root.key("instances").index(2).key("engine").to_string(), "instances[2].engine");
        assert_eq!(root.key("accounts").key("Prod-B").to_string(), "accounts.Prod-B");
        assert_eq!(root.key("accounts").key("a.b").to_string(), "accounts[\"a.b\"]");
    }

    #[test]
    fn a_missing_value_is_reported_where_its_section_stands() {
        let instance = KeyPath::default().key("instances").index(0);
        let mut report = Report::new("config.yaml");
        report.stands_in_line(instance.clone(), 7);
        report.problem(&instance.key("region"), "is missing");

        let problems = report.into_problems();
        assert_eq!(problems[0].to_string(), "config.yaml:7: instances[0].region: is missing");
    }

    #[test]
    fn suggests_a_word_only_if_it_is_near() {
        assert_eq!(nearest("intervall", ["interval", "idle_interval"]), Some("interval"));
        assert_eq!(nearest("mysql", ["MySQL", "SQLServer"]), Some("MySQL"));
        assert_eq!(nearest("region_id", ["region", "engine"]), Some("region"));
        assert_eq!(nearest("10", ["30", "50"]), None);
        assert_eq!(nearest("tags", ["interval", "engine"]), None);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let shown = quoted(&"é".repeat(200));
        assert_eq!(shown, format!("\"{}\"...", "é".repeat(60)));
    }

    #[test]
    fn a_value_that_swallowed_a_secret_is_not_told() {
        assert_eq!(quoted("access_key access_key_secret hunter2"), "the value");
        assert_eq!(quoted("/run/secrets/rds"), "\"/run/secrets/rds\"");
    }
}
