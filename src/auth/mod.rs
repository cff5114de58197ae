//! Keys, and what is signed with them.
//!
//! A [`Provider`] turns an account's configuration into [`Credentials`]; [`sign`] signs a call with
//! them, by [`signature_v1`] or [`signature_v3`]. Nothing here talks to ApsaraDB RDS.

pub mod provider;
pub(crate) mod sign;
pub mod signature_v1;
pub mod signature_v3;

pub use provider::{CredentialsError, Origin, Provider};

use crate::secret::Secret;

/// An access key pair, with a token if it is a temporary one.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AccessKeyId`; names the key in every request.
    pub access_key_id: String,
    /// Signs requests; never sent.
    pub access_key_secret: Secret,
    /// `SecurityToken` of temporary keys.
    pub security_token: Option<Secret>,
}
