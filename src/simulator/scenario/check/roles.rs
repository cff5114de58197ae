//! Roles, and the places that hand out their keys.

use std::collections::HashSet;
use std::time::Duration;

use super::Check;
use crate::simulator::scenario::{OidcTrust, Role};
use crate::simulator::sts::roles::is_role_arn;

const SHORTEST: Duration = Duration::from_secs(15 * 60);
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

impl Check<'_> {
    pub(super) fn roles(&mut self) {
        let (mut arns, mut names) = (HashSet::new(), HashSet::new());
        for (at, role) in self.scenario.roles.iter().enumerate() {
            let path = format!("roles[{at}]");
            self.role(&path, role);
            if !arns.insert(&role.arn) {
                self.report(format!("{path}.arn"), format!("`{}` is taken", role.arn));
            }
            names.extend([role.name(), role.arn.as_str()]);
        }
        let metadata = &self.scenario.metadata;
        if let Some(role) = &metadata.role {
            self.known_role("metadata.role", role, &names);
        }
        self.lifetime("metadata", metadata.lifetime, metadata.renew_before);
        let mut paths = HashSet::new();
        for (at, uri) in self.scenario.credentials_uris.iter().enumerate() {
            let path = format!("credentials_uris[{at}]");
            self.known_role(&format!("{path}.role"), &uri.role, &names);
            self.lifetime(&path, uri.lifetime, uri.renew_before);
            let reserved = uri.path == "/" || uri.path.starts_with("/latest/");
            if !uri.path.starts_with('/') || reserved {
                let message = "must start with `/`, and be neither `/` nor under `/latest/`";
                self.report(format!("{path}.path"), message);
            }
            if !paths.insert(&uri.path) {
                self.report(format!("{path}.path"), format!("`{}` is taken", uri.path));
            }
        }
    }

    fn role(&mut self, path: &str, role: &Role) {
        if !is_role_arn(&role.arn) {
            let message = "must be like acs:ram::1234567890123456:role/name";
            self.report(format!("{path}.arn"), message);
        }
        if let Some(account) = &role.account {
            self.known_account(&format!("{path}.account"), account);
        }
        for (at, account) in role.trusts.iter().flatten().enumerate() {
            self.known_account(&format!("{path}.trusts[{at}]"), account);
        }
        if !(SHORTEST..=LONGEST).contains(&role.max_duration) {
            self.report(format!("{path}.max_duration"), "must be between 15m and 12h");
        }
        self.actions(path, role.allow.as_deref(), &role.deny);
        if let Some(trust) = &role.oidc {
            self.trust(&format!("{path}.oidc"), trust);
        }
    }

    fn trust(&mut self, path: &str, trust: &OidcTrust) {
        if !trust.provider_arn.contains(":oidc-provider/") {
            let message = "must be like acs:ram::1234567890123456:oidc-provider/name";
            self.report(format!("{path}.provider_arn"), message);
        }
        for (at, token) in trust.tokens.iter().enumerate() {
            if token.token.trim().is_empty() {
                self.report(format!("{path}.tokens[{at}].token"), "must not be empty");
            }
        }
    }

    fn known_role(&mut self, path: &str, role: &str, names: &HashSet<&str>) {
        if !names.contains(role) {
            self.report(path, format!("no role has the name or the ARN `{role}`"));
        }
    }

    fn lifetime(&mut self, path: &str, lifetime: Duration, renew_before: Option<Duration>) {
        if lifetime < Duration::from_secs(1) {
            self.report(format!("{path}.lifetime"), "must be at least 1s");
        } else if renew_before.is_some_and(|before| before >= lifetime) {
            self.report(format!("{path}.renew_before"), "must be under `lifetime`");
        }
    }
}
