//! Mode `CloudSSO` of a CLI profile: keys for the login that the CLI keeps there.
//!
//! Only the CLI can log in, and only for hours: when the login has ended, an operator is asked for.

use chrono::DateTime;
use serde::Deserialize;

use crate::auth::provider::session::{Keys, Session, json};
use crate::auth::provider::source::Context;
use crate::config::credentials_uri;
use crate::secret::Secret;
use crate::transport;

/// A login, and what to get keys for.
#[derive(Debug)]
pub(super) struct CloudSso {
    pub(super) profile: String,
    pub(super) sign_in_url: String,
    pub(super) account_id: String,
    pub(super) access_config: String,
    pub(super) access_token: Secret,
    /// Unix time.
    pub(super) access_token_expires: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    cloud_credential: Session,
}

impl CloudSso {
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        let expires = DateTime::from_timestamp(self.access_token_expires, 0).unwrap_or_default();
        if expires <= context.clock.now() {
            return Err(format!(
                "the login expired at {}; log in with: aliyun configure --profile {} --mode CloudSSO",
                expires.to_rfc3339(),
                self.profile
            ));
        }
        let url = credentials_uri(&self.sign_in_url, context.allow_http)
            .map_err(|problem| format!("cloud_sso_sign_in_url: the value {problem}"))?;
        let url = url
            .join("/cloud-credentials")
            .map_err(|error| format!("cloud_sso_sign_in_url: {error}"))?;
        let shown = url.to_string();
        let body = serde_json::json!({
            "AccountId": self.account_id,
            "AccessConfigurationId": self.access_config,
        });
        let request = context
            .transport
            .through_proxies()
            .post(url)
            .bearer_auth(self.access_token.expose())
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = transport::send(request)
            .await
            .map_err(|failure| format!("{shown}: {}", failure.problem))?;
        if answer.status != 200 {
            return Err(format!("{shown} answered HTTP status {}", answer.status));
        }
        let handed_out = answer.date().unwrap_or_else(|| context.clock.now());
        let keys = json::<Answer>(&answer.body)
            .and_then(|answer| answer.cloud_credential.into_keys(handed_out));
        keys.map_err(|problem| format!("the answer of {shown} {problem}"))
    }
}
