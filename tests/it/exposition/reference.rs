//! The catalog, the page and the metric reference in `docs/` name the same families.

use std::fmt::Write as _;

use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::instruments::catalog::FAMILIES;

use crate::golden::assert_golden;

use super::{fixtures, parse, text};

const INTRODUCTION: &str = "\
# Metrics

<!-- Written from src/instruments/catalog.rs by `UPDATE_GOLDEN=1 cargo test`; change it there. -->

The values are those of each instance's last good walk through its task list, not of the moment of
the scrape: a scrape never calls the API. No sample carries a timestamp. Label values keep the API's
spelling. A family is on the page only while it has a sample. What is said of HTTP requests and of the
process is a second old at most.
";

const PROCESS: &str = "\
## Of the process

The standard families of Prometheus client libraries, on Linux.
";

fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a str, Vec<String>, &'a str)>) -> String {
    let mut table =
        "\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, kind, labels, help) in rows {
        let labels = labels.join(", ");
        let help = help.replace('|', "\\|").replace('<', "&lt;");
        writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    table
}

fn catalog(own: bool) -> String {
    let about = FAMILIES.iter().filter(|family| family.name.contains("_exporter_") == own);
    table(about.map(|family| {
        let labels = family.labels.iter().map(|label| format!("`{label}`")).collect();
        (family.name, family.kind.as_str(), labels, family.help)
    }))
}

#[test]
fn the_metric_reference_is_written_from_the_catalog() {
    let page = parse(&text::page(&fixtures::every_situation(), &fixtures::every_instrument()));
    let families = page.unwrap().families;
    let process = families.iter().filter(|family| family.name.starts_with("process_"));
    let process = table(process.map(|f| (&*f.name, &*f.kind, Vec::new(), &*f.help)));

    let tasks = catalog(false);
    let own = catalog(true);
    let reference = format!(
        "{INTRODUCTION}\n## Of instances and their tasks\n{tasks}\n## Of the exporter itself\n{own}\n{PROCESS}{process}"
    );
    assert_golden("docs/metrics.md", &reference);
}

#[test]
fn the_page_has_every_family_of_the_catalog_and_the_process_and_no_other() {
    let page = text::page(&fixtures::every_situation(), &fixtures::every_instrument());
    let page = parse(&page).unwrap();

    let shown: Vec<_> = page
        .families
        .iter()
        .filter(|family| !family.name.starts_with("process_"))
        .map(|family| {
            let first = family.samples.first().unwrap();
            let labels = first.labels.iter().map(|(name, _)| name.as_str());
            let labels: Vec<_> = labels.filter(|name| *name != "le").collect();
            (family.name.as_str(), family.kind.as_str(), labels, family.help.as_str())
        })
        .collect();
    let listed: Vec<_> =
        FAMILIES.iter().map(|f| (f.name, f.kind.as_str(), f.labels.to_vec(), f.help)).collect();
    assert_eq!(shown, listed);
}

#[test]
fn counters_are_there_at_zero_before_anything_happened() {
    let instruments = Instruments::new().unwrap();
    let page = parse(&text::page(&fixtures::every_situation(), &instruments)).unwrap();

    let never_polled = [("db_instance_id", "rm-never-polled"), ("status", "Failed")];
    assert_eq!(page.value("aliyun_rds_import_task_transitions_total", &never_polled), Some(0.0));
}
