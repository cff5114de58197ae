//! Asks the API and understands its answers.
//!
//! [`Client`] makes one attempt at a call: it signs, sends, reads within limits, parses and sorts
//! errors. Whether and when to try again, and what a list of pages means, is the poller's business.

mod client;
pub mod endpoint;
pub mod error;
mod error_body;
mod inventory;
mod request;
mod response;
mod skew;
pub mod time;

pub use client::Client;
pub use error::{Error, Kind};
pub use inventory::{InstancesPage, ListedInstance};
pub use request::{ListImports, ListInstances};
pub use response::Page;
pub(crate) use skew::TOLERANCE as SKEW_TOLERANCE;

pub use crate::transport::SetupError;

/// Ways to what reads answers, for [`crate::fuzzing`].
pub(crate) mod fuzzing {
    use chrono::{DateTime, Utc};

    use super::{error_body, inventory, response};
    use crate::auth::Credentials;
    use crate::secret::Secret;

    /// Reads a body as each of the things that it may be.
    pub(crate) fn answers(body: &[u8], answered_at: DateTime<Utc>) {
        drop(response::parse(body, answered_at));
        response::assert_readers_agree(body);
        drop(inventory::parse_instances(body));
        drop(inventory::parse_regions(body));
        let credentials = Credentials {
            access_key_id: "id".to_owned(),
            access_key_secret: Secret::new("secret"),
            security_token: Some(Secret::new("token")),
        };
        drop(error_body::parse(400, body, &credentials));
    }
}
