//! The text format 0.0.4: lines, escapes and numbers.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::io::Write as _;

use bytes::Bytes;

use crate::instruments::catalog::Family;

/// Size at which a piece of the page is closed: small enough that a page of many megabytes is not
/// one allocation, large enough that sending it takes few system calls.
const PIECE: usize = 64 * 1024;
/// Room for the line that makes a piece full.
const LINE: usize = 1024;

/// A finished page, in pieces that end at line ends.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pieces: Vec<Bytes>,
}

impl Page {
    /// Size of the whole page in bytes.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The pieces, in their order.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }
}

/// A page in the making.
pub(super) struct Text {
    closed: Vec<Bytes>,
    open: Vec<u8>,
}

impl Text {
    pub(super) fn new() -> Self {
        Self { closed: Vec::new(), open: Vec::with_capacity(PIECE + LINE) }
    }

    pub(super) fn into_page(mut self) -> Page {
        if !self.open.is_empty() {
            self.closed.push(Bytes::from(self.open));
        }
        Page { pieces: self.closed }
    }

    /// Writes the two lines that open a family.
    pub(super) fn header(&mut self, name: &str, kind: &str, help: &str) {
        self.raw("# HELP ");
        self.raw(name);
        self.raw(" ");
        escape(help, Quotes::Free, &mut self.open);
        self.end_line();
        self.raw("# TYPE ");
        self.raw(name);
        self.raw(" ");
        self.raw(kind);
        self.end_line();
    }

    /// The samples of `family`, whose header is written before the first one.
    pub(super) fn samples<'a>(&'a mut self, family: &'a Family) -> Samples<'a> {
        Samples { text: self, family, opened: false }
    }

    /// Writes `,name="value"`, without the comma after `{`.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        label(name, value, &mut self.open);
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.open.extend_from_slice(text.as_bytes());
    }

    /// Writes a value and ends its line.
    pub(super) fn value(&mut self, value: Value) {
        self.raw(" ");
        match value {
            Value::Integer(integer) => self.raw(itoa::Buffer::new().format(integer)),
            Value::Float(float) => float_into(float, &mut self.open),
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        self.raw("\n");
        if self.open.len() >= PIECE {
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(PIECE + LINE));
            self.closed.push(Bytes::from(full));
        }
    }
}

/// The value of a sample. Both are written as the shortest decimal that reads back the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Integer(u64),
    Float(f64),
}

/// Writes samples of one family of the catalog.
pub(super) struct Samples<'a> {
    text: &'a mut Text,
    family: &'a Family,
    opened: bool,
}

impl Samples<'_> {
    /// Writes a sample. `head` is the text of the family's first labels, escaped; `rest` the values
    /// of the labels after those, as many as there are.
    pub(super) fn write(&mut self, head: &[u8], rest: &[&str], value: Value) {
        if !self.opened {
            self.opened = true;
            self.text.header(self.family.name, self.family.kind.as_str(), self.family.help);
        }
        self.text.raw(self.family.name);
        self.text.raw("{");
        self.text.open.extend_from_slice(head);
        let labels = self.family.labels;
        let names = labels.iter().skip(labels.len().saturating_sub(rest.len()));
        for (name, value) in names.zip(rest) {
            self.text.label(name, value);
        }
        self.text.raw("}");
        self.text.value(value);
    }
}

/// The text of the labels `names` with `values`, as it stands between the braces.
pub(super) fn labels(names: &[&str], values: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in names.iter().zip(values) {
        label(name, value, &mut text);
    }
    text
}

fn label(name: &str, value: &str, text: &mut Vec<u8>) {
    if !matches!(text.last(), None | Some(b'{')) {
        text.push(b',');
    }
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"=\"");
    escape(value, Quotes::Escaped, text);
    text.push(b'"');
}

/// Whether a double quote is special where a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Escaped,
    Free,
}

fn escape(value: &str, quotes: Quotes, text: &mut Vec<u8>) {
    let special = |byte| matches!(byte, b'\\' | b'\n') || byte == b'"' && quotes == Quotes::Escaped;
    if !value.bytes().any(special) {
        text.extend_from_slice(value.as_bytes());
        return;
    }
    for byte in value.bytes() {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            _ if special(byte) => text.extend_from_slice(&[b'\\', byte]),
            _ => text.push(byte),
        }
    }
}

fn float_into(value: f64, text: &mut Vec<u8>) {
    if value.is_nan() {
        text.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        text.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Adding zero turns -0 into 0. Writing into memory cannot fail.
        let _ = write!(text, "{}", value + 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new();
        write(&mut text);
        let pieces = text.into_page().into_pieces().concat();
        String::from_utf8(pieces).unwrap()
    }

    #[test]
    fn escapes_backslash_line_feed_and_quote_in_a_label_and_nothing_else() {
        let cases = [
            ("", r#"l="""#),
            ("plain", r#"l="plain""#),
            (r"C:\dir", r#"l="C:\\dir""#),
            ("say \"hi\"", r#"l="say \"hi\"""#),
            ("two\nlines", r#"l="two\nlines""#),
            (r"\n", r#"l="\\n""#),
            ("\ttab 迁移 🚚", "l=\"\ttab 迁移 🚚\""),
        ];
        for (value, expected) in cases {
            assert_eq!(written(|text| text.label("l", value)), expected);
        }
    }

    #[test]
    fn leaves_quotes_in_help_alone() {
        let header = written(|text| text.header("m", "gauge", "a \"b\" \\ c\nd"));
        assert_eq!(header, "# HELP m a \"b\" \\\\ c\\nd\n# TYPE m gauge\n");
    }

    #[test]
    fn writes_numbers_in_their_shortest_form_without_exponent() {
        let cases = [
            (Value::Integer(u64::MAX), "18446744073709551615"),
            (Value::Integer(0), "0"),
            (Value::Float(1_700_000_000.0), "1700000000"),
            (Value::Float(1_700_000_000.125), "1700000000.125"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1e-7), "0.0000001"),
            (Value::Float(1e21), "1000000000000000000000"),
            (Value::Float(-0.0), "0"),
            (Value::Float(-2.5), "-2.5"),
            (Value::Float(f64::NAN), "NaN"),
            (Value::Float(f64::INFINITY), "+Inf"),
            (Value::Float(f64::NEG_INFINITY), "-Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(written(|text| text.value(value)), format!(" {expected}\n"));
        }
    }

    #[test]
    fn a_long_page_comes_in_pieces_that_end_at_line_ends() {
        let mut text = Text::new();
        for number in 0..20_000 {
            text.raw("some_metric_with_a_long_name");
            text.value(Value::Integer(number));
        }
        let page = text.into_page();
        let size = page.size();
        let pieces = page.into_pieces();

        assert!(pieces.len() > 5);
        assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
        assert!(pieces.iter().all(|piece| piece.len() < PIECE + LINE));
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), size);
        assert_eq!(pieces.concat().iter().filter(|byte| **byte == b'\n').count(), 20_000);
    }

    #[test]
    fn nothing_written_is_no_piece() {
        assert!(Text::new().into_page().into_pieces().is_empty());
    }
}
