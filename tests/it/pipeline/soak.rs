//! A year of a fleet that changes, in seconds: thousands of walks through the real pipeline, with
//! reloads, key rotations and faults on the way, and the rules held at every step.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use aliyun_rds_import_exporter::config::{AccessKey, Config, CredentialsSource, SecretSource};
use aliyun_rds_import_exporter::secret::Secret;
use aliyun_rds_import_exporter::simulator::{Instance, Key, Scenario, Simulator};
use chrono::{DateTime, Utc};

use super::{File, ManualClock, Pipeline, config, is_up, tasks};
use crate::exposition::Page;
use world::{STEP, Trouble, World};

/// Instances; the last one comes and goes.
const INSTANCES: usize = 6;

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
struct Holdings {
    tasks: usize,
    descriptors: usize,
    memory: usize,
}

/// Counters and what they count up: name and labels.
type Counters = BTreeMap<(String, Vec<(String, String)>), f64>;

#[test]
fn a_year_of_a_changing_fleet_keeps_every_rule_and_holds_no_more_at_its_end() {
    // A process of its own: what it holds is measured. `SOAK_DAYS` makes it longer or shorter.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pipeline::soak::in_this_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[child.stdout, child.stderr].concat()).into_owned();
    println!("{said}");
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by a_year_of_a_changing_fleet, in a process of its own"]
fn in_this_process() {
    let days = std::env::var("SOAK_DAYS").map_or(365, |days| days.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(soak(days * 86_400 / STEP.as_secs()));
}

async fn soak(steps: u64) {
    let start: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().unwrap();
    let hands = ManualClock::new(start);
    let ids = (1..=INSTANCES).map(|number| format!("rm-{number}"));
    let mut world = World::new(ids.clone());
    let scenario = Scenario::of(ids.map(|id| Instance::new(id, Vec::new())).collect());
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario, hands.clock(), loopback).await.unwrap();
    let mut config = config(&simulator);
    for instance in &mut config.instances {
        (instance.interval, instance.idle_interval) = (STEP / 2, STEP / 2);
    }
    // Lists of more than one page.
    config.polling.page_size = 30;
    // Longer than a step, so that one in which the API refuses to tell of a task ends none.
    config.polling.final_retention = 3 * STEP;
    let pipeline = Pipeline::of(simulator, &config, hands).await;
    let mut key = None;
    let mut last: Option<Page> = None;
    let (mut early, mut late) = (Holdings::default(), Holdings::default());

    for step in 1..=steps {
        world.change(&pipeline.control, step);
        if step % 29 == 0 {
            rotate(&pipeline, &mut config, &mut key, step).await;
        }
        if step % 17 == 0 {
            toggle(&pipeline, &mut config, &mut world).await;
        }
        if step % 23 == 0 {
            let (status, _) = pipeline.reload(File::Bad("instances: 1")).await;
            assert_eq!(status, 500);
        }
        world.pass();
        let now = start + world.elapsed();
        let clock = pipeline.hands.clock();
        pipeline.hands.advance((now - clock.now()).to_std().unwrap());
        settle(&pipeline, now).await;

        let page = pipeline.page().await;
        check(&page, last.as_ref(), &world, now, step);
        last = Some(page);
        let holdings = Holdings::now();
        if step > steps / 2 { late.raise(holdings) } else { early.raise(holdings) }
    }

    let last = last.unwrap();
    let walks = last.value("aliyun_rds_import_exporter_walks_total", &[]).unwrap();
    let restarts = sum(&last, "aliyun_rds_import_exporter_walk_restarts_total");
    let failures = sum(&last, "aliyun_rds_import_exporter_walk_failures_total");
    println!("{steps} steps, {walks} walks, {failures} failed, {restarts} restarts");
    println!("most held in the first half {early:?}, in the second {late:?}");
    assert!(failures > 0.0 && restarts > 0.0, "nothing went wrong");
    assert!(late.tasks <= early.tasks + 8, "tasks: {early:?} {late:?}");
    assert!(late.descriptors <= early.descriptors + 16, "descriptors: {early:?} {late:?}");
    assert!(late.memory <= early.memory + (32 << 20), "memory: {early:?} {late:?}");
}

/// Gives the account another key, and takes the old one away once the new one is in use.
async fn rotate(pipeline: &Pipeline, config: &mut Config, key: &mut Option<String>, step: u64) {
    let (id, secret) = (format!("LTAI{step}"), format!("secret{step}"));
    let new =
        Key { access_key_id: id.clone(), access_key_secret: secret.clone(), ..Key::default() };
    assert!(pipeline.control.put_key("default", &new));
    for account in config.accounts.values_mut() {
        let secret = SecretSource::Inline(Secret::new(secret.as_str()));
        account.credentials = CredentialsSource::AccessKey(AccessKey { id: id.clone(), secret });
    }
    pipeline.reload_good(config.clone()).await;
    match key.replace(id) {
        Some(old) => assert!(pipeline.control.remove_key(&old)),
        None => assert!(pipeline.control.set_key_active("default", false)),
    }
}

/// Takes the last instance out of the configuration, or in again.
async fn toggle(pipeline: &Pipeline, config: &mut Config, world: &mut World) {
    let id = format!("rm-{INSTANCES}");
    match config.instances.iter().position(|instance| *instance.id == *id) {
        Some(place) => drop(config.instances.remove(place)),
        None => {
            let first = config.instances[0].clone();
            let instance =
                aliyun_rds_import_exporter::config::Instance { id: id.as_str().into(), ..first };
            config.instances.push(instance);
        }
    }
    world.configured = config.instances.iter().map(|instance| instance.id.to_string()).collect();
    pipeline.reload_good(config.clone()).await;
}

/// Lets every poll that is due at `now` come to its end. What waits for time gets some, once
/// nothing moves without it.
async fn settle(pipeline: &Pipeline, now: DateTime<Utc>) {
    let settled = || {
        let snapshots = pipeline.store.snapshots();
        snapshots.iter().all(|own| own.up.is_some() && own.next_poll.is_some_and(|due| due > now))
    };
    let (mut asked, mut idle) = (0, 0);
    // An account that recovers polls once more what had failed: the calls have to end, too.
    while idle < 20 || !settled() {
        pipeline.ask("GET", "/-/healthy").await;
        let count = pipeline.control.request_count();
        idle = if count == asked { idle + 1 } else { 0 };
        asked = count;
        if idle > 20 {
            pipeline.hands.advance(Duration::from_millis(250));
            idle = 0;
        }
        let late = pipeline.hands.clock().now() - now;
        assert!(late.to_std().unwrap() < STEP / 2, "the polls of {now} never end");
    }
}

/// Holds the page to the rules, given the page before and what there is.
fn check(page: &Page, before: Option<&Page>, world: &World, now: DateTime<Utc>, step: u64) {
    for id in &world.configured {
        let at = format!("step {step}, {id}, {:?}", world.trouble);
        let shown: BTreeMap<_, _> =
            tasks(page, id).into_iter().map(|(id, _, status)| (id, status)).collect();
        let old = before.map(|before| tasks(before, id)).unwrap_or_default();
        let old: BTreeMap<_, _> = old.into_iter().map(|(id, _, status)| (id, status)).collect();
        let up = is_up(page, id) == Some(1.0);
        let trouble = world.trouble_of(id);
        if !up {
            // An account that backed off may find out in this step that it need not any more.
            let reason = trouble.is_some() || world.had_trouble();
            assert!(reason, "{at}: down for no reason");
            assert_eq!(shown, old, "{at}: a walk that failed changed something");
            continue;
        }
        let name = "aliyun_rds_import_instance_last_success_timestamp_seconds";
        let success = page.value(name, &[("db_instance_id", id)]).unwrap();
        assert!(success >= now.timestamp() as f64, "{at}: up, and not polled");

        let real = world.tasks(id);
        for (number, task) in &real {
            let known = task.in_window || old.contains_key(number);
            let must = known && (!task.is_final || task.in_window);
            if must && !matches!(trouble, Some(Trouble::Drift { .. })) {
                assert_eq!(shown.get(number), Some(&task.status), "{at}: task {number}");
            } else if must {
                assert!(shown.contains_key(number) || !old.contains_key(number), "{at}: {number}");
            }
        }
        let gone: BTreeSet<_> = old.keys().filter(|number| !shown.contains_key(number)).collect();
        for number in gone {
            let listed = real.values().filter(|task| task.in_window).count();
            let unclean = trouble == Some(Trouble::Drift { always: true }) && listed > 32;
            assert!(!unclean, "{at}: an unclean walk removed {number}");
            let task = real.get(number);
            let may = task.is_none_or(|task| task.is_final && !task.in_window);
            assert!(may, "{at}: {number} is gone: {task:?}");
        }
        if trouble.is_none() && world.was_well(id) {
            for number in shown.keys() {
                let task = real.get(number);
                let gone = match task {
                    Some(task) => task.is_final && task.long_gone,
                    None => world.is_long_forgotten(*number),
                };
                let stays = !gone;
                assert!(stays, "{at}: {number} is still shown: {task:?}");
            }
        }
    }
    if let Some(before) = before {
        let (old, new) = (counters(before), counters(page));
        for (series, value) in old {
            let now = new.get(&series);
            assert!(now.is_none_or(|now| *now >= value), "{series:?} went down: {value} {now:?}");
        }
    }
}

fn counters(page: &Page) -> Counters {
    let counting = page.families.iter().filter(|family| family.kind != "gauge");
    let samples = counting.flat_map(|family| &family.samples);
    samples.map(|s| ((s.name.clone(), s.labels.clone()), s.value)).collect()
}

fn sum(page: &Page, name: &str) -> f64 {
    page.samples(name).iter().map(|sample| sample.value).sum()
}

impl Holdings {
    fn now() -> Self {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: pages * 4096,
        }
    }

    fn raise(&mut self, other: Self) {
        self.tasks = self.tasks.max(other.tasks);
        self.descriptors = self.descriptors.max(other.descriptors);
        self.memory = self.memory.max(other.memory);
    }
}
