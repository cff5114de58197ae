//! Who gets in: the web configuration in force, read again for every request and connection.
//!
//! The files are small, and reading them is cheap; they are parsed only when they differ from what
//! was read before. A file that has gone bad never opens anything: every request is answered by
//! 500 until it is mended, over TLS with the last good certificate.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};
use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;

use super::auth::{Checks, Users, Verdict};
use super::body::Body;
use super::config::{Source, TlsSettings, WebConfig, WebConfigError};
use super::rate::Limiter;
use super::response;
use super::tls::{self, Pem};

/// Larger than any web configuration, certificate chain or list of authorities.
const MAX_BYTES: u64 = 4 << 20;

/// Lets requests in, or not. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct Guard(Option<Arc<Watch>>);

/// A web configuration file and what it said last.
#[derive(Debug)]
struct Watch {
    path: PathBuf,
    /// The path, as messages name it.
    file: String,
    clock: Clock,
    checks: Checks,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The web configuration's text as it was parsed last, and what it says.
    text: Text,
    /// Of everything that `outcome` was made from.
    digest: [u8; 32],
    outcome: Outcome,
    /// The last good one; `None` for plain HTTP. Which of both it is, only a restart changes.
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Clone, Debug)]
struct Text {
    text: String,
    parsed: Result<WebConfig, WebConfigError>,
}

type Outcome = Result<Arc<Rules>, WebConfigError>;

/// What holds for a request.
#[derive(Debug)]
struct Rules {
    headers: Vec<(HeaderName, HeaderValue)>,
    users: Users,
    limiter: Option<Arc<Limiter>>,
}

/// A request that may be answered.
#[derive(Clone, Debug)]
pub(super) struct Admitted(Option<Arc<Rules>>);

/// Why a file could not be read.
enum Unreadable {
    /// There is no free file descriptor to read it with, which says nothing about the file.
    NoDescriptor,
    Because(String),
}

impl Guard {
    /// Lets everybody in, over plain HTTP.
    pub fn open() -> Self {
        Self(None)
    }

    /// Does what the web configuration at `path` says, and follows its changes.
    ///
    /// # Errors
    ///
    /// When the file or one that it names cannot be read, and for anything that is wrong with
    /// them.
    pub fn load(path: &Path, clock: Clock) -> Result<Self, WebConfigError> {
        let file = path.to_string_lossy().into_owned();
        let bytes = read(path).map_err(|unreadable| {
            let hint = "name another file with --web.config.file";
            WebConfigError::of(&file, "", format!("{}; {hint}", unreadable.text()))
        })?;
        let text = parse(bytes, path, &file);
        let config = text.parsed.clone()?;
        let (pem, digest) = pem_of(&config, &text.text);
        let tls = match (&config.tls, pem) {
            (Some(settings), Ok(Some(pem))) => Some(tls::build(settings, &pem, &file)?),
            (_, Ok(_)) => None,
            (_, Err((key, unreadable))) => {
                return Err(WebConfigError::of(&file, &key, unreadable.text()));
            }
        };
        let outcome = Ok(Arc::new(Rules::new(config, None)));
        let state = Mutex::new(State { text, digest, outcome, tls });
        let path = path.to_owned();
        Ok(Self(Some(Arc::new(Watch { path, file, clock, checks: Checks::default(), state }))))
    }

    /// Whether connections have to begin by a TLS handshake.
    pub fn serves_tls(&self) -> bool {
        self.0.as_ref().is_some_and(|watch| watch.state().tls.is_some())
    }

    /// What shakes hands on a new connection; `None` for plain HTTP.
    pub(super) async fn tls(&self) -> io::Result<Option<TlsAcceptor>> {
        let Some(watch) = self.0.as_ref().map(Arc::clone) else { return Ok(None) };
        let looking = tokio::task::spawn_blocking(move || {
            let mut state = watch.state();
            watch.look(&mut state);
            state.tls.clone()
        });
        Ok(looking.await?.map(TlsAcceptor::from))
    }

