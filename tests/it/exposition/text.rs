//! The page as it reads, letter by letter.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use aliyun_rds_import_exporter::domain::InstanceKey;
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::metrics::{Coding, Exposition, Format};
use aliyun_rds_import_exporter::store::Store;

use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;

use crate::golden::assert_golden;

use super::page::Family;
use super::{assert_promtool_is_silent, fixtures, openmetrics_as_text, parse};

/// The page of `store` and `instruments`.
pub(super) fn page(store: &Store, instruments: &Instruments) -> String {
    page_of(&Exposition::new(store.clone(), instruments.clone()), fixtures::now())
}

/// The page as text, without what differs from build to build and from process to process, and
/// held to be the same when it is compressed and in OpenMetrics.
pub(super) fn page_of(exposition: &Exposition, now: DateTime<Utc>) -> String {
    let written = |format, coding| {
        let page = exposition.page(format, coding, now);
        let size = page.size();
        let pieces: Vec<_> = page.into_pieces().collect();
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        let page = pieces.concat();
        assert_eq!(page.len() as u64, size);
        masked(&match coding {
            Coding::Identity => String::from_utf8(page).unwrap(),
            Coding::Gzip => gunzip(&page),
        })
    };
    let text = written(Format::Text, Coding::Identity);
    assert_eq!(written(Format::Text, Coding::Gzip), text);
    let openmetrics = written(Format::OpenMetrics, Coding::Identity);
    assert_eq!(written(Format::OpenMetrics, Coding::Gzip), openmetrics);
    assert_eq!(openmetrics_as_text(&openmetrics).unwrap(), text);
    text
}

fn gunzip(member: &[u8]) -> String {
    let mut decoder = GzDecoder::new(member);
    let mut text = String::new();
    decoder.read_to_string(&mut text).unwrap();
    assert_eq!(decoder.into_inner(), b"", "something stands behind the only member");
    text
}

fn complete_page() -> String {
    page(&fixtures::every_situation(), &fixtures::every_instrument())
}

/// The page without what differs from build to build and from process to process.
fn masked(page: &str) -> String {
    let mask = |line: &str| match line.split_once(['{', ' ']) {
        Some((name, _)) if name.starts_with("process_") => format!("{name} 0\n"),
        Some((name, _)) if name.ends_with("_build_info") => {
            format!("{name}{{revision=\"-\",rustc=\"-\",version=\"-\"}} 1\n")
        }
        _ => format!("{line}\n"),
    };
    page.lines().map(mask).collect()
}

#[test]
fn shows_every_situation_as_the_golden_text_says() {
    let page = complete_page();

    parse(&page).unwrap();
    assert_golden("tests/golden/metrics.txt", &page);
}

#[test]
fn promtool_has_nothing_to_say_about_the_page() {
    assert_promtool_is_silent(&complete_page());
}

#[test]
fn the_official_client_reads_openmetrics() {
    let exposition = Exposition::new(fixtures::every_situation(), fixtures::every_instrument());
    let page = exposition.page(Format::OpenMetrics, Coding::Identity, fixtures::now());
    let pieces = page.into_pieces().collect::<Vec<_>>().concat();
    let mut python = Command::new(".venv/bin/python")
        .arg("tests/clients/openmetrics.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python packages must be there: run tests/setup");
    python.stdin.take().unwrap().write_all(&pieces).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());

    let text = parse(&complete_page()).unwrap();
    let read = String::from_utf8(output.stdout).unwrap();
    let samples = |family: &Family| format!("{} {}", family.name, family.samples.len());
    let expected: Vec<_> = text.families.iter().map(samples).collect();
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_daemon_that_knows_no_instance_shows_its_own_families_only() {
    let page = parse(&page(&Store::new(), &Instruments::new().unwrap())).unwrap();

    assert!(page.families.iter().all(|family| {
        family.name.starts_with("process_") || family.name.contains("_exporter_")
    }));
    assert_eq!(page.value("aliyun_rds_import_exporter_build_info", &[]), Some(1.0));
    assert!(page.family("aliyun_rds_import_exporter_instances").is_none());
}

#[test]
fn a_task_that_is_gone_leaves_no_series_behind() {
    let store = fixtures::every_situation();
    let busy = fixtures::key("default", "cn-hangzhou", "rm-busy");
    let ids = |store: &Store| {
        let page = parse(&page(store, &Instruments::new().unwrap())).unwrap();
        let samples = page.families.iter().flat_map(|family| &family.samples);
        let of_task = samples.filter(|sample| sample.label("import_id") == Some("900"));
        of_task.map(|sample| sample.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&store).len(), 3, "status, lag and position");

    let mut snapshot = (*store.get(&busy).unwrap()).clone();
    let mut good = snapshot.last_good.unwrap();
    good.tasks = good.tasks.iter().filter(|task| task.import_id.0 != 900).copied().collect();
    snapshot.last_good = Some(good);
    store.publish(snapshot);

    assert_eq!(ids(&store), [""; 0]);
}

#[test]
fn an_instance_that_is_gone_leaves_no_series_behind() {
    let store = fixtures::every_situation();
    let gone: InstanceKey = fixtures::key("default", "cn-hangzhou", "rm-busy");
    store.remove(&gone);

    let page = page(&store, &fixtures::every_instrument());

    assert!(!page.contains("rm-busy"));
    assert!(page.contains("rm-idle"));
}
