//! Lines of the text formats: headers, labels and escapes.

use crate::instruments::catalog::{Family, Kind};

use super::format::Format;
use super::value::Value;

/// Size at which a piece of text is handed on, unless said otherwise.
const PIECE: usize = 64 * 1024;
/// Room for the line that makes a piece full.
pub(super) const LINE: usize = 1024;

/// Text in the making, which is handed on when a piece is full.
pub(super) struct Text<'a> {
    open: Vec<u8>,
    /// Where the lines of one instance begin alike, kept for its memory.
    start: Vec<u8>,
    full: &'a mut Full<'a>,
    /// Size at which a piece is full.
    piece: usize,
    /// Bytes that were handed on.
    handed_on: u64,
}

/// Text that was not handed on yet, and memory to write more.
#[derive(Default)]
pub(super) struct Memory {
    open: Vec<u8>,
    start: Vec<u8>,
}

impl From<Vec<u8>> for Memory {
    fn from(open: Vec<u8>) -> Self {
        Self { open, start: Vec::new() }
    }
}

impl Memory {
    /// The text.
    pub(super) fn text(&self) -> &[u8] {
        &self.open
    }

    /// Forgets the text before `start`.
    pub(super) fn keep_from(&mut self, start: usize) {
        self.open.drain(..start);
    }
}

/// Takes a piece of text, and may keep its memory.
pub(super) type Full<'a> = dyn FnMut(&mut Vec<u8>) + 'a;

impl<'a> Text<'a> {
    /// Text that is handed to `full` in pieces that end at line ends.
    pub(super) fn new(full: &'a mut Full<'a>) -> Self {
        let memory = Memory { open: Vec::new(), start: Vec::with_capacity(LINE) };
        Self::after(memory, PIECE, full)
    }

    /// The same in pieces of another size, behind text that was written before.
    pub(super) fn after(memory: Memory, piece: usize, full: &'a mut Full<'a>) -> Self {
        let Memory { open, start } = memory;
        Self { open, start, full, piece, handed_on: 0 }
    }

    /// Bytes written so far.
    pub(super) fn size(&self) -> u64 {
        self.handed_on + self.open.len() as u64
    }

    /// Whether a piece was handed on.
    pub(super) fn was_handed_on(&self) -> bool {
        self.handed_on > 0
    }

    /// What was not handed on yet.
    pub(super) fn into_rest(self) -> Memory {
        Memory { open: self.open, start: self.start }
    }

    /// Hands on what is left. Gives the memory back.
    pub(super) fn finish(mut self) -> Memory {
        if !self.open.is_empty() {
            self.hand_on();
        }
        self.into_rest()
    }

    fn hand_on(&mut self) {
        self.handed_on += self.open.len() as u64;
        (self.full)(&mut self.open);
        self.open.clear();
    }

    /// Writes the two lines that open a family.
    pub(super) fn header(&mut self, name: &str, kind: Kind, help: &str, format: Format) {
        let name = format.family_name(name, kind);
        self.raw("# HELP ");
        self.raw(name);
        self.raw(" ");
        escape(help, Quotes::Free, &mut self.open);
        self.end_line();
        self.raw("# TYPE ");
        self.raw(name);
        self.raw(" ");
        self.raw(kind.as_str());
        self.end_line();
    }

    /// The samples of an instance in `family`. `head` is the text of the family's first labels.
    pub(super) fn samples(&mut self, family: &'a Family, head: &[u8]) -> Samples<'_, 'a> {
        self.start.clear();
        self.start.extend_from_slice(family.name.as_bytes());
        self.start.push(b'{');
        self.start.extend_from_slice(head);
        Samples { text: self, family }
    }

    /// Writes `,name="value"`, without the comma after `{`.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        label(name, value, &mut self.open);
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes whole lines, or a part of one.
    pub(super) fn bytes(&mut self, text: &[u8]) {
        self.open.extend_from_slice(text);
    }

    /// Writes a value and ends its line.
    pub(super) fn value(&mut self, value: Value) {
        self.open.push(b' ');
        value.write(&mut self.open);
        self.end_line();
    }

    fn end_line(&mut self) {
        self.open.push(b'\n');
        if self.open.len() >= self.piece {
            self.hand_on();
        }
    }
}

