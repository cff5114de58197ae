//! `oidc_role_arn`: a role that an OIDC token stands for, as service accounts of Kubernetes have it
//! (RRSA).

use std::path::PathBuf;

use crate::auth::provider::file;
use crate::auth::provider::session::Keys;
use crate::auth::provider::source::Context;
use crate::auth::provider::sts::{AssumedRole, Sts};
use crate::config::Role;

const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const PROVIDER_ARN: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";

/// A role that a token in a file stands for. What is not given comes from the environment.
#[derive(Debug, Default)]
pub(super) struct Oidc {
    pub(super) role: Role,
    pub(super) provider_arn: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) sts: Sts,
}

impl Oidc {
    /// Reads the token file each time: Kubernetes writes a new token long before the old one ends.
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        let role_arn = given(context, "role_arn", ROLE_ARN, self.role.arn.clone());
        let provider_arn =
            given(context, "oidc_provider_arn", PROVIDER_ARN, self.provider_arn.clone());
        let (file_name, file) = match &self.token_file {
            Some(file) => ("oidc_token_file", Ok(file.clone())),
            None => {
                (TOKEN_FILE, given(context, "oidc_token_file", TOKEN_FILE, None).map(Into::into))
            }
        };
        let (role_arn, provider_arn, file): (_, _, PathBuf) = match (role_arn, provider_arn, file) {
            (Ok(role_arn), Ok(provider_arn), Ok(file)) => (role_arn, provider_arn, file),
            (role_arn, provider_arn, file) => {
                let missing = [role_arn.err(), provider_arn.err(), file.err()];
                let missing: Vec<_> = missing.into_iter().flatten().collect();
                return Err(format!("{} not set", missing.join(" and ")));
            }
        };
        let token = file::read_secret(&file, file_name).await?;
        let role = AssumedRole::new(context, role_arn, &self.role, None);
        self.sts.assume_role_with_oidc(context, &role, &provider_arn, &token).await
    }
}

/// What the configuration gives, or the environment; else the name of what is missing.
fn given(
    context: &Context,
    key: &str,
    variable: &str,
    value: Option<String>,
) -> Result<String, String> {
    let value = value.or_else(|| context.variable(variable).map(str::to_owned));
    value.ok_or_else(|| format!("{variable} (or {key})"))
}