    /// Lets a request with these headers in, or gives the answer that it gets instead.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Response<Body>> {
        let Some(watch) = self.0.as_ref() else { return Ok(Admitted(None)) };
        let looker = Arc::clone(watch);
        let looking = tokio::task::spawn_blocking(move || {
            let mut state = looker.state();
            looker.look(&mut state);
            state.outcome.clone()
        });
        let Ok(Ok(rules)) = looking.await else {
            let text = "the web configuration is bad: the log says why";
            return Err(response::text(StatusCode::INTERNAL_SERVER_ERROR, text));
        };
        let limiter = rules.limiter.as_deref();
        if limiter.is_some_and(|limiter| !limiter.grants(watch.clock.monotonic())) {
            return Err(response::text(StatusCode::TOO_MANY_REQUESTS, "too many requests"));
        }
        let mut refusal = match watch.checks.check(&rules.users, headers).await {
            Verdict::Welcome => return Ok(Admitted(Some(rules))),
            Verdict::Unknown => {
                let mut refusal = response::text(StatusCode::UNAUTHORIZED, "unauthorized");
                let challenge = r#"Basic realm="aliyun-rds-import-exporter", charset="UTF-8""#;
                let challenge = HeaderValue::from_static(challenge);
                refusal.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                refusal
            }
            Verdict::Busy => {
                let text = "too many passwords are waiting to be checked";
                response::text(StatusCode::SERVICE_UNAVAILABLE, text)
            }
        };
        Admitted(Some(rules)).dress(&mut refusal);
        Err(refusal)
    }
}

