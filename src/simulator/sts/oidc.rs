//! `AssumeRoleWithOIDC`: an unsigned request that an identity provider's token vouches for. The
//! codes are those of the product's table of errors.

use serde_json::{Value, json};

use super::Request;
use super::assume::Session;
use crate::simulator::wire::refusal::Refusal;

/// The operation's name.
pub(super) const ACTION: &str = "AssumeRoleWithOIDC";

/// Answers a request.
pub(super) fn answer(request: &Request<'_>) -> Result<Value, Refusal> {
    let call = request.call;
    let arn = call.required("RoleArn")?;
    let provider = call.required("OIDCProviderArn")?;
    let token = call.required("OIDCToken")?.trim();
    let session = Session::read(call)?;
    let role = request.roles.by_arn(arn)?;
    let trust = role.oidc.as_ref().filter(|trust| trust.provider_arn == provider);
    let trust = trust
        .ok_or_else(|| refused("NoPermission", "No such OIDC Provider registered for the role."))?;
    let known = trust.tokens.iter().find(|known| known.token.trim() == token);
    let known = known.ok_or_else(|| {
        refused("OIDCToken.Invalid", "The Jwt content is invalid that cannot be recognized.")
    })?;
    if known.until.is_some_and(|until| request.moment.elapsed >= until) {
        return Err(refused("OIDCToken.Expired", "This JsonWebToken is expired."));
    }
    let mut fields = session.open(&role, request)?;
    fields["OIDCTokenInfo"] = json!({
        "Issuer": "https://oidc.example.com",
        "Subject": "system:serviceaccount:monitoring:exporter",
        "ClientIds": "sts.aliyuncs.com",
    });
    Ok(fields)
}

fn refused(what: &str, message: &str) -> Refusal {
    Refusal::new(401, format!("AuthenticationFail.{what}"), message)
}
