//! YAML text into a tree that keeps every scalar as it is written, and its line.
//!
//! A number-like secret or instance ID stays text this way, and a message can name a line. What
//! the keys mean is not known here. Messages repeat nothing of the text: it may hold a secret.

use std::collections::HashMap;

use yaml_rust2::Event;
use yaml_rust2::parser::{Parser, Tag};
use yaml_rust2::scanner::TScalarStyle;

/// Deeper nesting than any configuration has.
const MAX_DEPTH: usize = 32;
/// More values than 10,000 instances need; aliases that multiply themselves end here.
const MAX_NODES: usize = 1_000_000;
/// Handle of YAML's own tags, such as `!!str`.
const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// A value and the line it starts in.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    /// Whether it is a scalar without quotes: YAML takes some of these for numbers.
    pub(crate) is_plain: bool,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// Any scalar, as it is written.
    Text(String),
    List(Vec<Node>),
    /// Entries in the order of the file, repeated keys included.
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) value: Node,
}

/// Why the text is not a YAML document that we take.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// A list or table whose end was not read yet.
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
    /// The key whose value comes next.
    key: Option<(usize, String)>,
}

#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Content {
    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a mapping",
        }
    }
}

/// Reads one YAML document. An empty one is `Null`.
///
/// # Errors
///
/// The first thing that keeps the text from being understood.
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    let mut tree = Tree::default();
    let mut documents = 0;
    loop {
        let (event, mark) = parser.next_token().map_err(|error| YamlError {
            line: error.marker().line(),
            message: format!("is not valid YAML: {}", error.info()),
        })?;
        let line = mark.line();
        let result = match event {
            Event::StreamEnd => break,
            Event::DocumentStart => {
                documents += 1;
                if documents > 1 { Err("holds more than one YAML document") } else { Ok(()) }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == TScalarStyle::Plain && tag.is_none();
                scalar(text, is_plain, tag.as_ref())
                    .and_then(|content| tree.place(Node { line, is_plain, content }, anchor))
            }
            Event::Alias(anchor) => tree.repeat(anchor, line),
            Event::SequenceStart(anchor, tag) => {
                core(tag.as_ref()).and_then(|()| tree.open(line, anchor, Content::List(Vec::new())))
            }
            Event::MappingStart(anchor, tag) => core(tag.as_ref())
                .and_then(|()| tree.open(line, anchor, Content::Table(Vec::new()))),
            Event::SequenceEnd | Event::MappingEnd => tree.close(),
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => Ok(()),
        };
        result.map_err(|message| YamlError { line, message: message.to_owned() })?;
    }
    Ok(tree.root.unwrap_or(Node { line: 1, is_plain: true, content: Content::Null }))
}

impl Tree {
    fn open(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("is nested too deeply");
        }
        if self.open.last().is_some_and(Open::awaits_key) {
            return Err("a key is a list or a mapping; keys must be text");
        }
        self.open.push(Open { line, anchor, content, key: None });
        Ok(())
    }

    fn close(&mut self) -> Result<(), &'static str> {
        match self.open.pop() {
            Some(Open { line, anchor, content, .. }) => {
                self.place(Node { line, is_plain: false, content }, anchor)
            }
            None => Ok(()),
        }
    }

    fn repeat(&mut self, anchor: usize, line: usize) -> Result<(), &'static str> {
        // An anchor is known once its value is whole: a value cannot hold itself.
        let node =
            self.anchors.get(&anchor).ok_or("an alias (*) stands inside its own anchor (&)")?;
        let node = Node { line, ..node.clone() };
        let (nodes, depth) = measure(&node);
        if self.open.len() + depth > MAX_DEPTH {
            return Err("is nested too deeply");
        }
        self.nodes += nodes;
        self.place(node, 0)
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err("holds too many values");
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Table(entries) => match open.key.take() {
                Some((line, key)) => entries.push(Entry { line, key, value: node }),
                None => open.key = Some((node.line, key(node)?)),
            },
            Content::Null | Content::Text(_) => {}
        }
        Ok(())
    }
}

