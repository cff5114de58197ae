//! `access_key` and `sts`: keys that the configuration holds or names files for.

use crate::auth::Credentials;
use crate::auth::provider::file;
use crate::auth::provider::session::Keys;
use crate::config::{AccessKey, SecretSource};

/// A key, with a token if it is a temporary one. Files are read again each time.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) key: AccessKey,
    pub(super) security_token: Option<SecretSource>,
}

impl Configured {
    pub(super) async fn keys(&self) -> Result<Keys, String> {
        let security_token = match &self.security_token {
            Some(token) => Some(file::secret(token, "security_token_file").await?),
            None => None,
        };
        Ok(Keys::lasting(Credentials {
            access_key_id: self.key.id.clone(),
            access_key_secret: file::secret(&self.key.secret, "access_key_secret_file").await?,
            security_token,
        }))
    }
}
