//! Listening, and taking connections.

use std::fs::File;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use aliyun_rds_import_exporter::clock::{Clock, ManualClock};
use aliyun_rds_import_exporter::web::{Bound, Guard, Limits, ListenAddress, Site};
use chrono::DateTime;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use aliyun_rds_import_exporter::store::Store;

use super::{Client, local, site, within};

#[tokio::test]
async fn an_address_in_use_is_told_with_what_to_do() {
    let first = Bound::bind(&[local()]).await.unwrap();
    let taken = first.local_addrs()[0].to_string();

    let error = Bound::bind(&[taken.parse().unwrap()]).await.unwrap_err().to_string();

    assert_eq!(
        error,
        format!(
            "address {taken} is in use: stop the program that listens there, or choose another \
             address with --web.listen-address"
        )
    );
}

#[tokio::test]
async fn a_port_in_use_on_every_interface_is_told_too() {
    let first = Bound::bind(&[":0".parse().unwrap()]).await.unwrap();
    let taken: ListenAddress = format!(":{}", first.local_addrs()[0].port()).parse().unwrap();

    let error = Bound::bind(std::slice::from_ref(&taken)).await.unwrap_err().to_string();

    assert!(error.starts_with(&format!("address {taken} is in use: ")), "{error}");
}

#[tokio::test]
async fn an_address_of_another_machine_and_no_address_are_told() {
    let elsewhere: ListenAddress = "192.0.2.1:0".parse().unwrap();
    let error = Bound::bind(&[elsewhere]).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on address 192.0.2.1:0: "), "{error}");
    assert!(error.contains("--web.listen-address"), "{error}");

    let error = Bound::bind(&[]).await.unwrap_err().to_string();
    assert!(error.contains("--web.listen-address"), "{error}");
}

#[tokio::test]
async fn when_one_address_fails_none_is_kept() {
    let holder = Bound::bind(&[local()]).await.unwrap();
    let taken: ListenAddress = holder.local_addrs()[0].to_string().parse().unwrap();
    let free = Bound::bind(&[local()]).await.unwrap();
    let address: ListenAddress = free.local_addrs()[0].to_string().parse().unwrap();
    drop(free);

    Bound::bind(&[address.clone(), taken]).await.unwrap_err();

    Bound::bind(&[address]).await.unwrap();
}

#[tokio::test]
async fn answers_on_every_address() {
    let bound = Bound::bind(&[local(), local()]).await.unwrap();
    let addresses = bound.local_addrs();
    let (_readiness, site) =
        site(&Store::new(), &ManualClock::new(DateTime::UNIX_EPOCH), "/metrics");
    let stop = CancellationToken::new();
    let server = tokio::spawn(bound.serve(site, Limits::default(), stop.clone()));

    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        let mut client = Client::new(TcpStream::connect(address).await.unwrap());
        assert_eq!(client.get("/-/healthy").await.status(), 200);
    }
    stop.cancel();
    within(server).await.unwrap();
}

/// Tells the test below that it runs in a process with few file descriptors.
const FEW_FILES: &str = "TEST_WITH_FEW_FILES";

#[test]
fn survives_a_want_of_file_descriptors() {
    if std::env::var_os(FEW_FILES).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run_out_of_files());
        return;
    }
    // In a process of its own: the limit would fell the tests beside it.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg("web::accepting::survives_a_want_of_file_descriptors")
        .env(FEW_FILES, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn run_out_of_files() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).init();
    let bound = Bound::bind(&[local()]).await.unwrap();
    let address = bound.local_addrs()[0];
    let (_readiness, site) =
        site(&Store::new(), &ManualClock::new(DateTime::UNIX_EPOCH), "/metrics");
    let directory = tempfile::tempdir().unwrap();
    let web_config = directory.path().join("web.yml");
    std::fs::write(&web_config, "{}\n").unwrap();
    let guard = Guard::load(&web_config, Clock::system()).unwrap();
    let site = Site { clock: Clock::system(), guard, ..site };
    let server = tokio::spawn(bound.serve(site, Limits::default(), CancellationToken::new()));

    let mut kept = Client::new(TcpStream::connect(address).await.unwrap());
    assert_eq!(kept.get("/-/healthy").await.status(), 200);

    let mut files = Vec::new();
    let error = loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(24), "{error}");
    files.pop();
    // This takes the last one, so there is none for the server's end.
    let mut client = Client::new(TcpStream::connect(address).await.unwrap());
    client.ask("GET", "/-/healthy", "").await;
    within(async {
        while !log.text().contains("cannot take a connection") {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // Its web configuration cannot be read, which is no reason to think that it changed.
    assert_eq!(kept.get("/-/healthy").await.status(), 200);

    files.clear();
    assert_eq!(client.answer().await.status(), 200);
    assert!(!server.is_finished());
    assert_eq!(log.text().matches("cannot take a connection").count(), 1, "{}", log.text());
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
