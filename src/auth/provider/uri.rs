//! `uri`: a service, on this machine for instance, that hands out temporary keys.

use crate::auth::provider::session::{Keys, Session, json};
use crate::auth::provider::source::Context;
use crate::config::{credentials_uri, is_loopback};
use crate::secret::Secret;
use crate::transport;

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

/// A service that hands out keys.
#[derive(Debug, Default)]
pub(super) struct Uri {
    /// Without it, the environment's.
    pub(super) uri: Option<Secret>,
}

impl Uri {
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        let (name, text) = match (&self.uri, context.variable(VARIABLE)) {
            (Some(uri), _) => ("uri", uri.expose()),
            (None, Some(uri)) => (VARIABLE, uri),
            (None, None) => return Err(format!("{VARIABLE} is not set")),
        };
        let url = credentials_uri(text, context.allow_http)
            .map_err(|problem| format!("{name}: the value {problem}"))?;
        let local = url.host().is_some_and(|host| is_loopback(&host));
        let transport = &context.transport;
        let client = if local { transport.direct() } else { transport.through_proxies() };
        // The query may hold a token.
        let mut shown = url.clone();
        shown.set_query(None);

        let answer = transport::send(client.get(url))
            .await
            .map_err(|failure| format!("{name} {shown}: {}", failure.problem))?;
        if answer.status != 200 {
            return Err(format!("{name} {shown} answered HTTP status {}", answer.status));
        }
        let handed_out = answer.date().unwrap_or_else(|| context.clock.now());
        let keys = json::<Session>(&answer.body).and_then(|session| {
            match session.code.as_deref() {
                // Not all services send one.
                None | Some("Success") => session.into_keys(handed_out),
                Some(_) => Err("has another Code than Success".to_owned()),
            }
        });
        keys.map_err(|problem| format!("the answer of {name} {shown} {problem}"))
    }
}
