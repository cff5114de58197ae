//! HTTP with as little as possible on top of it: a client that reads bodies and drops them, and a
//! server that answers from memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::process::Process;

/// Longest wait for a server that was started: peers read 25 MB first.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for an answer: the slowest peer takes seconds for a large page, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Room for what the system has of an answer.
const ROOM: usize = 1024 * 1024;

/// A client of one server, over one connection as long as the server keeps it.
pub(crate) struct Scraper {
    address: SocketAddr,
    accept_encoding: &'static str,
    connection: Option<BufReader<TcpStream>>,
}

/// How the end of a body is told.
enum Length {
    Known(u64),
    Chunked,
    UntilClosed,
}

impl Scraper {
    /// Asks for text as it is.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, accept_encoding: "identity", connection: None }
    }

    /// Asks for gzip, as Prometheus does.
    pub(crate) fn gzip(address: SocketAddr) -> Self {
        Self { address, accept_encoding: "gzip", connection: None }
    }

    /// Reads the metrics; gives the size of their body as sent.
    pub(crate) fn scrape(&mut self) -> anyhow::Result<u64> {
        let mut size = 0;
        self.get("/metrics", |piece| size += piece.len() as u64)?;
        Ok(size)
    }

    /// Reads the answer of `path` as text.
    pub(crate) fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let mut body = Vec::new();
        self.get(path, |piece| body.extend_from_slice(piece))?;
        String::from_utf8(body).with_context(|| format!("{path} is no text"))
    }

    fn get(&mut self, path: &str, sink: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let (address, encoding) = (self.address, self.accept_encoding);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: {encoding}\r\n\r\n"
        );
        connection.get_mut().write_all(request.as_bytes())?;
        if read_answer(&mut connection, sink).with_context(|| format!("{address}{path}"))? {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn connect(&self) -> anyhow::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(BufReader::with_capacity(ROOM, stream))
    }
}

/// Reads an answer; says whether the connection can be used again.
fn read_answer(
    connection: &mut BufReader<TcpStream>,
    mut sink: impl FnMut(&[u8]),
) -> anyhow::Result<bool> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    ensure!(line.split(' ').nth(1) == Some("200"), "unexpected answer: {}", line.trim_end());
    let mut keep_alive = line.starts_with("HTTP/1.1");
    let mut length = Length::UntilClosed;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(':').map(|(name, value)| (name, value.trim())) {
            None if header.is_empty() => break,
            None => bail!("no header: {header}"),
            Some(("content-length", value)) => length = Length::Known(value.parse()?),
            Some(("transfer-encoding", "chunked")) => length = Length::Chunked,
            Some(("connection", "close")) => keep_alive = false,
            Some(_) => {}
        }
    }
    match length {
        Length::Known(size) => take(connection, size, &mut sink)?,
        Length::Chunked => loop {
            line.clear();
            connection.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim_end(), 16)?;
            take(connection, size, &mut sink)?;
            line.clear();
            connection.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        },
        Length::UntilClosed => {
            take_all(connection, &mut sink)?;
            keep_alive = false;
        }
    }
    Ok(keep_alive)
}

fn take(
    connection: &mut BufReader<TcpStream>,
    mut left: u64,
    sink: &mut impl FnMut(&[u8]),
) -> anyhow::Result<()> {
    while left > 0 {
        let piece = connection.fill_buf()?;
        ensure!(!piece.is_empty(), "the body broke off");
        let size = piece.len().min(usize::try_from(left)?);
        sink(&piece[..size]);
        connection.consume(size);
        left -= size as u64;
    }
    Ok(())
}

fn take_all(
    connection: &mut BufReader<TcpStream>,
    sink: &mut impl FnMut(&[u8]),
) -> anyhow::Result<()> {
    loop {
        let piece = connection.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        sink(piece);
        let size = piece.len();
        connection.consume(size);
    }
}

/// An address on loopback that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until `process` listens on `address`.
pub(crate) fn wait_for(address: SocketAddr, process: &Process) -> anyhow::Result<()> {
    let clock = Clock::system();
    while TcpStream::connect(address).is_err() {
        process.check()?;
        ensure!(clock.monotonic() < PATIENCE, "{} did not listen in time", process.name());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Asks until `process` answers on `path`; gives the time that took, measured by `clock`.
pub(crate) fn first_answer(
    address: SocketAddr,
    path: &str,
    process: &Process,
    clock: &Clock,
) -> anyhow::Result<Duration> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    loop {
        if let Ok(mut stream) = TcpStream::connect(address) {
            stream.write_all(request.as_bytes())?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            ensure!(status.ends_with(b"200"), "{} did not answer 200", process.name());
            return Ok(clock.monotonic());
        }
        process.check()?;
        ensure!(clock.monotonic() < PATIENCE, "{} did not answer in time", process.name());
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Serves on a runtime like the daemon's, until killed.
pub(crate) fn serve<F>(
    listen: SocketAddr,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<Response<Full<Bytes>>, hyper::Error>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = answer.clone();
            tokio::spawn(async move {
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                // A client that leaves is no error of the server's.
                let _ = served.await;
            });
        }
    })
}
