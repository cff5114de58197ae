//! A client without a client library: what it signs and sends is in full view, and so is what comes
//! back. Its signature is written once more, from the API's documentation.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request that is not on its way yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) form: Option<BTreeMap<String, String>>,
    /// By lower-case name; a form's content type is one of them.
    pub(crate) headers: BTreeMap<String, String>,
}

/// Where common parameters go when they are signed in headers.
const IN_HEADERS: [(&str, &str); 4] = [
    ("Action", "x-acs-action"),
    ("Version", "x-acs-version"),
    ("Timestamp", "x-acs-date"),
    ("SignatureNonce", "x-acs-signature-nonce"),
];

const HOST: &str = "rds.aliyuncs.com";

/// An answer as it came, or as much of it as came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first page of the test instance's tasks of the last day, in JSON.
    pub(crate) fn list(now: DateTime<Utc>) -> Self {
        let minute = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%MZ").to_string();
        Self::operation("DescibeImportsFromDatabase", now)
            .with("DBInstanceId", super::INSTANCE)
            .with("EndTime", &minute(now))
            .with("Engine", "MySQL")
            .with("StartTime", &minute(now - TimeDelta::days(1)))
    }

    /// An operation of RDS, in JSON, without its own parameters.
    pub(crate) fn operation(action: &str, now: DateTime<Utc>) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(1);
        let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
        let query = [
            ("AccessKeyId", super::KEY.to_owned()),
            ("Action", action.to_owned()),
            ("Format", "JSON".to_owned()),
            ("SignatureMethod", "HMAC-SHA1".to_owned()),
            ("SignatureNonce", format!("nonce-{nonce}")),
            ("SignatureVersion", "1.0".to_owned()),
            ("Timestamp", now.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("Version", "2014-08-15".to_owned()),
        ];
        let query = query.map(|(name, value)| (name.to_owned(), value));
        Self { query: query.into(), ..Self::plain("GET", "/") }
    }

    /// A request to a plain HTTP service.
    pub(crate) fn plain(method: &'static str, path: &'static str) -> Self {
        let (query, headers) = (BTreeMap::new(), BTreeMap::new());
        Self { method, path, query, form: None, headers }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.query.remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Signs for another key, with its token if it has one.
    pub(crate) fn of(self, access_key_id: &str, token: Option<&str>) -> Self {
        let request = self.with("AccessKeyId", access_key_id);
        match token {
            Some(token) => request.with("SecurityToken", token),
            None => request,
        }
    }

    pub(crate) fn by(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Moves parameters from the query to a form body.
    pub(crate) fn in_form(mut self, names: &[&str]) -> Self {
        let moved = names.iter().map(|&name| (name.to_owned(), self.query.remove(name).unwrap()));
        self.form = Some(moved.collect());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Moves the common parameters from the query to headers, as ACS3-HMAC-SHA256 has them. The key
    /// and its token stay in the query until the request is signed.
    pub(crate) fn in_headers(mut self) -> Self {
        for name in ["Format", "SignatureMethod", "SignatureVersion"] {
            self.query.remove(name);
        }
        for (name, header) in IN_HEADERS {
            if let Some(value) = self.query.remove(name) {
                self.headers.insert(header.to_owned(), value);
            }
        }
        let hash = hex(&Sha256::digest(self.body()));
        self.header("x-acs-content-sha256", &hash).header("accept", "application/json")
    }

    fn body(&self) -> String {
        self.form.as_ref().map(join).unwrap_or_default()
    }

    /// The same request with its `Authorization`, which covers the host, the content type and every
    /// `x-acs-` header but `unsigned`.
    pub(crate) fn signed_in_headers(&self, secret: &str, unsigned: &str) -> Self {
        let mut request = self.clone();
        let key = request.query.remove("AccessKeyId").unwrap();
        if let Some(token) = request.query.remove("SecurityToken") {
            request = request.header("x-acs-accesskey-id", &key);
            request = request.header("x-acs-security-token", &token);
        }
        let mut signed = request.headers.clone();
        signed.insert("host".to_owned(), HOST.to_owned());
        signed.retain(|name, _| {
            (name == "host" || name == "content-type" || name.starts_with("x-acs-"))
                && name != unsigned
        });
        let names = signed.keys().cloned().collect::<Vec<_>>().join(";");
        let lines = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim()));
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{names}\n{}",
            request.method,
            request.path,
            join(&request.query),
            lines.collect::<String>(),
            hex(&Sha256::digest(request.body())),
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical))).as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
        );
        request.header("authorization", &authorization)
    }

    pub(crate) fn string_to_sign(&self) -> String {
        let form = self.form.iter().flatten();
        let all: BTreeMap<_, _> = self.query.iter().chain(form).collect();
        format!("{}&%2F&{}", self.method, encode(&join(all)))
    }

    /// The same request with its `Signature`.
    pub(crate) fn signed(&self, secret: &str) -> Self {
        let mut mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).unwrap();
        mac.update(self.string_to_sign().as_bytes());
        self.clone().with("Signature", &STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// The bytes of the request; the server is asked to close after it.
    pub(crate) fn bytes(&self, connection: &str) -> Vec<u8> {
        let form = self.body();
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "{} {}?{} HTTP/1.1\r\nHost: {HOST}\r\nConnection: {connection}\r\n{}Content-Length: {}\r\n\r\n{form}",
            self.method,
            self.path,
            join(&self.query),
            headers.collect::<String>(),
            form.len()
        )
        .into_bytes()
    }

    /// Sends it and reads until the server closes.
    pub(crate) async fn send(&self, address: SocketAddr) -> io::Result<Answer> {
        send(address, &self.bytes("close")).await
    }
}

/// Sends bytes and reads an answer until the server closes.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await?;
    Answer::parse(&received).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Some(Self { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Status and `Code`; the code of a success is empty.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let json = self.json();
        (self.status, json["Code"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        let json = self.json();
        let items = json["Items"]["ImportResultFromDB"].as_array().unwrap();
        items.iter().map(|item| item["ImportId"].as_u64().unwrap()).collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.json()["TotalRecordCount"].as_u64().unwrap()
    }
}

fn join<'a>(parameters: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let pairs =
        parameters.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
