//! What the numbers were measured on and against.

use std::fmt;
use std::process::Command;

use anyhow::Context as _;

use crate::process;

/// The machine, and the versions of what was measured.
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    system: String,
    kernel: String,
    versions: Vec<String>,
}

impl Machine {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let go = process::output("go", Command::new("go").arg("version"))?;
        let go = go.split_whitespace().nth(2).unwrap_or("go").replacen("go", "Go ", 1);
        let mut versions = vec![
            process::output("rustc", Command::new("rustc").arg("--version"))?.trim().to_owned(),
            go,
        ];
        for (name, package) in [
            ("client_golang", "golang-github-prometheus-client-golang-dev"),
            ("blackbox_exporter", "prometheus-blackbox-exporter"),
        ] {
            let mut command = Command::new("dpkg-query");
            command.args(["-W", "-f", "${Version}", package]);
            versions.push(format!("{name} {}", process::output("dpkg-query", &mut command)?));
        }
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name", ':')?,
            cores: std::thread::available_parallelism()?.get(),
            system: field("/etc/os-release", "PRETTY_NAME", '=')?,
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            versions,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, system, kernel, versions } = self;
        let versions = versions.join(", ");
        write!(f, "{cores} cores of {processor}, {system}, Linux {kernel}; {versions}")
    }
}

/// How many processes want a processor: over the last 1, 5 and 15 minutes.
pub(crate) fn load() -> anyhow::Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().take(3).collect::<Vec<_>>().join(", "))
}

fn field(file: &str, name: &str, separator: char) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let (_, value) = line
        .and_then(|line| line.split_once(separator))
        .with_context(|| format!("{file} tells no {name}"))?;
    Ok(value.trim().trim_matches('"').to_owned())
}