/// What `write` writes, in one piece.
pub(super) fn written(write: impl FnOnce(&mut Text<'_>)) -> Vec<u8> {
    let mut written = Vec::new();
    let mut full = |piece: &mut Vec<u8>| written.append(piece);
    let mut text = Text::new(&mut full);
    write(&mut text);
    text.finish();
    written
}

/// Writes samples of one instance in one family of the catalog.
pub(super) struct Samples<'t, 'a> {
    text: &'t mut Text<'a>,
    family: &'a Family,
}

impl Samples<'_, '_> {
    /// Writes a sample. `rest` are the values of the family's last labels, as many as there are.
    pub(super) fn write(&mut self, rest: &[&str], value: Value) {
        self.text.open.extend_from_slice(&self.text.start);
        let labels = self.family.labels;
        let names = labels.iter().skip(labels.len().saturating_sub(rest.len()));
        for (name, value) in names.zip(rest) {
            self.text.label(name, value);
        }
        self.text.open.push(b'}');
        self.text.value(value);
    }

    /// Makes every further line begin with the label `name`, whose value is a number that follows.
    pub(super) fn numbered(self, name: &str) -> Self {
        label_start(name, &mut self.text.start);
        self
    }

    /// Writes a sample for each item. `rest` writes what one has behind the labels that all have.
    pub(super) fn write_each<T>(
        self,
        items: impl Iterator<Item = T>,
        rest: impl Fn(T, &mut Vec<u8>),
    ) {
        let text = self.text;
        for item in items {
            text.open.extend_from_slice(&text.start);
            rest(item, &mut text.open);
            text.end_line();
        }
    }
}

/// What follows the number of a sample with these further labels and this value.
pub(super) fn behind_number(further_labels: &[u8], value: u64) -> Box<[u8]> {
    let value = value.to_string();
    [b"\"", further_labels, value.as_bytes()].concat().into()
}

/// The text of a sample from its last labels on, up to its value.
pub(super) fn further_labels(names: &[&str], values: &[&str]) -> Box<[u8]> {
    let mut text = vec![b','];
    text.extend(labels(names, values));
    text.extend_from_slice(b"} ");
    text.into()
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
    label_start(name, text);
    escape(value, Quotes::Escaped, text);
    text.push(b'"');
}

fn label_start(name: &str, text: &mut Vec<u8>) {
    if !matches!(text.last(), None | Some(b'{')) {
        text.push(b',');
    }
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"=\"");
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

#[cfg(test)]
mod tests {
    use crate::instruments::catalog::TASKS;
    use crate::metrics::value::write_integer;

    use super::*;

    fn pieces(write: impl FnOnce(&mut Text<'_>)) -> Vec<String> {
        let mut pieces = Vec::new();
        let mut full = |piece: &mut Vec<u8>| pieces.push(String::from_utf8(piece.clone()).unwrap());
        let mut text = Text::new(&mut full);
        write(&mut text);
        text.finish();
        pieces
    }

    fn written(write: impl FnOnce(&mut Text<'_>)) -> String {
        String::from_utf8(super::written(write)).unwrap()
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
        let header = written(|text| text.header("m", Kind::Gauge, "a \"b\" \\ c\nd", Format::Text));
        assert_eq!(header, "# HELP m a \"b\" \\\\ c\\nd\n# TYPE m gauge\n");
    }

    #[test]
    fn a_value_ends_its_line() {
        assert_eq!(written(|text| text.value(Value::Integer(12))), " 12\n");
        assert_eq!(written(|text| text.value(Value::Float(2.5))), " 2.5\n");
    }

    #[test]
    fn counters_have_another_name_in_the_headers_of_openmetrics() {
        let header = |format| written(|text| text.header("m_total", Kind::Counter, "h", format));
        assert_eq!(header(Format::Text), "# HELP m_total h\n# TYPE m_total counter\n");
        assert_eq!(header(Format::OpenMetrics), "# HELP m h\n# TYPE m counter\n");
    }

    #[test]
    fn a_long_text_comes_in_pieces_that_end_at_line_ends() {
        let writers: [fn(&mut Text<'_>); 2] = [
            |text| {
                for number in 0..20_000 {
                    text.raw("some_metric_with_a_long_name");
                    text.value(Value::Integer(number));
                }
            },
            |text| {
                text.samples(&TASKS, b"account=\"a\"").write_each(0..20_000, |number, text| {
                    text.extend_from_slice(b"} ");
                    write_integer(number, text);
                });
            },
        ];
        for write in writers {
            let pieces = pieces(write);

            assert!(pieces.len() > 5);
            assert!(pieces.iter().all(|piece| piece.ends_with('\n')));
            assert!(pieces.iter().all(|piece| piece.len() < PIECE + LINE));
            let text = pieces.concat();
            let numbers = text.lines().map(|line| line.split(' ').next_back().unwrap().parse());
            assert!(numbers.eq((0..20_000).map(Ok)));
        }
    }

    #[test]
    fn nothing_written_is_no_piece() {
        assert!(pieces(|_| {}).is_empty());
    }
}
