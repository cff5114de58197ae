//! Free text of the API: descriptions and messages, which anybody may have written.

/// The first `limit` characters, with an ellipsis if there are more.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
