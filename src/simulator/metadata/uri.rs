//! A credentials URI: GET answers with a role's keys, to anyone.

use serde_json::json;

use super::{Request, not_found, wrong_method};
use crate::simulator::scenario::CredentialsUri;
use crate::simulator::sts::issue::{Handout, Terms, fields};
use crate::simulator::wire::refusal::Refusal;
use crate::simulator::wire::reply::Answer;

/// One path.
#[derive(Debug)]
pub(crate) struct Uri {
    settings: CredentialsUri,
    keys: Handout,
}

impl Uri {
    pub(super) fn new(settings: CredentialsUri) -> Self {
        Self { settings, keys: Handout::default() }
    }

    pub(super) fn path(&self) -> &str {
        &self.settings.path
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        if request.call.method != "GET" {
            return Err(wrong_method());
        }
        let role = request.roles.by_name(&self.settings.role).ok_or_else(not_found)?;
        let CredentialsUri { lifetime, renew_before, .. } = self.settings;
        let terms = Terms { lifetime, renew_before };
        let key = self.keys.key(request.gate, &role, terms, request.moment.now, request.damage);
        let mut document = fields(&key);
        document["Code"] = json!("Success");
        Ok(Answer::Document(document))
    }
}
