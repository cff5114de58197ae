//! Text whose values change and whose series do not: only what has changed is written.

use std::ops::Range;

use super::text::Value;

/// A text, and where its values stand.
#[derive(Default)]
pub(super) struct Template {
    text: Vec<u8>,
    gaps: Vec<Gap>,
    /// The fraction that was written last, for its memory.
    written: Vec<u8>,
}

struct Gap {
    place: Range<usize>,
    /// `None` if nothing was put there yet.
    value: Option<Value>,
}

impl Template {
    /// The template of `text`: values are the last words of its samples.
    pub(super) fn of(text: Vec<u8>) -> Self {
        let (mut gaps, mut end) = (Vec::new(), 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let start = end;
            end += line.len();
            if !line.starts_with(b"#") {
                let value =
                    line.iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
                gaps.push(Gap { place: start + value..end - 1, value: None });
            }
        }
        Self { text, gaps, written: Vec::new() }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the value of this sample was put there.
    pub(super) fn has(&self, sample: usize, value: Value) -> bool {
        self.gaps.get(sample).is_some_and(|gap| gap.value == Some(value))
    }

    /// Puts the value of a sample into its gap.
    pub(super) fn put(&mut self, sample: usize, value: Value) {
        if self.has(sample, value) {
            return;
        }
        let Some(gap) = self.gaps.get_mut(sample) else { return };
        gap.value = Some(value);
        let mut digits = itoa::Buffer::new();
        let written = match value {
            Value::Integer(integer) => digits.format(integer).as_bytes(),
            Value::Float(_) => {
                self.written.clear();
                value.write(&mut self.written);
                &self.written
            }
        };
        let before = gap.place.len();
        if written.len() == before {
            self.text[gap.place.clone()].copy_from_slice(written);
            return;
        }
        self.text.splice(gap.place.clone(), written.iter().copied());
        gap.place.end = gap.place.start + written.len();
        for gap in &mut self.gaps[sample + 1..] {
            let moved = |at: usize| at + written.len() - before;
            gap.place = moved(gap.place.start)..moved(gap.place.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_the_place_of_the_one_before_whatever_its_length() {
        let text = |a, b, c| {
            format!(
                "# HELP m 1 2\n# TYPE m counter\nm{{l=\"x 7\"}} {a}\nm{{l=\"y\"}} {b}\n# EOF\nn {c}\n"
            )
        };
        let mut template = Template::of(text("0", "0", "0").into_bytes());
        let rounds = [("5", "10", "0"), ("1234", "10", "0.5"), ("7", "9", "0.25"), ("7", "9", "1")];
        for (a, b, c) in rounds {
            template.put(0, Value::Integer(a.parse().unwrap()));
            template.put(1, Value::Integer(b.parse().unwrap()));
            template.put(2, Value::Float(c.parse().unwrap()));
            assert!(template.has(1, Value::Integer(b.parse().unwrap())));
            assert!(!template.has(1, Value::Integer(77)));
            assert_eq!(String::from_utf8_lossy(template.text()), text(a, b, c));
        }
    }
}
