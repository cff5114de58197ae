//! The programs that people would otherwise use, as processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::fleet;
use crate::http;
use crate::process::{self, Process};

/// A server of metrics.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// hyper sending the finished text of `page`.
pub(crate) fn static_page(page: &Path) -> anyhow::Result<Server> {
    let address = http::free_address()?;
    let page = page.to_str().context("a path of UTF-8")?;
    let process = Process::role(&["static", &address.to_string(), page])?;
    listening("a static body", process, address)
}

/// client_golang with the series of `page`.
pub(crate) fn client_golang(page: &Path) -> anyhow::Result<Server> {
    let address = http::free_address()?;
    let program = existing(root().join("target/peers/client-golang"))?;
    let mut command = Command::new(program);
    command.arg(address.to_string()).arg(page);
    listening("client_golang", Process::start("client_golang", &mut command)?, address)
}

/// prometheus_client with the series of `page`.
pub(crate) fn prometheus_client(page: &Path) -> anyhow::Result<Server> {
    let address = http::free_address()?;
    let mut command = python("prometheus_client_page.py")?;
    command.args([address.ip().to_string(), address.port().to_string()]).arg(page);
    listening("prometheus_client", Process::start("prometheus_client", &mut command)?, address)
}

/// The command that runs blackbox_exporter.
pub(crate) fn blackbox_exporter(address: SocketAddr) -> Command {
    let mut command = Command::new("prometheus-blackbox-exporter");
    command
        .arg("--config.file=/etc/prometheus/blackbox.yml")
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=error");
    command
}

/// Seconds on processors that one call of the official Python SDK takes.
pub(crate) fn sdk_seconds_a_call(url: &str, instances: usize, calls: usize) -> anyhow::Result<f64> {
    let mut command = python("sdk_poll.py")?;
    command.arg(url.trim_start_matches("http://")).arg(calls.to_string());
    command.args((0..instances).map(fleet::id)).env("NO_PROXY", "127.0.0.1");
    process::output("the Python SDK", &mut command)?
        .trim()
        .parse()
        .context("the SDK tells its time")
}

fn listening(name: &'static str, process: Process, address: SocketAddr) -> anyhow::Result<Server> {
    http::wait_for(address, &process)?;
    Ok(Server { name, process, address })
}

fn python(script: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(existing(root().join(".venv/bin/python"))?);
    command.arg(root().join("benches/peers").join(script));
    Ok(command)
}

fn existing(program: PathBuf) -> anyhow::Result<PathBuf> {
    ensure!(program.exists(), "{} is missing: benches/setup makes it", program.display());
    Ok(program)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
