//! What it takes to show an instance that has changed, and what a scrape allocates: in this process,
//! through the library.

use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::domain::{
    Engine, ImportId, InstanceKey, Position, Task, TaskStatus, TaskType,
};
use aliyun_rds_import_exporter::instruments::{Instruments, Scope};
use aliyun_rds_import_exporter::metrics::{Coding, Exposition, Format};
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, Store, TaskList};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flate2::{Compress, FlushCompress};
use serde::Deserialize;

use crate::Scale;
use crate::fleet::{self, Life};
use crate::process::thread_cpu;
use crate::report::{Goal, Report, median};
use crate::static_page::LEVEL;

const TASKS: usize = 100;
/// How many pages are made ready while the whole fleet is polled once: two a second, at the default
/// interval of a minute.
const PAGES_AN_INTERVAL: usize = 120;

/// A fleet as the daemon holds it, and its page.
struct Fleet {
    store: Store,
    instruments: Instruments,
    exposition: Exposition,
    snapshots: Vec<InstanceSnapshot>,
    /// The tasks of each instance, in two states.
    states: [Vec<Vec<Task>>; 2],
    now: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(borrow)]
    items: Items<'a>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow, rename = "ImportResultFromDB")]
    results: Vec<Item<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    import_id: u64,
    import_data_type: &'a str,
    import_data_status: &'a str,
    incremental_importing_time: &'a str,
}

impl Fleet {
    fn new(instances: usize) -> anyhow::Result<Self> {
        let (store, now) = (Store::new(), Clock::system().now());
        let instruments = Instruments::new()?;
        instruments.announce(Scope { account: "default", region_id: "cn-hangzhou" }, 5.0);
        let exposition = Exposition::new(store.clone(), instruments.clone());
        let tasks = |variant| {
            let instances = 0..instances;
            instances.map(|number| tasks(&page(number, variant, now), now)).collect()
        };
        let states: [anyhow::Result<Vec<_>>; 2] = [0, 1].map(tasks);
        let [before, after] = states;
        let snapshots = (0..instances).map(|number| snapshot(number, now)).collect();
        Ok(Self { store, instruments, exposition, snapshots, states: [before?, after?], now })
    }

    /// Publishes an instance in one of its states, as a walk does that found it there.
    fn publish(&mut self, number: usize, tasks: Vec<Task>) {
        let snapshot = &mut self.snapshots[number];
        if let Some(good) = &mut snapshot.last_good {
            good.tasks = good.tasks.changed_to(tasks);
            good.ended_at = self.now;
        }
        self.store.publish(snapshot.clone());
    }

    /// Makes the page, and drops it piece by piece.
    fn scrape(&self, coding: Coding) -> u64 {
        let page = self.exposition.page(Format::Text, coding, self.now);
        page.into_pieces().map(|piece| piece.len() as u64).sum()
    }

    /// CPU time until the page is ready after `changed` have changed to `state`.
    fn cpu(
        &mut self,
        changed: impl Iterator<Item = usize>,
        state: usize,
    ) -> anyhow::Result<Duration> {
        let changed: Vec<_> =
            changed.map(|number| (number, self.states[state][number].clone())).collect();
        let before = thread_cpu()?;
        for (number, tasks) in changed {
            self.publish(number, tasks);
        }
        self.scrape(Coding::Gzip);
        Ok(thread_cpu()? - before)
    }

    /// The lines of one instance.
    fn text(&self, number: usize) -> anyhow::Result<Vec<u8>> {
        let page = self.exposition.page(Format::Text, Coding::Identity, self.now);
        let text: Vec<u8> = page.into_pieces().flatten().collect();
        let label = format!("db_instance_id=\"{}\"", fleet::id(number));
        let text = String::from_utf8(text)?;
        let lines = text.split_inclusive('\n').filter(|line| line.contains(&label));
        Ok(lines.collect::<String>().into_bytes())
    }
}

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let instances = scale.instances;
    let mut fleet = Fleet::new(instances)?;
    fleet.cpu(0..instances, 0)?;
    // They are polled in the order of the page, and so are neighbours on it.
    let neighbours = (instances / PAGES_AN_INTERVAL).max(1);
    let (mut all, mut some, mut alone, mut least) = (vec![], vec![], vec![], vec![]);
    for round in 0..scale.rounds {
        let state = (round + 1) % 2;
        let number = round * 61 % (instances - neighbours);
        least.push(microseconds(parse_and_deflate(&fleet, number)?));
        let together = fleet.cpu(0..instances, state)?;
        all.push(microseconds(together) / instances as f64);
        alone.push(microseconds(fleet.cpu(number..number + 1, 1 - state)?));
        // Back to the state of the others.
        fleet.cpu(number..number + 1, state)?;
        let few = fleet.cpu(number..number + neighbours, 1 - state)?;
        some.push(microseconds(few) / neighbours as f64);
        fleet.cpu(number..number + neighbours, state)?;
    }
    let page = page(0, 0, fleet.now);
    let parse = median_cpu(|| {
        let body: Body<'_> = serde_json::from_str(&page)?;
        Ok(body.items.results.len() as u64)
    })?;
    let medians = [&mut all, &mut some, &mut alone, &mut least].map(|values| median(values));
    let [all, some, alone, least] = medians;
    let goal = Goal::AtMost { target: 2.0, stretch: None };
    let against = "its JSON parsing and deflate alone";
    let what = "publish of an instance";
    let of = format!("{neighbours} of {instances}, as they are polled");
    report.row(format!("{what}, all have changed"), against, (parse + all) / least, goal);
    report.row(format!("{what}, {of}"), against, (parse + some) / least, goal);
    report.row(format!("{what}, alone among {instances}"), against, (parse + alone) / least, goal);
    for (name, value) in [
        ("its JSON parsing", parse),
        ("its JSON parsing and deflate", least),
        ("rows and page, all have changed", all),
        ("rows and page, as they are polled", some),
        ("rows and page, alone", alone),
    ] {
        report.figure(format!("{what}: {name}"), format!("{value:.0} µs of CPU"));
    }
    allocations(&fleet, report)?;
    at_rest(report)
}

