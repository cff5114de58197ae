//! Child processes: started, measured, ended.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Mutex<Child>,
    id: u32,
}

/// Resident memory in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// At its most.
    pub(crate) peak: u64,
}

impl Process {
    /// Starts `command`. What it says goes to stderr.
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}: {:?}", command.get_program()))?;
        Ok(Self { name: name.to_owned(), id: child.id(), child: Mutex::new(child) })
    }

    /// Starts this program in another role.
    pub(crate) fn role(arguments: &[&str]) -> anyhow::Result<Self> {
        let name = arguments.first().copied().unwrap_or_default();
        Self::start(name, &mut this_program(arguments)?)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Time on processors since its start, of all its threads, those that have ended included.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(self.id)?))?;
        Ok(clock.now()?.into())
    }

    /// Its resident memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let bytes = |field: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes = line.and_then(|line| line.split_whitespace().next());
            let kibibytes: u64 = kibibytes.with_context(|| format!("no {field}"))?.parse()?;
            Ok(kibibytes * 1024)
        };
        Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }

    /// Fails if it has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(status) = child.try_wait()? {
            bail!("{} has ended: {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// This program, with other arguments.
pub(crate) fn this_program(arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Time that this process has spent on processors.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// Time that this thread has spent on processors.
pub(crate) fn thread_cpu() -> anyhow::Result<Duration> {
    Ok(ClockId::CLOCK_THREAD_CPUTIME_ID.now()?.into())
}

/// Runs `command` to its end; gives what it printed.
pub(crate) fn output(name: &str, command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {name}: {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{name} failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
