//! Profiles of the SDKs' credentials file, an INI file with a section for each.

use std::path::Path;

use ini::{Ini, ParseOption, Properties};

use crate::auth::provider::configured::Configured;
use crate::auth::provider::metadata::Metadata;
use crate::auth::provider::oidc::Oidc;
use crate::auth::provider::profile::{Lookup, absent, required};
use crate::auth::provider::role::RoleSource;
use crate::auth::provider::source::Source;
use crate::auth::provider::sts::Sts;
use crate::config::{AccessKey, Role, SecretSource};
use crate::secret::Secret;

/// The section that is read if none is asked for.
const DEFAULT: &str = "default";

/// A section of the file.
struct Section<'a> {
    name: &'a str,
    properties: &'a Properties,
}

/// Looks the profile `name` up. Relative paths in it start from the directory of `path`.
pub(super) fn look_up(text: &str, name: Option<&str>, path: &Path) -> Result<Lookup, String> {
    let name = name.unwrap_or(DEFAULT);
    // Values are secrets: their quotes and backslashes are their own.
    let options =
        ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let text = text.trim_start_matches('\u{feff}');
    let file = Ini::load_from_str_opt(text, options)
        .map_err(|error| format!("the file is neither JSON nor INI, near line {}", error.line))?;
    match file.section(Some(name)) {
        None => Ok(absent(name, file.sections().flatten())),
        Some(properties) => Section { name, properties }.source(path).map(Lookup::Found),
    }
}

impl Section<'_> {
    fn source(&self, path: &Path) -> Result<Source, String> {
        Ok(match self.get("type").as_deref() {
            Some("access_key") => Source::Configured(self.key(false)?),
            Some("sts") => Source::Configured(self.key(true)?),
            Some("ecs_ram_role") => Source::Metadata(Metadata { role_name: self.get("role_name") }),
            Some("ram_role_arn") => Source::Role(RoleSource {
                role: self.role()?,
                external_id: self.get("external_id"),
                sts: Sts::default(),
                source: Box::new(Source::Configured(self.key(false)?)),
            }),
            Some("oidc_role_arn") => {
                let file =
                    required(self.get("oidc_token_file_path"), "oidc_token_file_path", self.name)?;
                let provider_arn = self.get("oidc_provider_arn");
                Source::Oidc(Oidc {
                    role: self.role()?,
                    provider_arn: Some(required(provider_arn, "oidc_provider_arn", self.name)?),
                    token_file: Some(path.parent().unwrap_or(Path::new("")).join(file)),
                    sts: Sts::default(),
                })
            }
            Some(other) => {
                return Err(format!(
                    "profile {:?} has the type {other:?}, which is not supported; supported: \
                     access_key, sts, ecs_ram_role, ram_role_arn, oidc_role_arn",
                    self.name
                ));
            }
            None => return Err(format!("profile {:?} has no type", self.name)),
        })
    }

    fn key(&self, with_token: bool) -> Result<Configured, String> {
        let field = |key| required(self.get(key), key, self.name);
        let secret = |key| Ok::<_, String>(SecretSource::Inline(Secret::new(field(key)?)));
        Ok(Configured {
            key: AccessKey { id: field("access_key_id")?, secret: secret("access_key_secret")? },
            security_token: if with_token { Some(secret("security_token")?) } else { None },
        })
    }

    fn role(&self) -> Result<Role, String> {
        Ok(Role {
            arn: Some(required(self.get("role_arn"), "role_arn", self.name)?),
            session_name: self.get("role_session_name"),
            policy: self.get("policy"),
            duration: None,
        })
    }

    /// A value without the comment behind it, as the official SDKs cut it; none if it is empty.
    fn get(&self, key: &str) -> Option<String> {
        let value = self.properties.get(key)?;
        let value = value.split('#').next().unwrap_or_default().trim();
        (!value.is_empty()).then(|| value.to_owned())
    }
}
