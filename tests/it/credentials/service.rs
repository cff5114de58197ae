//! A small HTTP service on loopback: it answers what a function says, and remembers what it was
//! asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A service, for as long as it is held.
pub(super) struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _serving: AbortOnDropHandle<()>,
}

/// What the service was asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// What it answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) date: Option<&'static str>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, date: None, body: body.into() }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, date: None, body: String::new() }
    }

    /// An error of Alibaba Cloud's.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"RequestId": "R-1", "Code": code, "Message": message});
        Self { status, ..Self::ok(body.to_string()) }
    }
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// Parameters of the query.
    pub(super) fn query(&self) -> BTreeMap<String, String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Fields of the body.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

impl Service {
    pub(super) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(serve(stream, answer, seen));
            }
        });
        Self { address, requests, _serving: AbortOnDropHandle::new(serving) }
    }

    /// A metadata service with session tokens: its role `monitoring` has these keys.
    pub(super) async fn metadata(keys: &str) -> Self {
        let keys = keys.to_owned();
        Self::start(move |request| match request.path() {
            "/latest/api/token" => Answer::ok("metadata-token"),
            "/latest/meta-data/ram/security-credentials/" => Answer::ok("monitoring\n"),
            "/latest/meta-data/ram/security-credentials/monitoring" => Answer::ok(&keys),
            _ => Answer::status(404),
        })
        .await
    }

    /// An STS that gives these keys to whoever asks.
    pub(super) async fn sts(keys: &str) -> Self {
        let body = format!("{{\"RequestId\": \"R-1\", \"Credentials\": {keys}}}");
        Self::start(move |_| Answer::ok(&body)).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Temporary keys as services write them.
pub(super) fn keys(id: &str, secret: &str, token: &str, expiration: &str) -> String {
    serde_json::json!({
        "Code": "Success",
        "AccessKeyId": id,
        "AccessKeySecret": secret,
        "SecurityToken": token,
        "Expiration": expiration,
        "LastUpdated": "2026-11-24T11:00:00Z",
    })
    .to_string()
}

async fn serve(
    stream: TcpStream,
    answer: Arc<impl Fn(&Request) -> Answer>,
    seen: Arc<Mutex<Vec<Request>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let request = Request { method, target, headers, body: String::from_utf8(body).unwrap() };

    let Answer { status, date, body } = answer(&request);
    seen.lock().unwrap().push(request);
    let date = date.map_or(String::new(), |date| format!("Date: {date}\r\n"));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{date}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await.ok()
}
