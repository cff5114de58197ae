//! Free text of the API: descriptions and messages, which anybody may have written.

use std::borrow::Cow;

/// The first `limit` characters, with an ellipsis if there are more.
pub(crate) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    let cut = if text.len() > limit { text.char_indices().nth(limit) } else { None };
    cut.map_or(Cow::Borrowed(text), |(end, _)| format!("{}…", &text[..end]).into())
}

/// The text as a terminal can be given it: nothing in it moves the cursor, changes colours, ends
/// the line or turns the writing direction around.
pub(crate) fn printable(text: &str) -> String {
    let replaced = |character: char| match character {
        '\t' | '\n' | '\r' => ' ',
        _ if character.is_control() || turns_direction(character) => '\u{fffd}',
        _ => character,
    };
    text.chars().map(replaced).collect()
}

/// Whether it is one of the marks that embed, override or isolate a writing direction.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü", 2), "äö…");
    }

    #[test]
    fn what_is_printed_cannot_command_a_terminal() {
        assert_eq!(printable("a\x1b[2J\u{9b}31mb\x07"), "a\u{fffd}[2J\u{fffd}31mb\u{fffd}");
        assert_eq!(printable("one\r\ntwo\tthree"), "one  two three");
        assert_eq!(printable("\u{202e}evil\u{2066}"), "\u{fffd}evil\u{fffd}");
        assert_eq!(printable("größer 数据库 🚀"), "größer 数据库 🚀");
    }
}
