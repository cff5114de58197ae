//! Text whose values change and whose series do not: what stands between the values is kept.

use super::text::Value;

/// What stands before each value of a text.
pub(super) struct Template {
    starts: Vec<Vec<u8>>,
    /// Of the text that it was made from, in bytes.
    size: usize,
}

impl Template {
    /// The template of `text`: values are the last words of its samples.
    pub(super) fn of(text: &[u8]) -> Self {
        let (mut starts, mut start) = (Vec::new(), Vec::new());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b"#") {
                start.extend_from_slice(line);
                continue;
            }
            let value =
                line.iter().rposition(|byte| *byte == b' ').map_or(line.len(), |end| end + 1);
            start.extend_from_slice(&line[..value]);
            starts.push(std::mem::take(&mut start));
        }
        Self { starts, size: text.len() }
    }

    /// The text with these values, of which there have to be as many as there were.
    pub(super) fn filled(&self, values: impl Iterator<Item = Value>) -> Vec<u8> {
        // Values get longer as they grow.
        let mut text = Vec::with_capacity(self.size + self.size / 8);
        for (start, value) in self.starts.iter().zip(values) {
            text.extend_from_slice(start);
            value.write(&mut text);
            text.push(b'\n');
        }
        text
    }
}
