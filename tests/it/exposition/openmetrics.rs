//! Reads OpenMetrics 1.0 as strictly as our page promises to be written: what differs from the text
//! format is checked here and put into its form, the rest is for its parser.
//!
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::collections::BTreeSet;

use super::parser::Problem;

/// The same page in the text format 0.0.4, or which rule it breaks.
pub(crate) fn openmetrics_as_text(page: &str) -> Result<String, Problem> {
    let body = page.strip_suffix("# EOF\n").ok_or("the page does not end with # EOF")?;
    if body.lines().any(|line| line == "# EOF") {
        return Err("something stands behind # EOF".to_owned());
    }
    let counters: BTreeSet<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    if let Some(name) = counters.iter().find(|name| name.ends_with("_total")) {
        return Err(format!("the family of counter {name} is named with _total"));
    }
    let mut text = String::new();
    for line in body.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                if what == "HELP" && rest.contains('"') {
                    return Err(format!("quotes in HELP of {name} have to be escaped"));
                }
                let total = if counters.contains(name) { "_total" } else { "" };
                text += &format!("# {what} {name}{total} {rest}\n");
            }
            _ => text += &format!("{line}\n"),
        }
    }
    Ok(text)
}
