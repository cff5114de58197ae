//! `ram_role_arn`: a role that other keys take.

use crate::auth::provider::session::Keys;
use crate::auth::provider::source::{Context, Source};
use crate::auth::provider::sts::{AssumedRole, Sts};
use crate::config::Role;

/// A role, and where the keys that take it come from.
#[derive(Debug)]
pub(super) struct RoleSource {
    pub(super) role: Role,
    pub(super) external_id: Option<String>,
    pub(super) sts: Sts,
    pub(super) source: Box<Source>,
}

impl RoleSource {
    /// The source is asked anew each time: a role is taken once in a while only.
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        let arn = self.role.arn.clone().ok_or("role_arn is missing")?;
        let source = self.source.keys(context).await;
        let source = source.map_err(|error| format!("the keys to take {arn} with: {error}"))?;
        let role = AssumedRole::new(context, arn, &self.role, self.external_id.clone());
        self.sts.assume_role(context, &role, &source.credentials).await
    }
}
