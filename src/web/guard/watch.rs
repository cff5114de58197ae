//! The web configuration as it is now: what was read last, and what changed since.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

use crate::secret::Secret;
use crate::web::auth::Users;
use crate::web::config::{WebConfig, WebConfigError};
use crate::web::rate::Limiter;
use crate::web::tls;

use super::files::{Named, Unreadable, read};

/// Stands for what no file's digest is.
const NEVER: [u8; 32] = [0; 32];

/// A web configuration file and what it said last.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    /// The path, as messages name it.
    file: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    text: Text,
    /// Of everything that `rules` were made from.
    digest: [u8; 32],
    rules: Result<Arc<Rules>, WebConfigError>,
    /// The last good one; `None` for plain HTTP. Which of both it is, only a restart changes.
    tls: Option<Arc<ServerConfig>>,
}

/// The file's text as it was parsed last, and what it says.
#[derive(Clone, Debug)]
struct Text {
    /// Hashes and perhaps a private key stand in it.
    text: Secret,
    parsed: Result<WebConfig, WebConfigError>,
}

/// What holds for a request.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: Users,
    pub(super) limiter: Option<Arc<Limiter>>,
}

impl Watch {
    /// Reads the file at `path`, and what it names, for the first time.
    pub(super) fn load(path: &Path) -> Result<Self, WebConfigError> {
        let file = path.to_string_lossy().into_owned();
        let bytes = read(path).map_err(|unreadable| {
            let hint = "name another file with --web.config.file";
            WebConfigError::of(&file, "", format!("{}; {hint}", unreadable.text()))
        })?;
        let text = Text::parse(bytes, path, &file);
        let config = text.parsed.clone()?;
        let Named { pem, digest } = Named::by(&config, text.text.expose());
        let pem =
            pem.map_err(|(key, unreadable)| WebConfigError::of(&file, &key, unreadable.text()))?;
        let tls = match (&config.tls, pem) {
            (Some(settings), Some(pem)) => Some(tls::build(settings, &pem, &file)?),
            _ => None,
        };
        let rules = Ok(Arc::new(Rules::new(config, None)));
        let state = Mutex::new(State { text, digest, rules, tls });
        Ok(Self { path: path.to_owned(), file, state })
    }

    pub(super) fn serves_tls(&self) -> bool {
        self.state().tls.is_some()
    }

    /// What the files say now. It blocks while they are read.
    pub(super) fn rules(&self) -> Result<Arc<Rules>, WebConfigError> {
        let mut state = self.state();
        self.look(&mut state);
        state.rules.clone()
    }

    /// What takes connections now. It blocks while the files are read.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        let mut state = self.state();
        self.look(&mut state);
        state.tls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Its parts are replaced one by one, and each is looked at anew with every request.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what changed.
    fn look(&self, state: &mut State) {
        let problem = |message: &str| WebConfigError::of(&self.file, "", message);
        let rules = match read(&self.path) {
            Err(Unreadable::NoDescriptor) => return,
            Err(Unreadable::Because(error)) => {
                state.digest = NEVER;
                Err(problem(&error))
            }
            // Perhaps it is being written just now. What it will say is not known, and this would
            // let everybody in.
            Ok(bytes) if bytes.trim_ascii().is_empty() && !state.text.is_empty() => {
                state.digest = NEVER;
                Err(problem("is empty now; to let everybody in, write {} into it"))
            }
            Ok(bytes) => {
                if state.text.text.expose().as_bytes() != bytes {
                    state.text = Text::parse(bytes, &self.path, &self.file);
                }
                match self.changed(state) {
                    Some(rules) => rules,
                    None => return,
                }
            }
        };
        self.log(&state.rules, &rules);
        state.rules = rules;
    }

    /// What the text and the files that it names say now; `None` if that has not changed.
    fn changed(&self, state: &mut State) -> Option<Result<Arc<Rules>, WebConfigError>> {
        let config = match state.text.parsed.clone() {
            Ok(config) => config,
            Err(error) => {
                state.digest = NEVER;
                return Some(Err(error));
            }
        };
        let Named { pem, digest } = Named::by(&config, state.text.text.expose());
        if matches!(pem, Err((_, Unreadable::NoDescriptor))) || state.digest == digest {
            return None;
        }
        state.digest = digest;
        let problem = |key: &str, message: &str| WebConfigError::of(&self.file, key, message);
        let added_or_removed = |text| Err(problem("tls_server_config", text));
        let tls = match (&config.tls, state.tls.is_some(), pem) {
            (Some(_), false, _) => {
                added_or_removed("was added while plain HTTP is served; restart to serve TLS")
            }
            (None, true, _) => {
                added_or_removed("was removed while TLS is served; restart to serve plain HTTP")
            }
            (_, _, Err((key, unreadable))) => Err(problem(&key, &unreadable.text())),
            (Some(settings), true, Ok(Some(pem))) => {
                tls::build(settings, &pem, &self.file).map(Some)
            }
            (None, false, _) | (_, _, Ok(None)) => Ok(None),
        };
        Some(tls.map(|tls| {
            state.tls = tls;
            let before = state.rules.as_ref().ok().map(Arc::as_ref);
            Arc::new(Rules::new(config, before))
        }))
    }

    /// Tells of a change, once.
    fn log<T>(&self, before: &Result<T, WebConfigError>, now: &Result<T, WebConfigError>) {
        let file = &self.file;
        let text =
            |rules: &Result<T, WebConfigError>| rules.as_ref().err().map(ToString::to_string);
        match (text(before), text(now)) {
            (_, None) => tracing::info!(%file, "took up the web configuration"),
            (before, now) if before == now => {}
            (_, Some(now)) => {
                let problems = now.replace('\n', "; ");
                tracing::error!(%file, %problems, "the web configuration is bad, every request is answered by 500 until it is mended");
            }
        }
    }
}

impl Text {
    fn parse(bytes: Vec<u8>, path: &Path, file: &str) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => {
                let directory = path.parent().unwrap_or(Path::new(""));
                let parsed = WebConfig::parse(&text, file, directory);
                Self { text: Secret::new(text), parsed }
            }
            Err(error) => Self {
                text: Secret::new(error.utf8_error().to_string()),
                parsed: Err(WebConfigError::of(file, "", "is not UTF-8 text")),
            },
        }
    }

    fn is_empty(&self) -> bool {
        self.text.expose().trim().is_empty()
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