impl Open {
    fn awaits_key(&self) -> bool {
        matches!(self.content, Content::Table(_)) && self.key.is_none()
    }
}

fn key(node: Node) -> Result<String, &'static str> {
    match node.content {
        Content::Text(key) => Ok(key),
        Content::Null => Ok(String::new()),
        Content::List(_) | Content::Table(_) => {
            Err("a key is a list or a mapping; keys must be text")
        }
    }
}

fn scalar(text: String, is_plain: bool, tag: Option<&Tag>) -> Result<Content, &'static str> {
    core(tag)?;
    let null = is_plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    Ok(if null { Content::Null } else { Content::Text(text) })
}

fn core(tag: Option<&Tag>) -> Result<(), &'static str> {
    match tag {
        Some(tag) if tag.handle != CORE_TAGS && tag.handle != "!!" => {
            Err("a YAML tag (!) of an application means nothing here")
        }
        _ => Ok(()),
    }
}

/// How many values a value is made of, and how deep they are nested.
fn measure(node: &Node) -> (usize, usize) {
    let inner: Vec<_> = match &node.content {
        Content::Null | Content::Text(_) => return (1, 0),
        Content::List(items) => items.iter().map(measure).collect(),
        Content::Table(entries) => entries.iter().map(|entry| measure(&entry.value)).collect(),
    };
    let nodes: usize = inner.iter().map(|(nodes, _)| nodes).sum();
    let depth = inner.iter().map(|(_, depth)| depth).max().unwrap_or(&0);
    (1 + nodes, 1 + depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(yaml: &str) -> String {
        match parse(yaml).unwrap().content {
            Content::Table(entries) => match &entries[0].value.content {
                Content::Text(text) => text.clone(),
                other => format!("<{}>", other.describe()),
            },
            other => format!("<{}>", other.describe()),
        }
    }

    #[test]
    fn scalars_stay_as_they_are_written() {
        for scalar in ["0123", "1e3", "0x1F", "1_000", "yes", "1.0", "2024-01-01", "-0", ".inf"] {
            assert_eq!(text_of(&format!("key: {scalar}")), scalar);
        }
        assert_eq!(text_of("key: 'null'"), "null");
        assert_eq!(text_of("key: !!str null"), "null");
    }

    #[test]
    fn nothing_is_not_text() {
        for yaml in ["key:", "key: ~", "key: null"] {
            assert_eq!(text_of(yaml), "<nothing>", "{yaml}");
        }
        assert_eq!(text_of("key: ''"), "");
        assert_eq!(text_of("# only a comment\n"), "<nothing>");
    }

    #[test]
    fn an_alias_repeats_its_anchor() {
        let node = parse("a: &x {b: c}\nd: *x\n").unwrap();
        let Content::Table(entries) = node.content else { panic!("not a table") };
        assert!(matches!(&entries[1].value.content, Content::Table(inner) if inner[0].key == "b"));
        assert_eq!(entries[1].value.line, 2);
    }

    #[test]
    fn aliases_that_multiply_themselves_are_refused() {
        let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            yaml.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert_eq!(parse(&yaml).unwrap_err().message, "holds too many values");
    }

    #[test]
    fn refuses_what_a_configuration_cannot_be() {
        for (yaml, message) in [
            ("a: 1\n---\nb: 2\n", "holds more than one YAML document"),
            ("a: &x [*x]\n", "an alias (*) stands inside its own anchor (&)"),
            ("? [a]\n: b\n", "a key is a list or a mapping; keys must be text"),
            ("a: !env b\n", "a YAML tag (!) of an application means nothing here"),
            (&"[".repeat(100), "is nested too deeply"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
        let error = parse("a: b\n c: d: e\n").unwrap_err();
        assert!(error.message.starts_with("is not valid YAML: "), "{}", error.message);
        assert_eq!(error.line, 2);
    }
}
