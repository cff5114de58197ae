//! The `policy` command: the least RAM policy that an account's keys need for a configuration.
//!
//! Actions and resources are those that RDS's API reference names for each operation. What a policy
//! cannot narrow (tags, resource groups and engines of a discovery) it does not.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::config::{Account, Config, CredentialsSource, Instance, Regions};
use crate::domain::{LIST_IMPORTS, LIST_INSTANCES, LIST_REGIONS};

/// Characters that a custom policy may have.
///
/// <https://www.alibabacloud.com/help/en/ram/product-overview/limits>
const LONGEST: usize = 6_144;

/// A RAM policy; displays as the JSON document that RAM takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
    /// What whoever attaches it should know, each as a sentence; no part of the document.
    #[serde(skip)]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    action: String,
    resource: BTreeSet<String>,
}

/// Why there is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no such account.
    #[error("--account {name:?}: there is no such account; allowed: {}", .accounts.join(", "))]
    Unknown {
        /// Who was asked for.
        name: String,
        /// Who there is.
        accounts: Vec<String>,
    },
    /// It is not known for which account.
    #[error("--account is missing: each of several accounts has a policy of its own; allowed: {}", .accounts.join(", "))]
    Several {
        /// Who there is.
        accounts: Vec<String>,
    },
    /// The account calls nothing.
    #[error("accounts.{name}: no instance and no discovery uses it, so it needs no policy")]
    Unused {
        /// Which account.
        name: Arc<str>,
    },
}

/// The regions in which an account looks for instances.
#[derive(Debug, Default)]
struct Searched<'a> {
    all: bool,
    named: BTreeSet<&'a str>,
}

impl Policy {
    /// The policy for `account`, which may go without saying if there is only one.
    ///
    /// # Errors
    ///
    /// When it is not clear for which account, or that one calls nothing.
    pub fn new(config: &Config, account: Option<&str>) -> Result<Self, PolicyError> {
        let (name, account) = chosen(config, account)?;
        let searched = Searched::by(config, name);
        let listed: Vec<_> =
            config.instances.iter().filter(|instance| instance.account == *name).collect();
        if listed.is_empty() && searched.is_none() {
            return Err(PolicyError::Unused { name: Arc::clone(name) });
        }
        let policy = Self::of(account, &searched, searched.and(&listed, instance));
        if policy.to_string().len() <= LONGEST {
            return Ok(policy);
        }
        let regions = |listed: &Instance| instances_of(&listed.region);
        let mut wider = Self::of(account, &searched, searched.and(&listed, regions));
        wider.notes.push(format!(
            "the policy allows all instances of the regions of accounts.{name}: with each listed \
             instance in it, it would be longer than the {LONGEST} characters that RAM takes"
        ));
        Ok(wider)
    }

    fn of(account: &Account, searched: &Searched<'_>, instances: BTreeSet<String>) -> Self {
        let mut policy = Self { version: "1", statement: Vec::new(), notes: Vec::new() };
        policy.allow("rds", LIST_IMPORTS, instances);
        if !searched.is_none() {
            policy.allow("rds", LIST_INSTANCES, searched.resources());
        }
        if searched.all {
            policy.allow("rds", LIST_REGIONS, ["*".to_owned()].into());
        }
        policy.allow_roles(&account.credentials);
        policy
    }

    fn allow_roles(&mut self, credentials: &CredentialsSource) {
        match credentials {
            CredentialsSource::RamRoleArn { role, source, .. } => {
                self.allow("sts", "AssumeRole", role.arn.clone().into_iter().collect());
                self.notes.push(
                    "the keys of the source need the statement with sts:AssumeRole only, and the \
                     role needs the others"
                        .to_owned(),
                );
                self.allow_roles(source);
            }
            CredentialsSource::Profile { .. } => self.notes.push(
                "if the profile takes a role, the keys that take it need sts:AssumeRole on it, \
                 which is not in the policy: that profile is read where the daemon runs"
                    .to_owned(),
            ),
            _ => {}
        }
    }

    fn allow(&mut self, service: &str, operation: &str, resource: BTreeSet<String>) {
        let action = format!("{service}:{operation}");
        self.statement.push(Statement { effect: "Allow", action, resource });
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

impl<'a> Searched<'a> {
    fn by(config: &'a Config, account: &str) -> Self {
        let mut searched = Self::default();
        for entry in config.discovery.iter().filter(|entry| *entry.account == *account) {
            match &entry.regions {
                Regions::All => searched.all = true,
                Regions::Named(regions) => searched.named.extend(regions.iter().map(|r| &**r)),
            }
        }
        searched
    }

    fn is_none(&self) -> bool {
        !self.all && self.named.is_empty()
    }

    fn resources(&self) -> BTreeSet<String> {
        if self.all {
            return [instances_of("*")].into();
        }
        self.named.iter().map(|region| instances_of(region)).collect()
    }

    /// What is searched, and `resource` of each listed instance outside.
    fn and(
        &self,
        listed: &[&Instance],
        resource: impl Fn(&Instance) -> String,
    ) -> BTreeSet<String> {
        let outside = |listed: &&&Instance| !self.all && !self.named.contains(&*listed.region);
        let mut resources = self.resources();
        resources.extend(listed.iter().filter(outside).map(|listed| resource(listed)));
        resources
    }
}

fn chosen<'a>(
    config: &'a Config,
    asked: Option<&str>,
) -> Result<(&'a Arc<str>, &'a Account), PolicyError> {
    let accounts = || config.accounts.keys().map(ToString::to_string).collect();
    let mut all = config.accounts.iter();
    match asked {
        Some(name) => config
            .accounts
            .get_key_value(name)
            .ok_or_else(|| PolicyError::Unknown { name: name.to_owned(), accounts: accounts() }),
        None => all
            .next()
            .filter(|_| all.next().is_none())
            .ok_or_else(|| PolicyError::Several { accounts: accounts() }),
    }
}

/// The account's ID may be left open: a policy speaks of its own account only.
fn instance(instance: &Instance) -> String {
    format!("acs:rds:{}:*:dbinstance/{}", instance.region, instance.id)
}

fn instances_of(region: &str) -> String {
    format!("acs:rds:{region}:*:dbinstance/*")
}
