//! Keys in environment variables: the first link of the default chain.

use crate::auth::Credentials;
use crate::auth::provider::session::Keys;
use crate::auth::provider::source::Context;
use crate::secret::Secret;

const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

pub(super) fn keys(context: &Context) -> Result<Keys, String> {
    let [id, secret, token] = [ID, SECRET, TOKEN].map(|name| context.variable(name));
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Keys::lasting(Credentials {
            access_key_id: id.to_owned(),
            access_key_secret: Secret::new(secret),
            security_token: token.map(Secret::new),
        })),
        (None, None) => Err(format!("{ID} and {SECRET} are not set")),
        (None, Some(_)) => Err(format!("{ID} is not set")),
        (Some(_), None) => Err(format!("{SECRET} is not set")),
    }
}
