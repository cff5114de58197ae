//! What clients cannot take: time, connections, memory.

use std::pin::pin;
use std::time::Duration;

use aliyun_rds_import_exporter::web::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::exposition::parse;

use super::{Client, Server, publish_a_large_page, within};

const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(120);

/// Lets time pass in steps until the server has ended the connection. Steps, since the server may
/// see what was sent only after the first.
async fn assert_ends_as_time_passes(server: &Server, client: &mut Client, step: Duration) {
    within(async {
        loop {
            server.hands.advance(step);
            let ended = tokio::time::timeout(Duration::from_millis(20), client.assert_ended());
            if ended.await.is_ok() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn half_a_head_is_cut_while_a_kept_connection_stays() {
    let server = Server::start().await;
    let mut kept = server.connect().await;
    kept.get("/metrics").await;
    let mut slow = server.connect().await;
    slow.send("GET /metrics HTTP/1.1\r\n").await;

    let mut slow_ends = pin!(slow.assert_ended());
    // The server may see half a head only after a few pauses; each is longer than the time for a
    // head, and all together are shorter than what an idle connection has.
    for pause in 1..=10 {
        server.hands.advance(HEAD + Duration::from_millis(1));
        assert_eq!(kept.get("/-/healthy").await.status(), 200, "after {pause} pauses");
        tokio::select! {
            biased;
            () = &mut slow_ends => return,
            () = tokio::task::yield_now() => {}
        }
    }
    panic!("half a head is waited for");
}

#[tokio::test]
async fn a_head_that_trickles_gains_no_time() {
    let server = Server::start().await;
    let mut slow = server.connect().await;
    assert_eq!(slow.get("/-/healthy").await.status(), 200);

    slow.send("GET /-/healthy HTTP/1.1\r\n").await;
    let mut cut = false;
    for _ in 0..10_000 {
        server.hands.advance(HEAD / 2);
        // Its own connection, so that the server has had its turn.
        server.get("/-/healthy").await;
        if slow.stream.write_all(b"X-Slow: yes\r\n").await.is_err() {
            cut = true;
            break;
        }
    }
    assert!(cut, "a head that never ends is waited for");
}

#[tokio::test]
async fn a_head_may_take_almost_all_of_its_time() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send("GET /-/healthy HTTP/1.1\r\n").await;
        server.hands.advance(HEAD - Duration::from_millis(1));
        client.send("Host: localhost\r\n\r\n").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn a_new_connection_that_says_nothing_is_cut_like_half_a_head() {
    let server = Server::start().await;
    let mut silent = server.connect().await;
    let mut other = server.connect().await;
    assert_eq!(other.get("/-/healthy").await.status(), 200);

    assert_ends_as_time_passes(&server, &mut silent, HEAD + Duration::from_millis(1)).await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while_and_not_forever() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..5 {
        assert_eq!(client.get("/-/healthy").await.status(), 200);
        server.hands.advance(IDLE - Duration::from_millis(1));
    }
    assert_eq!(client.get("/-/healthy").await.status(), 200);

    assert_ends_as_time_passes(&server, &mut client, IDLE + Duration::from_millis(1)).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_one_that_takes_a_little_is_not() {
    let server = Server::start().await;
    publish_a_large_page(&server.store);
    let mut slow = Client::with_a_small_buffer(server.address).await;
    let mut stuck = Client::with_a_small_buffer(server.address).await;
    for client in [&mut slow, &mut stuck] {
        client.ask("GET", "/metrics", "").await;
    }
    let head = slow.head().await;
    stuck.head().await;

    let size: usize = head.header("content-length").unwrap().parse().unwrap();
    while slow.unread.len() < size {
        // More than the buffers of the kernel hold, so that the server has to send.
        let enough = size.min(slow.unread.len() + (6 << 20));
        while slow.unread.len() < enough {
            assert!(slow.fill().await > 0, "a slow reader was cut off");
        }
        server.hands.advance(IDLE / 2);
        // Its own connection, so that the server has had its turn.
        server.get("/-/healthy").await;
    }
    assert_eq!(slow.unread.len(), size);

    let mut rest = Vec::new();
    let end = within(stuck.stream.read_to_end(&mut rest)).await;
    assert!(end.is_err() || stuck.unread.len() + rest.len() < size, "the stuck reader got it all");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_a_free_one() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = Server::with(limits, "/metrics").await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    first.get("/-/healthy").await;
    second.get("/-/healthy").await;

    let mut third = server.connect().await;
    third.ask("GET", "/-/healthy", "").await;
    for _ in 0..100 {
        assert_eq!(first.get("/-/healthy").await.status(), 200);
    }
    let mut byte = [0];
    let nothing = third.stream.try_read(&mut byte).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "it was answered out of turn");

    drop(second);
    assert_eq!(third.answer().await.status(), 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start().await;
    let largest = Limits::default().head_size;
    for (size, status) in [(largest, 200), (largest + 1, 431), (largest * 4, 431)] {
        let (start, end) = ("GET /-/healthy HTTP/1.1\r\nX-Large: ", "\r\n\r\n");
        let head = format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()));
        let mut client = server.connect().await;
        // The server may end the connection before it has read all of it.
        let _ = client.stream.write_all(head.as_bytes()).await;
        assert_eq!(client.head().await.status(), status, "{size}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start().await;
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "hello\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(garbage).await;
        assert_eq!(client.head().await.status(), 400, "{garbage:?}");
    }
    assert_eq!(server.get("/-/healthy").await.status(), 200);
}

#[tokio::test]
async fn a_request_body_is_refused() {
    let server = Server::start().await;
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(&format!("GET /-/healthy HTTP/1.1\r\n{body}")).await;
        assert_eq!(client.answer().await.status(), 413, "{body:?}");
        client.send(&format!("POST /metrics HTTP/1.1\r\n{body}")).await;
        assert_eq!(client.answer().await.status(), 405, "{body:?}");
    }
    let mut client = server.connect().await;
    client.send("GET /-/healthy HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_request_body_that_does_not_come_is_not_waited_for() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /-/healthy HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe").await;

    let mut answer = pin!(client.answer());
    let answer = within(async {
        loop {
            server.hands.advance(Duration::from_secs(1));
            tokio::select! {
                answer = &mut answer => return answer,
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
    });
    assert_eq!(answer.await.status(), 413);
}

#[tokio::test]
async fn what_is_refused_before_it_is_a_request_is_counted() {
    let server = Server::start().await;
    let huge = format!("GET / HTTP/1.1\r\nX-Large: {}\r\n\r\n", "x".repeat(70_000));
    for (head, status) in [("hello\r\n\r\n", 400), (huge.as_str(), 431)] {
        let mut client = server.connect().await;
        let _ = client.stream.write_all(head.as_bytes()).await;
        assert_eq!(client.head().await.status(), status);
        // It is counted when the connection is over.
        while client.fill().await > 0 {}
    }

    let requests = "aliyun_rds_import_exporter_http_requests_total";
    within(async {
        loop {
            let page = parse(server.get("/metrics").await.text()).unwrap();
            let counted = |code| page.value(requests, &[("handler", "other"), ("code", code)]);
            if (counted("400"), counted("431")) == (Some(1.0), Some(1.0)) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_large_request_body_is_neither_asked_for_nor_waited_for() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client
        .send(
            "POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n",
        )
        .await;

    assert_eq!(client.answer().await.status(), 405, "not 100");
    client.assert_ended().await;
}

#[tokio::test]
async fn requests_sent_without_waiting_are_answered_in_turn() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client
        .send("GET /-/healthy HTTP/1.1\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\nGET /-/ready HTTP/1.1\r\n\r\n")
        .await;

    for status in [200, 404, 200] {
        assert_eq!(client.answer().await.status(), status);
    }
}

#[tokio::test]
async fn an_old_client_gets_its_answer_and_the_end() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /-/healthy HTTP/1.0\r\n\r\n").await;

    assert_eq!(client.answer().await.text(), "healthy\n");
    client.assert_ended().await;
}