impl Admitted {
    /// Adds the headers of the web configuration to an answer; they replace the answer's own.
    pub(super) fn dress(&self, answer: &mut Response<Body>) {
        for (name, value) in self.0.iter().flat_map(|rules| &rules.headers) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

impl Rules {
    /// A limit that stays the same goes on counting.
    fn new(config: WebConfig, before: Option<&Self>) -> Self {
        let limiter = config.rate.map(|rate| {
            let same = before.and_then(|before| before.limiter.as_ref());
            let same = same.filter(|limiter| limiter.rate() == rate);
            same.map_or_else(|| Arc::new(Limiter::new(rate)), Arc::clone)
        });
        Self { headers: config.headers, users: Users::new(config.users), limiter }
    }
}

impl Watch {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Its parts are replaced one by one, and each is looked at anew with every request.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what changed.
    fn look(&self, state: &mut State) {
        let outcome = match read(&self.path) {
            Err(Unreadable::NoDescriptor) => return,
            Err(Unreadable::Because(error)) => {
                // Whatever comes next is new.
                state.digest = [0; 32];
                Err(WebConfigError::of(&self.file, "", error))
            }
            // Perhaps it is being written just now. What it will say is not known, but this would
            // let everybody in.
            Ok(bytes) if bytes.trim_ascii().is_empty() && !state.text.text.trim().is_empty() => {
                state.digest = [0; 32];
                let message = "is empty now; write {} to let everybody in, and restart if it was \
                               TLS that is to go";
                Err(WebConfigError::of(&self.file, "", message))
            }
            Ok(bytes) => {
                if state.text.text.as_bytes() != bytes {
                    state.text = parse(bytes, &self.path, &self.file);
                }
                match self.outcome(state) {
                    Some(outcome) => outcome,
                    None => return,
                }
            }
        };
        self.log(&state.outcome, &outcome);
        state.outcome = outcome;
    }

    /// What the text and the files that it names say now; `None` if that has not changed.
    fn outcome(&self, state: &mut State) -> Option<Outcome> {
        let config = match state.text.parsed.clone() {
            Ok(config) => config,
            Err(error) => {
                state.digest = [0; 32];
                return Some(Err(error));
            }
        };
        let (pem, digest) = pem_of(&config, &state.text.text);
        if matches!(pem, Err((_, Unreadable::NoDescriptor))) || state.digest == digest {
            return None;
        }
        state.digest = digest;
        let problem = |key: &str, message: &str| WebConfigError::of(&self.file, key, message);
        let tls = match (&config.tls, state.tls.is_some(), pem) {
            (Some(_), false, _) => Err(problem(
                "tls_server_config",
                "was added while plain HTTP is served; restart to serve TLS",
            )),
            (None, true, _) => Err(problem(
                "tls_server_config",
                "was removed while TLS is served; restart to serve plain HTTP",
            )),
            (Some(settings), true, Ok(Some(pem))) => {
                tls::build(settings, &pem, &self.file).map(Some)
            }
            (_, _, Err((key, unreadable))) => Err(problem(&key, &unreadable.text())),
            (None, false, _) | (_, _, Ok(None)) => Ok(None),
        };
        Some(tls.map(|tls| {
            state.tls = tls;
            let before = state.outcome.as_ref().ok().map(Arc::as_ref);
            Arc::new(Rules::new(config, before))
        }))
    }

    fn log(&self, before: &Outcome, now: &Outcome) {
        let file = &self.file;
        let text = |outcome: &Outcome| outcome.as_ref().err().map(|error| error.to_string());
        match (text(before), text(now)) {
            (before, Some(now)) if before.as_ref() != Some(&now) => {
                let problems = now.replace('\n', "; ");
                tracing::error!(%file, %problems, "the web configuration is bad, every request is answered by 500 until it is mended");
            }
            (Some(_), Some(_)) => {}
            (_, None) => tracing::info!(%file, "took up the web configuration"),
            (None, Some(_)) => {}
        }
    }
}

impl Unreadable {
    fn text(&self) -> String {
        match self {
            Self::NoDescriptor => "cannot be read: too many open files".to_owned(),
            Self::Because(text) => text.clone(),
        }
    }
}

fn parse(bytes: Vec<u8>, path: &Path, file: &str) -> Text {
    match String::from_utf8(bytes) {
        Ok(text) => {
            let directory = path.parent().unwrap_or(Path::new(""));
            let parsed = WebConfig::parse(&text, file, directory);
            Text { text, parsed }
        }
        Err(_) => {
            let parsed = Err(WebConfigError::of(file, "", "is not UTF-8 text"));
            Text { text: String::new(), parsed }
        }
    }
}

/// The PEM texts that a configuration names, or the key of the one that cannot be read, and a
/// digest of all that the configuration is made from.
#[expect(clippy::type_complexity, reason = "the two callers take it apart at once")]
fn pem_of(config: &WebConfig, text: &str) -> (Result<Option<Pem>, (String, Unreadable)>, [u8; 32]) {
    let mut digest = Sha256::new_with_prefix(text);
    let pem = config.tls.as_ref().map(|settings| pem(settings, &mut digest)).transpose();
    (pem, digest.finalize().into())
}

fn pem(settings: &TlsSettings, digest: &mut Sha256) -> Result<Pem, (String, Unreadable)> {
    let mut read = |source: &Source| {
        let text = match source {
            Source::Inline(_, pem) => Ok(pem.expose().as_bytes().to_vec()),
            Source::File(_, path) => read(path).map_err(|unreadable| match unreadable {
                Unreadable::Because(error) => {
                    Unreadable::Because(format!("{} {error}", path.display()))
                }
                Unreadable::NoDescriptor => unreadable,
            }),
        };
        let text = text.map_err(|unreadable| {
            digest.update(unreadable.text());
            (source.key(), unreadable)
        })?;
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(&text);
        Ok(text)
    };
    Ok(Pem {
        cert: read(&settings.cert)?,
        key: read(&settings.key)?,
        client_ca: settings.client_ca.as_ref().map(read).transpose()?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let unreadable = |error: io::Error| match error.raw_os_error() {
        // ENFILE and EMFILE, on every Unix.
        Some(23 | 24) => Unreadable::NoDescriptor,
        _ => Unreadable::Because(format!("cannot be read: {error}")),
    };
    // A pipe would be waited for when it is opened.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Unreadable::Because("cannot be read: it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::Because(format!("is larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}
