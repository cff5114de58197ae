//! A scrape among 500 connections that ask nothing and a reader that takes its time, against the
//! same scrape alone.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;

use crate::Scale;
use crate::daemon::{Daemon, Fleet, Pace};
use crate::fleet::Life;
use crate::http::Scraper;
use crate::mock::Mock;
use crate::report::{Goal, Report, median};

const IDLE_CONNECTIONS: usize = 500;
/// Scrapes of each daemon in a round.
const SCRAPES: usize = 20;

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet { instances: scale.instances, tasks: 100 };
    let mock = Mock::start(fleet, Life::Still)?;
    let alone = Daemon::start(fleet, Pace::every(scale.seconds * 10), &mock.url)?;
    let crowded = Daemon::start(fleet, Pace::every(scale.seconds * 10), &mock.url)?;
    for daemon in [&alone, &crowded] {
        daemon.wait_until_polled(fleet, Duration::from_secs(300))?;
    }
    let _crowd = Crowd::gather(crowded.address)?;
    let clock = Clock::system();
    let mut scrapers = [&alone, &crowded].map(|daemon| Scraper::gzip(daemon.address));
    let mut walls = [Vec::new(), Vec::new()];
    for _ in 0..scale.rounds {
        for (scraper, walls) in scrapers.iter_mut().zip(&mut walls) {
            for _ in 0..SCRAPES {
                let began = clock.monotonic();
                scraper.scrape()?;
                walls.push((clock.monotonic() - began).as_secs_f64());
            }
        }
    }
    let [alone, crowded] = walls.each_mut().map(|walls| median(walls));
    report.row(
        format!("gzip scrape with {IDLE_CONNECTIONS} idle connections and a slow reader, wall"),
        "of the same alone",
        crowded / alone,
        Goal::AtMost { target: 2.0, stretch: None },
    );
    Ok(())
}

/// Connections that are there as long as this is.
struct Crowd {
    _idle: Vec<TcpStream>,
    leaves: Arc<AtomicBool>,
}

impl Crowd {
    fn gather(address: SocketAddr) -> anyhow::Result<Self> {
        let idle: std::io::Result<_> =
            (0..IDLE_CONNECTIONS).map(|_| TcpStream::connect(address)).collect();
        let leaves = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&leaves);
        let mut slow = TcpStream::connect(address)?;
        slow.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
        std::thread::spawn(move || {
            let mut piece = [0; 16 * 1024];
            // It ends with the crowd, or when the server has had enough of it.
            while !told.load(Ordering::Relaxed) && slow.read(&mut piece).is_ok_and(|read| read > 0)
            {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Ok(Self { _idle: idle?, leaves })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leaves.store(true, Ordering::Relaxed);
    }
}
