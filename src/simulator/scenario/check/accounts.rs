//! Accounts, their keys, permissions and rates.

use std::collections::HashSet;

use super::Check;
use crate::simulator::scenario::{Account, Key};

impl Check<'_> {
    pub(super) fn accounts(&mut self) {
        let accounts = &self.scenario.accounts;
        if accounts.is_empty() {
            self.report("accounts", "at least one account is needed");
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for (at, account) in accounts.iter().enumerate() {
            let path = format!("accounts[{at}]");
            self.account(&path, account);
            if !names.insert(&account.name) {
                self.report(format!("{path}.name"), format!("`{}` is taken", account.name));
            }
            if let Some(key) = &account.access_key_id
                && !keys.insert(key)
            {
                self.report(format!("{path}.access_key_id"), format!("`{key}` is taken"));
            }
            for (at, key) in account.more_keys.iter().enumerate() {
                let path = format!("{path}.more_keys[{at}]");
                self.key(&path, key);
                let id = &key.access_key_id;
                if !keys.insert(id) {
                    self.report(format!("{path}.access_key_id"), format!("`{id}` is taken"));
                }
            }
        }
    }

    fn account(&mut self, path: &str, account: &Account) {
        let texts = [
            ("name", Some(&account.name)),
            ("access_key_id", account.access_key_id.as_ref()),
            ("access_key_secret", account.access_key_secret.as_ref()),
        ];
        for (key, text) in texts {
            if text.is_some_and(String::is_empty) {
                self.report(format!("{path}.{key}"), "must not be empty");
            }
        }
        self.actions(path, account.allow.as_deref(), &account.deny);
        if let Some(throttle) = account.throttle {
            if !(throttle.rate >= 0.001 && throttle.rate <= 1e6) {
                let message = format!("{} is not between 0.001 and 1000000", throttle.rate);
                self.report(format!("{path}.throttle.rate"), message);
            }
            if throttle.burst == 0 {
                self.report(format!("{path}.throttle.burst"), "must be at least 1");
            }
        }
    }

    fn key(&mut self, path: &str, key: &Key) {
        let texts = [
            ("access_key_id", Some(&key.access_key_id)),
            ("access_key_secret", Some(&key.access_key_secret)),
            ("security_token", key.security_token.as_ref()),
        ];
        for (name, text) in texts {
            if text.is_some_and(String::is_empty) {
                self.report(format!("{path}.{name}"), "must not be empty");
            }
        }
        if key.expires.is_some() && key.security_token.is_none() {
            let message = "only a temporary key ends by itself: it needs a `security_token`";
            self.report(format!("{path}.expires"), message);
        }
    }

    /// Patterns of actions name a product whose actions are authorised.
    pub(super) fn actions(&mut self, path: &str, allow: Option<&[String]>, deny: &[String]) {
        let lists = [("allow", allow.unwrap_or_default()), ("deny", deny)];
        for (key, patterns) in lists {
            for (at, pattern) in patterns.iter().enumerate() {
                let known = ["rds:", "sts:"].iter().any(|product| pattern.starts_with(product));
                if pattern != "*" && !known {
                    let message = format!("`{pattern}` is no action; write it like rds:Describe*");
                    self.report(format!("{path}.{key}[{at}]"), message);
                }
            }
        }
        if deny.iter().any(|pattern| pattern == "rds:DescribeRegions") {
            let message = "rds:DescribeRegions needs no permission; use a fault";
            self.report(format!("{path}.deny"), message);
        }
    }
}
