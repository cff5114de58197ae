//! Readers who do not read: they hold a few pages at most, and not the others' scrapes.

use std::pin::pin;
use std::time::Duration;

use aliyun_rds_import_exporter::web::{Guard, Limits};
use tokio::io::AsyncReadExt;

use super::certificates::{Folder, tls};
use super::tls::TlsClient;
use super::{Client, Server, publish_a_large_page, within};

#[tokio::test]
async fn whoever_holds_a_page_for_longest_is_cut_off_when_others_want_one() {
    let limits = Limits { pages: 2, ..Limits::default() };
    let server = Server::with(limits, "/metrics").await;
    publish_a_large_page(&server.store);
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut client = Client::with_a_small_buffer(server.address).await;
        client.ask("GET", "/metrics", "").await;
        client.head().await;
        server.hands.advance(Duration::from_secs(1));
        stuck.push(client);
    }

    let mut scrape = server.connect().await;
    scrape.ask("GET", "/metrics", "").await;
    for _ in 0..10 {
        assert_eq!(server.get("/-/healthy").await.status(), 200, "small answers do not wait");
    }
    let mut byte = [0];
    assert!(scrape.stream.try_read(&mut byte).is_err(), "a third page is alive");
    server.hands.advance(Duration::from_secs(4));
    let page = within(scrape.answer()).await;
    assert_eq!(page.status(), 200);

    let mut first = stuck.remove(0);
    let mut rest = Vec::new();
    let end = within(first.stream.read_to_end(&mut rest)).await;
    assert!(end.is_err() || first.unread.len() + rest.len() < page.body.len(), "it got it all");
    let mut second = stuck.remove(0);
    while second.unread.len() < page.body.len() / 2 {
        assert!(second.fill().await > 0, "one is enough");
    }
}

#[tokio::test]
async fn a_slow_reader_over_http_2_goes_as_well() {
    let folder = Folder::with(&tls(""));
    let limits = Limits { pages: 1, ..Limits::default() };
    let guard = |clock| Guard::load(&folder.web_yml(), clock).unwrap();
    let server = Server::with_guard(limits, "/metrics", guard).await;
    publish_a_large_page(&server.store);
    let options = ["--http2", "--limit-rate", "1K", "--no-buffer", "--output", "page"];
    let slow = server.curl(&folder, "/metrics", &options);
    let page = folder.path("page");
    let scrape = async {
        within(async {
            while std::fs::metadata(&page).map_or(0, |page| page.len()) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let client = TlsClient::new(&folder);
        let mut scrape = pin!(client.answer(&server, "/metrics"));
        loop {
            tokio::select! {
                answer = &mut scrape => return answer.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    server.hands.advance(Duration::from_secs(1));
                }
            }
        }
    };

    let answer = tokio::select! {
        slow = slow => panic!("it got it all: {slow:?}"),
        answer = within(scrape) => answer,
    };
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn an_answer_that_is_taken_by_drops_ends_in_the_end() {
    let limits = Limits { idle: Duration::MAX, ..Limits::default() };
    let server = Server::with(limits, "/metrics").await;
    publish_a_large_page(&server.store);
    let mut slow = Client::with_a_small_buffer(server.address).await;
    slow.ask("GET", "/metrics", "").await;
    slow.head().await;
    slow.fill().await;

    server.hands.advance(limits.answer);

    let mut rest = Vec::new();
    let end = within(slow.stream.read_to_end(&mut rest)).await;
    assert!(end.is_err() || rest.len() < 10 << 20, "it got it all");
}

#[tokio::test]
async fn more_requests_at_a_time_than_allowed_are_told_to_come_back() {
    let limits = Limits { requests: 1, pages: 1, ..Limits::default() };
    let server = Server::with(limits, "/metrics").await;
    publish_a_large_page(&server.store);
    let mut stuck = Client::with_a_small_buffer(server.address).await;
    stuck.ask("GET", "/metrics", "").await;
    stuck.head().await;
    // Waits for a place, and is the one request.
    let mut waiting = server.connect().await;
    waiting.ask("GET", "/metrics", "").await;

    within(async { while server.get("/-/healthy").await.status() != 503 {} }).await;

    drop(stuck);
    assert_eq!(within(waiting.answer()).await.status(), 200);
    within(async { while server.get("/-/healthy").await.status() != 200 {} }).await;
}
