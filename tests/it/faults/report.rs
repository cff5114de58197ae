//! What the tests saw, as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::seconds;

/// What has been published by now, by title.
static PUBLISHED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// A section of the table.
pub(super) struct Report {
    title: &'static str,
    text: String,
}

impl Report {
    pub(super) fn new(title: &'static str) -> Self {
        let mut text = String::new();
        let (what, shown, seen, over) = (title, "shown as", "seen after", "well again after");
        writeln!(text, "{what:<36} {shown:<36} {seen:>10} {over:>16}").unwrap();
        Self { title, text }
    }

    /// One fault: how it shows, and how long that and the recovery took.
    pub(super) fn line(
        &mut self,
        name: &str,
        shown: &str,
        seen: Option<Duration>,
        recovered: Duration,
    ) {
        let (seen, recovered) = (seen.map(seconds).unwrap_or_default(), seconds(recovered));
        writeln!(self.text, "{name:<36} {shown:<36} {seen:>10} {recovered:>16}").unwrap();
    }

    /// Prints it, and writes it to `fault-table.txt` with what other tests of this run published.
    pub(super) fn publish(self) {
        println!("{}", self.text);
        let mut published = PUBLISHED.lock().unwrap();
        published.insert(self.title.to_owned(), self.text);
        let sections: Vec<_> = published.values().map(String::as_str).collect();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fault-table.txt");
        std::fs::write(file, sections.join("\n")).unwrap();
    }
}
