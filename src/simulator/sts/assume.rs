//! `AssumeRole`: a signed request for a role's keys. Its checks are shared with the unsigned one.

use std::time::Duration;

use serde_json::{Value, json};

use super::Request;
use super::issue::{fields, issue};
use super::roles::malformed;
use crate::simulator::gate::Identity;
use crate::simulator::gate::permissions::Permissions;
use crate::simulator::scenario::Role;
use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

/// The operation's name.
pub(super) const ACTION: &str = "AssumeRole";

const SHORTEST: u64 = 900;
const USUAL_DURATION: u64 = 3_600;
const LONGEST_POLICY: usize = 2_048;

/// What a request says of the session that it wants.
#[derive(Debug)]
pub(super) struct Session<'a> {
    name: &'a str,
    policy: Option<Permissions>,
    /// In seconds.
    duration: u64,
}

/// Answers a request that has passed the gate.
pub(super) fn answer(request: &Request<'_>, identity: &Identity<'_>) -> Result<Value, Refusal> {
    if !identity.may("sts:AssumeRole") {
        return Err(no_permission());
    }
    let arn = request.call.required("RoleArn")?;
    let session = Session::read(request.call)?;
    let role = request.roles.by_arn(arn)?;
    let trusted = match &role.trusts {
        Some(accounts) => accounts.contains(&identity.account.name),
        None => role.account.as_ref() == Some(&identity.account.name),
    };
    let external_id = role.external_id.as_deref();
    if !trusted || external_id.is_some_and(|id| request.call.get("ExternalId") != Some(id)) {
        return Err(no_permission());
    }
    session.open(&role, request)
}

impl<'a> Session<'a> {
    pub(super) fn read(call: &'a Call) -> Result<Self, Refusal> {
        let name = call.required("RoleSessionName")?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
        if !(2..=64).contains(&name.len()) || !name.bytes().all(is_name) {
            return Err(malformed("RoleSessionName"));
        }
        let policy = call.get("Policy").unwrap_or_default();
        if policy.len() > LONGEST_POLICY {
            let message = format!("The size of Policy must be at most {LONGEST_POLICY} bytes.");
            return Err(Refusal::new(400, "InvalidParameter.PolicySize", message));
        }
        let policy = match policy {
            "" => None,
            policy => Some(Permissions::parse(policy).ok_or_else(|| {
                let message = "The parameter Policy has not passed grammar check.";
                Refusal::new(400, "InvalidParameter.PolicyGrammar", message)
            })?),
        };
        let duration = match call.get("DurationSeconds") {
            None => USUAL_DURATION,
            Some(seconds) => seconds.parse().map_err(|_| malformed("DurationSeconds"))?,
        };
        Ok(Self { name, policy, duration })
    }

    /// Gives the session its keys.
    pub(super) fn open(self, role: &Role, request: &Request<'_>) -> Result<Value, Refusal> {
        let longest = role.max_duration.as_secs();
        if !(SHORTEST..=longest).contains(&self.duration) {
            let message =
                format!("The Min/Max value of DurationSeconds is {SHORTEST}s/{longest}s.");
            return Err(Refusal::new(400, "InvalidParameter.DurationSeconds", message));
        }
        let Request { gate, moment, damage, .. } = request;
        let lifetime = Duration::from_secs(self.duration);
        let key = issue(gate, role, self.policy, lifetime, moment.now, damage);
        Ok(json!({
            "AssumedRoleUser": {
                "Arn": format!("{}/{}", role.arn, self.name),
                "AssumedRoleId": format!("{}:{}", role_id(role), self.name),
            },
            "Credentials": fields(&key),
        }))
    }
}

/// A number that stands for the role, always the same.
fn role_id(role: &Role) -> u64 {
    let fold = |sum: u64, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    300_000_000_000_000_000 + role.arn.bytes().fold(7, fold) % 100_000_000_000_000_000
}

fn no_permission() -> Refusal {
    let message = "You are not authorized to do this action. You should be authorized by RAM.";
    let detail = Refusal::not_authorised("sts:AssumeRole").access_denied;
    Refusal { access_denied: detail, ..Refusal::new(403, "NoPermission", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_number_has_as_many_digits_as_the_documented_one_and_stays() {
        let role = Role::new("acs:ram::1234567890123456:role/exporter");
        assert_eq!(role_id(&role).to_string().len(), 18);
        assert_eq!(role_id(&role), role_id(&role));
        assert!(super::super::roles::is_role_arn(&role.arn));
    }
}
