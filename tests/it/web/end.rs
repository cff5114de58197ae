//! How the server ends.

use std::io::ErrorKind;
use std::time::Duration;

use aliyun_rds_import_exporter::readiness::Readiness;
use aliyun_rds_import_exporter::web::Limits;
use tokio::net::TcpStream;

use crate::exposition::parse;

use super::{Client, Server, publish_a_large_page, within};

/// Waits until nobody listens any more.
async fn assert_refuses_connections(server: &Server) {
    within(async {
        loop {
            match TcpStream::connect(server.address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_scrape_in_flight_is_finished_and_no_new_connection_is_taken() {
    let server = Server::start().await;
    publish_a_large_page(&server.store);
    let mut scrape = Client::with_a_small_buffer(server.address).await;
    scrape.ask("GET", "/metrics", "").await;
    // Its own request is being answered, so the rest of the answer is still to come.
    scrape.fill().await;

    server.stop.cancel();
    assert_refuses_connections(&server).await;
    assert!(!server.task.is_finished());

    let answer = scrape.answer().await;
    assert_eq!(
        parse(answer.text()).unwrap().samples("aliyun_rds_import_task_status").len(),
        40_000
    );
    scrape.assert_ended().await;
    server.ended().await;
}

#[tokio::test]
async fn connections_without_a_request_end_at_once() {
    let server = Server::start().await;
    let mut silent = server.connect().await;
    let mut kept = server.connect().await;
    kept.get("/metrics").await;

    server.stop.cancel();

    kept.assert_ended().await;
    silent.assert_ended().await;
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_when_the_time_is_over() {
    let limits = Limits { idle: Duration::MAX, ..Limits::default() };
    let server = Server::with(limits, "/metrics").await;
    publish_a_large_page(&server.store);
    let mut stuck = Client::with_a_small_buffer(server.address).await;
    stuck.ask("GET", "/metrics", "").await;
    stuck.head().await;
    server.stop.cancel();
    assert_refuses_connections(&server).await;
    assert!(!server.task.is_finished());

    within(async {
        // Steps, since the server may come to wait only after the first.
        while !server.task.is_finished() {
            server.hands.advance(limits.drain);
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.ended().await;
}

#[test]
fn there_is_time_left_of_five_seconds_for_the_rest_of_the_daemon() {
    assert!(Limits::default().drain < Duration::from_secs(5));
}

#[tokio::test]
async fn readiness_is_refused_on_a_kept_connection_before_the_end() {
    let server = Server::start().await;
    let mut balancer = server.connect().await;
    assert_eq!(balancer.get("/-/ready").await.status(), 200);

    server.readiness.send_replace(Readiness::Draining);

    assert_eq!(balancer.get("/-/ready").await.status(), 503);
}

#[tokio::test]
async fn a_server_that_is_dropped_lets_go_of_its_connections() {
    let server = Server::start().await;
    let mut kept = server.connect().await;
    kept.get("/metrics").await;

    server.task.abort();

    kept.assert_ended().await;
}
