//! Reads a scenario from YAML and tells every problem in it with its key path.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::yaml::{self, Content, Entry, Node};

use super::Scenario;

/// Something that a scenario has wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key path, such as `instances[2].tasks[0].life`; empty for the whole document.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// Everything that a scenario has wrong, section by section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The problems; at least one.
    pub problems: Vec<Problem>,
}

const KEYS: &str =
    "speed, order, accounts, regions, instances, roles, metadata, credentials_uris, faults";

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// One problem a line.
impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Reads a scenario; unknown keys are errors.
    ///
    /// # Errors
    ///
    /// When it is not YAML, or says something that the format does not allow.
    pub fn from_yaml(text: &str) -> Result<Self, ScenarioError> {
        let mut reader = Reader::default();
        let scenario = reader.scenario(document(text)?);
        if reader.problems.is_empty() {
            reader.problems = scenario.problems();
        }
        if reader.problems.is_empty() {
            Ok(scenario)
        } else {
            Err(ScenarioError { problems: reader.problems })
        }
    }
}

fn document(text: &str) -> Result<Map<String, Value>, ScenarioError> {
    let problem =
        |message| ScenarioError { problems: vec![Problem { path: String::new(), message }] };
    let node = yaml::parse(text)
        .map_err(|error| problem(format!("line {}: {}", error.line, error.message)))?;
    match value(node, "")? {
        Value::Object(document) => Ok(document),
        _ => Err(problem(format!("a scenario is a mapping; its keys are {KEYS}"))),
    }
}

/// The value of a node at `path`. A scalar without quotes may be a number or a truth value.
fn value(node: Node, path: &str) -> Result<Value, ScenarioError> {
    Ok(match node.content {
        Content::Null => Value::Null,
        Content::Text(text) if node.is_plain => plain(text),
        Content::Text(text) => Value::String(text),
        Content::List(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(at, item)| value(item, &format!("{path}[{at}]")));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Content::Table(entries) => {
            let mut table = Map::new();
            for Entry { line, key, value: inner } in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if table.insert(key, value(inner, &path)?).is_some() {
                    let message = format!("stands in line {line} once more");
                    return Err(ScenarioError { problems: vec![Problem { path, message }] });
                }
            }
            Value::Object(table)
        }
    })
}

fn plain(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => match number.parse() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text),
        },
    }
}

/// Reads the parts of a document one by one, so that one bad part does not hide the others.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn scenario(&mut self, mut document: Map<String, Value>) -> Scenario {
        let default = Scenario::default();
        let scenario = Scenario {
            speed: self.part(&mut document, "speed").unwrap_or(default.speed),
            order: self.part(&mut document, "order").unwrap_or(default.order),
            accounts: self.parts(&mut document, "accounts").unwrap_or(default.accounts),
            regions: self.parts(&mut document, "regions").unwrap_or_default(),
            instances: self.parts(&mut document, "instances").unwrap_or_default(),
            roles: self.parts(&mut document, "roles").unwrap_or_default(),
            metadata: self.part(&mut document, "metadata").unwrap_or_default(),
            credentials_uris: self.parts(&mut document, "credentials_uris").unwrap_or_default(),
            faults: self.parts(&mut document, "faults").unwrap_or_default(),
        };
        for (key, _) in document {
            self.report(key, format!("unknown key; there are {KEYS}"));
        }
        scenario
    }

    fn part<T: DeserializeOwned>(
        &mut self,
        document: &mut Map<String, Value>,
        key: &str,
    ) -> Option<T> {
        let value = document.remove(key)?;
        self.read(key, value)
    }

    fn parts<T: DeserializeOwned>(
        &mut self,
        document: &mut Map<String, Value>,
        key: &str,
    ) -> Option<Vec<T>> {
        let Value::Array(values) = document.remove(key)? else {
            self.report(key.to_owned(), "must be a list".to_owned());
            return None;
        };
        let values = values.into_iter().enumerate();
        Some(values.filter_map(|(at, value)| self.read(&format!("{key}[{at}]"), value)).collect())
    }

    fn read<T: DeserializeOwned>(&mut self, path: &str, value: Value) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(part) => Some(part),
            Err(error) => {
                let inner = error.path().to_string();
                let path = match inner.as_str() {
                    "." => path.to_owned(),
                    inner if inner.starts_with('[') => format!("{path}{inner}"),
                    inner => format!("{path}.{inner}"),
                };
                self.report(path, in_words(error.into_inner().to_string()));
                None
            }
        }
    }

    fn report(&mut self, path: String, message: String) {
        self.problems.push(Problem { path, message });
    }
}

/// Puts serde's messages into words for people who write YAML, not Rust.
fn in_words(message: String) -> String {
    let words = [
        ("unknown field", "unknown key"),
        ("missing field", "missing key"),
        ("unknown variant", "unknown word"),
        ("expected f64", "expected a number"),
        ("expected i64", "expected a whole number"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number from 0"),
        ("expected usize", "expected a whole number from 0"),
    ];
    words.iter().fold(message, |message, (rust, plain)| message.replace(rust, plain))
}
