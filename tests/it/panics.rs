//! A part that panics ends the whole daemon: it never serves on half alive.

use std::process::Command;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::config::{Config, Environment};
use aliyun_rds_import_exporter::logging::{self, Format, Level};
use tokio_util::sync::CancellationToken;

/// A daemon whose reload panics.
async fn daemon() -> App {
    let serving = Serving::openly(vec!["127.0.0.1:0".parse().unwrap()]);
    let environment = Environment::default();
    let app = App::bind(&Config::default(), serving, &environment, Clock::system()).await.unwrap();
    app.reload_by(|| panic!("with c4nary"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_panics_ends_the_daemon_with_an_error() {
    let app = daemon().await;
    let (reload, address) = (app.reload(), app.local_addrs()[0]);
    tokio::spawn(async move { reload.now().await });

    let error = app.run(CancellationToken::new()).await.unwrap_err();

    assert!(format!("{error:#}").contains("a part of the daemon failed"), "{error:#}");
    assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn a_panic_in_the_process_is_logged_without_its_text_and_ends_it_with_exit_code_1() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::in_this_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();

    let log = String::from_utf8(child.stderr).unwrap();
    assert_eq!(child.status.code(), Some(1), "{log}");
    assert!(log.contains("level=error") && log.contains("panicked: this is a bug"), "{log}");
    assert!(log.contains("panics.rs:"), "{log}");
    assert!(!log.contains("c4nary"), "{log}");
}

#[test]
#[ignore = "run by a_panic_in_the_process, in a process of its own"]
fn in_this_process() {
    logging::init(Level::Info, Format::Logfmt).unwrap();
    logging::end_on_panic();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Nobody waits for this task.
        drop(tokio::spawn(async { panic!("with c4nary") }));
        std::future::pending::<()>().await;
    });
}
