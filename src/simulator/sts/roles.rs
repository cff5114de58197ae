//! The roles that there are.

use std::sync::{Arc, PoisonError, RwLock};

use crate::simulator::gate::permissions::Permissions;
use crate::simulator::scenario::{OidcToken, Role, Scenario};
use crate::simulator::wire::refusal::Refusal;

/// The scenario's roles, each with its account named.
#[derive(Debug)]
pub(crate) struct Roles(RwLock<Vec<Arc<Role>>>);

impl Roles {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let first = scenario.accounts.first().map(|account| &account.name);
        let roles = scenario.roles.iter().map(|role| {
            let account = role.account.as_ref().or(first).cloned();
            Arc::new(Role { account, ..role.clone() })
        });
        Self(RwLock::new(roles.collect()))
    }

    /// The role with this ARN.
    pub(super) fn by_arn(&self, arn: &str) -> Result<Arc<Role>, Refusal> {
        if !is_role_arn(arn) {
            return Err(malformed("RoleArn"));
        }
        self.find(|role| role.arn == arn).ok_or_else(|| {
            let message = format!("The specified Role not exists: {arn}.");
            Refusal::new(404, "EntityNotExist.Role", message)
        })
    }

    /// The role with this name or ARN; the first one, if accounts share a name.
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Role>> {
        self.find(|role| role.name() == name || role.arn == name)
    }

    /// Replaces the tokens that let a role be assumed; false if no role with this ARN trusts an
    /// identity provider.
    pub(crate) fn set_tokens(&self, arn: &str, tokens: Vec<OidcToken>) -> bool {
        let mut roles = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let role = roles.iter_mut().find(|role| role.arn == arn).map(Arc::make_mut);
        let trust = role.and_then(|role| role.oidc.as_mut());
        trust.map(|trust| trust.tokens = tokens).is_some()
    }

    fn find(&self, fits: impl Fn(&Role) -> bool) -> Option<Arc<Role>> {
        let roles = self.0.read().unwrap_or_else(PoisonError::into_inner);
        roles.iter().find(|role| fits(role)).map(Arc::clone)
    }
}

/// What a role's keys may do.
pub(super) fn permissions(role: &Role) -> Permissions {
    Permissions::new(role.allow.as_deref(), &role.deny)
}

/// Whether a text is a role's ARN, `acs:ram::<account number>:role/<name>`.
pub(crate) fn is_role_arn(arn: &str) -> bool {
    let parts = arn.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
    parts.is_some_and(|(account, name)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte);
        !account.is_empty()
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(is_name)
    })
}

/// A parameter that STS refuses by its own code, `InvalidParameter.<name>`.
pub(super) fn malformed(name: &str) -> Refusal {
    let message = format!("The parameter {name} is wrongly formed.");
    Refusal::new(400, format!("InvalidParameter.{name}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_arns_of_roles_from_other_text() {
        assert!(is_role_arn("acs:ram::1234567890123456:role/exporter-1"));
        for other in [
            "",
            "exporter",
            "acs:ram::1:role/",
            "acs:ram:::role/a",
            "acs:ram::x:role/a",
            "acs:ram::1:user/a",
            "acs:ram::1:role/a b",
        ] {
            assert!(!is_role_arn(other), "{other}");
        }
    }
}
