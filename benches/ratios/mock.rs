//! An API that answers at once, with finished pages: it costs next to nothing, so that what is
//! measured is the client. It checks no signature.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue};
use hyper::{Request, Response, StatusCode};

use crate::daemon::Fleet;
use crate::fleet::{self, Life};
use crate::http::{self, Scraper};
use crate::process::Process;

/// How the role is started.
#[derive(Args)]
pub(crate) struct Options {
    listen: SocketAddr,
    instances: usize,
    tasks: usize,
    life: Life,
}

/// The role's process.
pub(crate) struct Mock {
    _process: Process,
    control: Scraper,
    pub(crate) url: String,
}

struct Api {
    instances: Vec<Instance>,
    /// What all answers are dated with; `None` if it is the time.
    date: Option<HeaderValue>,
    answers: AtomicUsize,
    is_frozen: AtomicBool,
}

struct Instance {
    variants: Vec<Vec<Bytes>>,
    turn: AtomicUsize,
}

impl Mock {
    /// Starts an API for `fleet`.
    pub(crate) fn start(fleet: Fleet, life: Life) -> anyhow::Result<Self> {
        let address = http::free_address()?;
        let process = Process::role(&[
            "mock",
            &address.to_string(),
            &fleet.instances.to_string(),
            &fleet.tasks.to_string(),
            life.as_argument(),
        ])?;
        http::wait_for(address, &process)?;
        let control = Scraper::plain(address);
        Ok(Self { _process: process, control, url: format!("http://{address}") })
    }

    /// How many API requests were answered.
    pub(crate) fn answers(&mut self) -> anyhow::Result<usize> {
        let text = self.control.text("/answers")?;
        text.parse().context("the mock counts its answers")
    }

    /// Lets every later API request wait for ever, so that nothing changes any more.
    pub(crate) fn freeze(&mut self) -> anyhow::Result<()> {
        self.control.text("/freeze").map(drop)
    }
}

/// Serves until killed.
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let date = matches!(options.life, Life::Still | Life::Final).then(|| http_date(now));
    let api = Arc::new(Api {
        instances: (0..options.instances)
            .map(|number| Instance::new(number, options, now))
            .collect(),
        date: date.transpose()?,
        answers: AtomicUsize::new(0),
        is_frozen: AtomicBool::new(false),
    });
    http::serve(options.listen, move |request| {
        let api = Arc::clone(&api);
        async move { Ok(api.answer(&request).await) }
    })
}

fn http_date(time: DateTime<Utc>) -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::from_str(&time.format("%a, %d %b %Y %H:%M:%S GMT").to_string())?)
}

impl Instance {
    fn new(number: usize, options: &Options, now: DateTime<Utc>) -> Self {
        let variant = |variant| {
            let pages = fleet::pages(number, options.tasks, options.life, variant, now);
            pages.into_iter().map(Bytes::from).collect()
        };
        let variants = (0..options.life.variants()).map(variant).collect();
        Self { variants, turn: AtomicUsize::new(0) }
    }

    fn page(&self, number: usize) -> Option<Bytes> {
        let turn = match number {
            1 => self.turn.fetch_add(1, Ordering::Relaxed),
            // The later pages of a list belong to its first one.
            _ => self.turn.load(Ordering::Relaxed).wrapping_sub(1),
        };
        let pages = self.variants.get(turn % self.variants.len())?;
        pages.get(number.checked_sub(1)?).cloned()
    }
}

impl Api {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/answers" => {
                let answers = self.answers.load(Ordering::Relaxed);
                return Response::new(answers.to_string().into());
            }
            "/freeze" => {
                self.is_frozen.store(true, Ordering::Relaxed);
                return Response::default();
            }
            _ if self.is_frozen.load(Ordering::Relaxed) => {
                std::future::pending::<Infallible>().await;
            }
            _ => {}
        }
        let Some(page) = self.page(request.uri().query().unwrap_or_default()) else {
            let mut refusal = Response::new(Full::from("no such page"));
            *refusal.status_mut() = StatusCode::NOT_FOUND;
            return refusal;
        };
        self.answers.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Full::new(page));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
        if let Some(date) = &self.date {
            headers.insert(DATE, date.clone());
        }
        response
    }

    fn page(&self, query: &str) -> Option<Bytes> {
        let instance = self.instances.get(fleet::number(query)?)?;
        let number = query
            .split_once("PageNumber=")
            .map_or("1", |(_, rest)| rest.split_once('&').map_or(rest, |(number, _)| number));
        instance.page(number.parse().ok()?)
    }
}
