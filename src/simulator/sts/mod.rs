//! The STS API, version 2015-04-01: temporary keys for roles.

mod assume;
pub(crate) mod issue;
mod oidc;
pub(crate) mod roles;

use serde_json::Value;

use super::faults::damage::Damage;
use super::gate::{Gate, Identity};
use super::life::world::Moment;
use super::wire::call::Call;
use super::wire::refusal::Refusal;
use roles::Roles;

/// The version of the API.
pub(crate) const VERSION: &str = "2015-04-01";
/// Its operations.
pub(crate) const ACTIONS: [&str; 2] = [assume::ACTION, oidc::ACTION];

/// A request, and what it meets.
pub(crate) struct Request<'a> {
    pub(crate) call: &'a Call,
    pub(crate) gate: &'a Gate,
    pub(crate) roles: &'a Roles,
    pub(crate) moment: &'a Moment,
    pub(crate) damage: &'a Damage<'a>,
}

/// Whether an operation is called without a signature.
pub(crate) fn is_unsigned(action: &str) -> bool {
    action == oidc::ACTION
}

/// Answers an operation; `identity` is who signed it, if it is a signed one.
pub(crate) fn answer(
    action: &str,
    request: &Request<'_>,
    identity: Option<&Identity<'_>>,
) -> Result<Value, Refusal> {
    match (action, identity) {
        (assume::ACTION, Some(identity)) => assume::answer(request, identity),
        (oidc::ACTION, _) => oidc::answer(request),
        _ => Err(Refusal::no_such_api()),
    }
}
