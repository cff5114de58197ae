//! What scrapes see while the world moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exposition::{Page, assert_promtool_is_silent, parse};

use super::{Client, Server, instance, publish_a_large_page, within};

#[tokio::test]
async fn a_scrape_over_http_keeps_every_rule() {
    let server = Server::start().await;
    server.store.publish(instance("rm-1", 100, 7));
    let page = server.get("/metrics").await;

    parse(page.text()).unwrap();
    assert_promtool_is_silent(page.text());
}

#[tokio::test]
async fn a_scrape_shows_the_last_published_snapshot_at_the_time_of_the_clock() {
    let server = Server::start().await;
    let up = "aliyun_rds_import_instance_up";
    let tasks = "aliyun_rds_import_task_status";
    let mut client = server.connect().await;
    server.store.publish(instance("rm-1", 3, 7));
    let page = parse(client.get("/metrics").await.text()).unwrap();
    assert_eq!((page.value(up, &[]), page.samples(tasks).len()), (Some(1.0), 3));

    let mut failed = instance("rm-1", 3, 7);
    failed.up = Some(false);
    server.store.publish(failed);
    let page = parse(client.get("/metrics").await.text()).unwrap();
    assert_eq!((page.value(up, &[]), page.samples(tasks).len()), (Some(0.0), 3));

    server.hands.jump(chrono::TimeDelta::seconds(901));
    let page = parse(client.get("/metrics").await.text()).unwrap();
    assert_eq!((page.value(up, &[]), page.samples(tasks).len()), (Some(0.0), 0));
}

/// Every instance that this shows was published with as many tasks as its tasks are behind, and
/// with as many more as its number says.
fn assert_whole(page: &Page) {
    for number in 0..5_u32 {
        let id = format!("rm-{number}");
        let labels = [("db_instance_id", id.as_str())];
        let lags = page.samples("aliyun_rds_import_task_incremental_lag_seconds");
        let lags: Vec<f64> = lags
            .iter()
            .filter(|lag| lag.label("db_instance_id") == Some(&id))
            .map(|lag| lag.value)
            .collect();
        let counted = page.value(
            "aliyun_rds_import_tasks",
            &[labels[0], ("type", "Incremental"), ("status", "IncrementalImporting")],
        );
        let first = lags[0];
        assert!(lags.iter().all(|lag| lag.total_cmp(&first).is_eq()), "{id}: {lags:?}");
        assert_eq!(lags.len() as f64, first + f64::from(number), "{id}");
        assert_eq!(counted, Some(lags.len() as f64), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_scrapes_at_once_see_whole_snapshots_while_others_are_published() {
    let server = Server::start().await;
    let publish = |lag: u32, store: &aliyun_rds_import_exporter::store::Store| {
        for number in 0..5 {
            store.publish(instance(&format!("rm-{number}"), u64::from(lag + number), lag));
        }
    };
    publish(1, &server.store);
    let done = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (store, done) = (server.store.clone(), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            let mut published = 0_u32;
            while !done.load(Ordering::Relaxed) {
                published += 1;
                publish(1 + published % 40, &store);
            }
            published
        })
    };

    let mut scrapes = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut client: Client = server.connect().await;
        scrapes.spawn(async move {
            for _ in 0..3 {
                assert_whole(&parse(client.get("/metrics").await.text()).unwrap());
            }
        });
    }
    while let Some(scrape) = within(scrapes.join_next()).await {
        scrape.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(within(publisher).await.unwrap() > 0);
}

#[tokio::test]
async fn readers_that_do_not_read_hold_up_nobody() {
    let server = Server::start().await;
    publish_a_large_page(&server.store);
    let mut sleepers = Vec::new();
    // More than are rendered at a time.
    for _ in 0..5 {
        let mut sleeper = Client::with_a_small_buffer(server.address).await;
        sleeper.ask("GET", "/metrics", "").await;
        sleeper.head().await;
        sleepers.push(sleeper);
    }

    let page = server.get("/metrics").await;
    assert_eq!(server.get("/-/healthy").await.status(), 200);

    assert!(page.body.len() > 10 << 20, "{}", page.body.len());
    assert_eq!(parse(page.text()).unwrap().samples("aliyun_rds_import_task_status").len(), 40_000);
}
