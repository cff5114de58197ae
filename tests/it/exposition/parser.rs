//! Reads the text format 0.0.4 as strictly as our page promises to be written: one way to write
//! each thing, and every other way refused.

use std::fmt;

use super::page::{Family, Labels, Page, Sample};
use super::rules;

/// Why a page was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// Line, from 1.
    line: usize,
    problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for Error {}

/// What is wrong with a line, without its number.
pub(super) type Problem = String;

/// Reads a page, or says which rule it breaks.
pub(crate) fn parse(text: &str) -> Result<Page, Error> {
    let mut reader = Reader::default();
    let mut line = 0;
    let mut read = || {
        if !text.ends_with('\n') {
            line = text.lines().count();
            return Err("the page does not end with a line feed".to_owned());
        }
        for content in text.split_terminator('\n') {
            line += 1;
            reader.line(content)?;
        }
        reader.end_of_family()
    };
    let result = read();
    result.map_err(|problem| Error { line, problem })?;
    Ok(Page { families: reader.families })
}

#[derive(Default)]
struct Reader {
    families: Vec<Family>,
    open: Open,
}

/// What was read of the family that is being read.
#[derive(Default)]
enum Open {
    #[default]
    Nothing,
    Help {
        name: String,
        help: String,
    },
    Type(Family),
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Problem> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            self.help(rest)
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            self.kind(rest)
        } else if line.is_empty() || line.starts_with('#') {
            Err(format!("neither HELP nor TYPE nor a sample: {line:?}"))
        } else {
            self.sample(line)
        }
    }

    fn help(&mut self, rest: &str) -> Result<(), Problem> {
        self.end_of_family()?;
        let (name, help) = rest.split_once(' ').ok_or("HELP without a text")?;
        metric_name(name)?;
        if self.families.iter().any(|family| family.name == name) {
            return Err(format!("HELP of {name} for the second time"));
        }
        if let Some(before) = self.families.last().filter(|before| *before.name > *name) {
            return Err(format!("family {name} after {}: not sorted", before.name));
        }
        let help = unescape(help, false)?;
        if help.trim() != help || help.is_empty() {
            return Err(format!("HELP of {name} is empty or has space around it"));
        }
        self.open = Open::Help { name: name.to_owned(), help };
        Ok(())
    }

    fn kind(&mut self, rest: &str) -> Result<(), Problem> {
        let (name, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
        if !["counter", "gauge", "histogram"].contains(&kind) {
            return Err(format!("{kind:?} is no type of ours"));
        }
        match std::mem::take(&mut self.open) {
            Open::Help { name: helped, help } if helped == name => {
                let (name, kind, samples) = (helped, kind.to_owned(), Vec::new());
                self.open = Open::Type(Family { name, help, kind, samples });
                Ok(())
            }
            Open::Type(family) if family.name == name => {
                Err(format!("TYPE of {name} for the second time"))
            }
            Open::Help { .. } | Open::Type(_) | Open::Nothing => {
                Err(format!("TYPE of {name} without its HELP before it"))
            }
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), Problem> {
        let sample = sample(line)?;
        let Open::Type(family) = &mut self.open else {
            return Err(format!("sample of {} without HELP and TYPE before it", sample.name));
        };
        if !rules::belongs(&sample, family) {
            return Err(format!("sample of {} in family {}", sample.name, family.name));
        }
        family.samples.push(sample);
        Ok(())
    }

    fn end_of_family(&mut self) -> Result<(), Problem> {
        match std::mem::take(&mut self.open) {
            Open::Nothing => Ok(()),
            Open::Help { name, .. } => Err(format!("HELP of {name} without its TYPE after it")),
            Open::Type(family) => {
                rules::check(&family)?;
                self.families.push(family);
                Ok(())
            }
        }
    }
}

fn sample(line: &str) -> Result<Sample, Problem> {
    let end_of_name = line.find(['{', ' ']).ok_or_else(|| format!("no value: {line:?}"))?;
    let (name, rest) = line.split_at(end_of_name);
    metric_name(name)?;
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = value.strip_prefix(' ').ok_or("no space before the value")?;
    Ok(Sample { name: name.to_owned(), labels, value: number(value)? })
}

/// Reads labels up to the closing brace; returns them and what stands behind it.
fn labels(mut rest: &str) -> Result<(Labels, &str), Problem> {
    let mut labels = Labels::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a quoted value")?;
        label_name(name)?;
        if labels.iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("label {name} twice in one sample"));
        }
        let end = end_of_value(after).ok_or("a label value without its closing quote")?;
        labels.push((name.to_owned(), unescape(&after[..end], true)?));
        let after = &after[end + 1..];
        if let Some(behind) = after.strip_prefix('}') {
            return Ok((labels, behind));
        }
        rest = after.strip_prefix(',').ok_or("neither comma nor brace behind a label")?;
    }
}

/// Where the first quote stands that has no backslash before it.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, Problem> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => return Err(format!("no such escape: backslash and {other:?}")),
            },
            other => other,
        });
    }
    Ok(plain)
}

/// Reads a value: finite, the shortest decimal for it, and the last thing on its line.
pub(super) fn number(text: &str) -> Result<f64, Problem> {
    if text.contains(' ') {
        return Err(format!("something behind the value, a timestamp perhaps: {text:?}"));
    }
    let value: f64 = text.parse().map_err(|_| format!("not a number: {text:?}"))?;
    if !value.is_finite() {
        return Err(format!("not finite: {text:?}"));
    }
    let integer = text.parse::<u64>().is_ok_and(|integer| integer.to_string() == text);
    if !integer && value.to_string() != text {
        return Err(format!("not the shortest way to write {value}: {text:?}"));
    }
    Ok(value)
}

fn metric_name(name: &str) -> Result<(), Problem> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let good = name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit());
    good.then_some(()).ok_or_else(|| format!("not a metric name: {name:?}"))
}

fn label_name(name: &str) -> Result<(), Problem> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = name.chars().all(legal)
        && name.starts_with(|c: char| !c.is_ascii_digit())
        && !name.starts_with("__");
    good.then_some(()).ok_or_else(|| format!("not a label name: {name:?}"))
}
