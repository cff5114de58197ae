//! The HTTP server, over real sockets.

mod accepting;
mod authentication;
pub(crate) mod certificates;
mod changes;
mod config;
mod encoding;
mod end;
mod limits;
mod paths;
mod prometheus;
mod scrapes;
mod slow_readers;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::{Clock, ManualClock};
use aliyun_rds_import_exporter::domain::{
    Engine, ImportId, InstanceKey, Position, Task, TaskStatus, TaskType,
};
use aliyun_rds_import_exporter::instruments::Instruments;
use aliyun_rds_import_exporter::metrics::Exposition;
use aliyun_rds_import_exporter::readiness::Readiness;
use aliyun_rds_import_exporter::reload::Reload;
use aliyun_rds_import_exporter::store::{GoodWalk, InstanceSnapshot, PollState, Store};
use aliyun_rds_import_exporter::web::{Bound, Guard, Limits, ListenAddress, Site};
use chrono::DateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use certificates::Folder;

/// Fails the test when something that must happen does not: generous, since it is never waited
/// for when all is well.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes forever")
}

/// A server on a free port of loopback, with a clock that stands still.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) instruments: Instruments,
    pub(crate) hands: ManualClock,
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default(), "/metrics").await
    }

    async fn with(limits: Limits, telemetry_path: &str) -> Self {
        Self::with_guard(limits, telemetry_path, |_| Guard::open()).await
    }

    /// A server behind the web configuration of a folder.
    async fn guarded(folder: &Folder) -> Self {
        let guard = |clock| Guard::load(&folder.web_yml(), clock).unwrap();
        Self::with_guard(Limits::default(), "/metrics", guard).await
    }

    async fn with_guard(
        limits: Limits,
        telemetry_path: &str,
        guard: impl FnOnce(Clock) -> Guard,
    ) -> Self {
        let bound = Bound::bind(&[local()]).await.unwrap();
        let address = bound.local_addrs()[0];
        let hands = ManualClock::new(DateTime::from_timestamp(1_787_220_000, 0).unwrap());
        let store = Store::new();
        let (readiness, site) = site(&store, &hands, telemetry_path);
        let site = Site { guard: guard(hands.clock()), ..site };
        let stop = CancellationToken::new();
        let instruments = site.instruments.clone();
        let task = tokio::spawn(bound.serve(site, limits, stop.clone()));
        Self { address, store, instruments, hands, readiness, stop, task }
    }

    async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    /// What curl is told of the metrics, or another path, with these options.
    async fn curl(&self, folder: &Folder, path: &str, options: &[&str]) -> Curl {
        let url = format!("https://127.0.0.1:{}{path}", self.address.port());
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--cacert"]);
        command.arg(folder.path("ca.pem")).args(options).arg(url).current_dir(folder.root());
        command.kill_on_drop(true);
        let output = within(command.output()).await;
        let output = output.expect("curl does not start: install the Debian package curl");
        Curl {
            code: output.status.code().unwrap(),
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until the server has come to its end.
    async fn ended(self) {
        within(self.task).await.unwrap();
    }
}

fn local() -> ListenAddress {
    "127.0.0.1:0".parse().unwrap()
}

fn site(
    store: &Store,
    hands: &ManualClock,
    telemetry_path: &str,
) -> (watch::Sender<Readiness>, Site) {
    let readiness = watch::Sender::new(Readiness::Ready);
    let instruments = Instruments::new().unwrap();
    let site = Site {
        exposition: Exposition::new(store.clone(), instruments.clone()),
        store: store.clone(),
        instruments,
        clock: hands.clock(),
        readiness: readiness.subscribe(),
        // Nobody answers those who ask for a reload.
        reload: Reload::channel().0,
        config: watch::Sender::new(Arc::default()).subscribe(),
        telemetry_path: telemetry_path.parse().unwrap(),
        guard: Guard::open(),
    };
    (readiness, site)
}

/// An instance of which `tasks` incremental tasks are all `lag_seconds` behind.
fn instance(id: &str, tasks: u64, lag_seconds: u32) -> InstanceSnapshot {
    let key = InstanceKey {
        account: "default".into(),
        region_id: "cn-hangzhou".into(),
        db_instance_id: id.into(),
    };
    let tasks = (1..=tasks).map(|number| Task {
        import_id: ImportId(number),
        kind: TaskType::INCREMENTAL,
        status: TaskStatus::INCREMENTAL_IMPORTING,
        position: Some(Position { unix_seconds: 1_787_220_000 - lag_seconds, lag_seconds }),
    });
    let walk = GoodWalk {
        ended_at: DateTime::from_timestamp(1_787_220_000, 0).unwrap(),
        duration: Duration::from_secs(1),
        pages: 1,
        tasks: tasks.collect(),
    };
    let stale_after = Duration::from_secs(900);
    let pending = InstanceSnapshot::pending(key, Engine::MySQL, Arc::from(""), stale_after);
    InstanceSnapshot { state: PollState::Active, up: Some(true), last_good: Some(walk), ..pending }
}

/// Instances whose page is many times what the buffers of a connection hold.
fn publish_a_large_page(store: &Store) {
    for number in 0..100 {
        store.publish(instance(&format!("rm-{number:03}"), 400, 7));
    }
}

/// A raw HTTP/1.1 client.
struct Client {
    stream: TcpStream,
    /// What was read and not used.
    unread: Vec<u8>,
}

/// What curl said.
#[derive(Debug)]
struct Curl {
    /// Its exit code.
    code: i32,
    /// Status line, headers and body.
    text: String,
    error: String,
}

impl Curl {
    fn starts_with(&self, start: &str) -> bool {
        self.code == 0 && self.text.starts_with(start)
    }
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status line and header lines.
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// A client for which the kernel keeps few bytes, so that a server that sends more has to wait
    /// until the client reads.
    async fn with_a_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::new(socket.connect(address).await.unwrap())
    }

    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Sends a request without a body.
    async fn ask(&mut self, method: &str, path: &str, headers: &str) {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "").await;
        self.answer().await
    }

    /// Sends a request and reads its answer, which has no body if the method is HEAD.
    async fn request(&mut self, method: &str, path: &str, headers: &str) -> Answer {
        self.ask(method, path, headers).await;
        if method == "HEAD" { self.head().await } else { self.answer().await }
    }

    /// Reads one answer with its body.
    async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let size: usize = answer.header("content-length").unwrap().parse().unwrap();
        while self.unread.len() < size {
            assert!(self.fill().await > 0, "the connection ended in the middle of a body");
        }
        answer.body = self.unread.drain(..size).collect();
        answer
    }

    /// Reads the head of one answer.
    async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill().await > 0, "the connection ended before an answer");
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        Answer { head: String::from_utf8(head).unwrap(), body: Vec::new() }
    }

    async fn fill(&mut self) -> usize {
        self.unread.reserve(64 * 1024);
        // A connection that is cut may end by a reset as well.
        within(self.stream.read_buf(&mut self.unread)).await.unwrap_or(0)
    }

    /// Waits until the server has ended the connection; nothing more may come.
    async fn assert_ended(&mut self) {
        let more = self.fill().await;
        assert_eq!(
            (more, self.unread.len()),
            (0, 0),
            "{:?}",
            String::from_utf8_lossy(&self.unread)
        );
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value);
        assert_eq!(values.next(), None, "{name} twice: {}", self.head);
        value
    }

    /// Its headers without the time.
    fn headers(&self) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        lines.filter(|line| !line.to_lowercase().starts_with("date:")).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