fn allocations(fleet: &Fleet, report: &mut Report) -> anyhow::Result<()> {
    for (form, coding) in [("gzip", Coding::Gzip), ("text", Coding::Identity)] {
        let counted = allocation_counter::measure(|| _ = fleet.scrape(coding));
        let goal = Goal::AtMost { target: 2_000.0, stretch: None };
        let what = format!("a scrape of {} instances as {form}", fleet.snapshots.len());
        report.row(what, "allocations", counted.count_total as f64, goal);
    }
    Ok(())
}

fn parse_and_deflate(fleet: &Fleet, number: usize) -> anyhow::Result<Duration> {
    let page = page(number, 0, fleet.now);
    let text = fleet.text(number)?;
    let mut deflate = Compress::new(LEVEL, false);
    let mut deflated = Vec::with_capacity(text.len());
    let before = thread_cpu()?;
    let body: Body<'_> = serde_json::from_str(&page)?;
    deflate.compress_vec(&text, &mut deflated, FlushCompress::Finish)?;
    let took = thread_cpu()? - before;
    std::hint::black_box((body.items.results.len(), deflated));
    Ok(took)
}

/// What a scrape of a small fleet takes before anything is sent.
fn at_rest(report: &mut Report) -> anyhow::Result<()> {
    const INSTANCES: usize = 10;
    let mut fleet = Fleet::new(INSTANCES)?;
    fleet.cpu(0..INSTANCES, 0)?;
    let gather =
        median_cpu(|| Ok(fleet.instruments.gather(chrono::DateTime::UNIX_EPOCH).len() as u64))?;
    let gzip = median_cpu(|| Ok(fleet.scrape(Coding::Gzip)))?;
    let text = median_cpu(|| Ok(fleet.scrape(Coding::Identity)))?;
    for (name, value) in [
        ("the registry's families", gather),
        ("the page as gzip, these included", gzip),
        ("the page as text, these included", text),
    ] {
        let what = format!("a scrape of {INSTANCES} instances, in process: {name}");
        report.figure(what, format!("{value:.0} µs of CPU"));
    }
    Ok(())
}

/// Microseconds on a processor that `work` takes.
fn median_cpu(mut work: impl FnMut() -> anyhow::Result<u64>) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    for _ in 0..200 {
        let before = thread_cpu()?;
        std::hint::black_box(work()?);
        took.push(microseconds(thread_cpu()? - before));
    }
    Ok(median(&mut took))
}

fn page(number: usize, variant: usize, now: DateTime<Utc>) -> String {
    fleet::pages(number, TASKS, Life::Changing, variant, now).concat()
}

fn tasks(page: &str, now: DateTime<Utc>) -> anyhow::Result<Vec<Task>> {
    let body: Body<'_> = serde_json::from_str(page)?;
    body.items.results.iter().map(|item| task(item, now)).collect()
}

fn task(item: &Item<'_>, now: DateTime<Utc>) -> anyhow::Result<Task> {
    let kind = TaskType::parse(item.import_data_type).context("a type")?;
    let status = TaskStatus::parse(item.import_data_status).context("a status")?;
    let time: DateTime<Utc> = item.incremental_importing_time.parse()?;
    let position = Position {
        unix_seconds: u32::try_from(time.timestamp())?,
        lag_seconds: u32::try_from((now - time).num_seconds())?,
    };
    let has_position = kind == TaskType::INCREMENTAL && status.is_incremental();
    let position = has_position.then_some(position);
    Ok(Task { import_id: ImportId(item.import_id), kind, status, position })
}

fn snapshot(number: usize, now: DateTime<Utc>) -> InstanceSnapshot {
    let key = InstanceKey {
        account: "default".into(),
        region_id: "cn-hangzhou".into(),
        db_instance_id: fleet::id(number).into(),
    };
    let stale_after = Duration::from_secs(900);
    let mut snapshot = InstanceSnapshot::pending(key, Engine::MySQL, Arc::from(""), stale_after);
    snapshot.up = Some(true);
    snapshot.next_poll = Some(now);
    let tasks = TaskList::default();
    snapshot.last_good =
        Some(GoodWalk { ended_at: now, duration: Duration::from_millis(80), pages: 1, tasks });
    snapshot
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
