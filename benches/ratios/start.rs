//! From the start of the process to the first page of metrics, and what it holds when idle.

use std::process::Command;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;

use crate::Scale;
use crate::daemon::{Configuration, Fleet, Pace};
use crate::fleet::Life;
use crate::http;
use crate::mock::Mock;
use crate::peers;
use crate::process::Process;
use crate::report::{Goal, Report, median};

/// Time until what a start leaves in memory is there.
const SETTLED: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Starts {
    milliseconds: Vec<f64>,
    mebibytes: Vec<f64>,
}

impl Starts {
    fn add(&mut self, command: impl FnOnce(std::net::SocketAddr) -> Command) -> anyhow::Result<()> {
        let address = http::free_address()?;
        let mut command = command(address);
        let clock = Clock::system();
        let process = Process::start("a server", &mut command)?;
        let took = http::first_answer(address, "/metrics", &process, &clock)?;
        std::thread::sleep(SETTLED);
        self.milliseconds.push(took.as_secs_f64() * 1e3);
        self.mebibytes.push(process.memory()?.resident as f64 / 1024.0 / 1024.0);
        Ok(())
    }

    fn medians(&mut self) -> (f64, f64) {
        (median(&mut self.milliseconds), median(&mut self.mebibytes))
    }
}

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet { instances: 1, tasks: 100 };
    let mock = Mock::start(fleet, Life::Still)?;
    let configuration = Configuration::new(fleet, Pace::every(60), &mock.url)?;
    let (mut ours, mut blackbox) = (Starts::default(), Starts::default());
    for _ in 0..scale.rounds {
        ours.add(|address| configuration.command(address))?;
        blackbox.add(peers::blackbox_exporter)?;
    }
    let (our_time, our_memory) = ours.medians();
    let (their_time, their_memory) = blackbox.medians();
    let goal = Goal::AtMost { target: 0.6, stretch: None };
    report.row("start to first answer", "blackbox_exporter's time", our_time / their_time, goal);
    let goal = Goal::AtMost { target: 0.5, stretch: None };
    report.row("memory when idle", "blackbox_exporter's", our_memory / their_memory, goal);
    for (name, time, memory) in
        [("the exporter", our_time, our_memory), ("blackbox_exporter", their_time, their_memory)]
    {
        report.figure(format!("start of {name}"), format!("{time:.1} ms, {memory:.1} MiB"));
    }
    Ok(())
}
