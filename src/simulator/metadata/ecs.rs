//! The ECS metadata service, as far as it hands out the keys of the instance's role.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde_json::json;

use super::tokens::Tokens;
use super::{Request, not_found, wrong_method};
use crate::simulator::scenario::{Metadata, TokenMode};
use crate::simulator::sts::issue::{Handout, Terms, fields};
use crate::simulator::wire::call::{Call, SECONDS};
use crate::simulator::wire::refusal::Refusal;
use crate::simulator::wire::reply::Answer;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/ram/security-credentials/";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
/// Six hours, in seconds.
const LONGEST_TTL: u64 = 21_600;

/// The service of one ECS instance.
#[derive(Debug)]
pub(crate) struct Ecs {
    settings: Metadata,
    role: RwLock<Option<String>>,
    tokens: Tokens,
    keys: Handout,
}

/// What faults call a request to a path.
pub(super) fn action(path: &str) -> Option<&'static str> {
    match path.strip_prefix(ROLE_PATH.trim_end_matches('/')) {
        _ if path == TOKEN_PATH => Some("MetadataToken"),
        Some("" | "/") => Some("MetadataRoleName"),
        Some(role) if role.starts_with('/') => Some("MetadataCredentials"),
        _ => None,
    }
}

impl Ecs {
    pub(super) fn new(settings: Metadata) -> Self {
        let role = RwLock::new(settings.role.clone());
        Self { settings, role, tokens: Tokens::default(), keys: Handout::default() }
    }

    pub(super) fn wear(&self, role: Option<String>) {
        *self.role.write().unwrap_or_else(PoisonError::into_inner) = role;
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        let call = request.call;
        match action(&call.path) {
            Some("MetadataToken") => return self.token(call, request.moment.elapsed),
            None => return Err(not_found()),
            _ if call.method != "GET" => return Err(wrong_method()),
            _ => {}
        }
        self.check_token(call, request.moment.elapsed)?;
        let role = self.role.read().unwrap_or_else(PoisonError::into_inner).clone();
        let role = role.and_then(|name| request.roles.by_name(&name)).ok_or_else(not_found)?;
        let asked = call.path.strip_prefix(ROLE_PATH).unwrap_or_default();
        if asked.is_empty() {
            return Ok(Answer::Text(role.name().to_owned()));
        }
        if asked != role.name() {
            return Err(not_found());
        }
        let Metadata { lifetime, renew_before, .. } = self.settings;
        let now = request.moment.now;
        let terms = Terms { lifetime, renew_before };
        let key = self.keys.key(request.gate, &role, terms, now, request.damage);
        let mut document = fields(&key);
        document["LastUpdated"] = json!(now.format(SECONDS).to_string());
        document["Code"] = json!("Success");
        Ok(Answer::Document(document))
    }

    fn token(&self, call: &Call, elapsed: Duration) -> Result<Answer, Refusal> {
        if self.settings.token == TokenMode::Unsupported {
            return Err(not_found());
        }
        if call.method != "PUT" {
            return Err(wrong_method());
        }
        let ttl = call.header(TTL_HEADER).and_then(|ttl| ttl.parse().ok());
        let ttl = ttl.filter(|ttl| (1..=LONGEST_TTL).contains(ttl)).ok_or_else(|| {
            let message = format!("{TTL_HEADER} must be from 1 to {LONGEST_TTL}");
            Refusal::new(400, "BadRequest", message)
        })?;
        Ok(Answer::Text(self.tokens.issue(Duration::from_secs(ttl), elapsed)))
    }

    fn check_token(&self, call: &Call, elapsed: Duration) -> Result<(), Refusal> {
        match (self.settings.token, call.header(TOKEN_HEADER)) {
            (TokenMode::Unsupported, _) | (TokenMode::Optional, None) => Ok(()),
            (TokenMode::Required, None) => {
                Err(Refusal::new(403, "Forbidden", "Forbidden: a token is required"))
            }
            (_, Some(token)) if self.tokens.holds(token, elapsed) => Ok(()),
            (_, Some(_)) => {
                Err(Refusal::new(401, "Unauthorized", "Unauthorized: the token does not count"))
            }
        }
    }
}
