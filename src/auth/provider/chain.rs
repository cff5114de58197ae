//! `default`: the chain of the official SDKs. The first link that yields keys is asked from then on.

use std::sync::OnceLock;

use crate::auth::provider::metadata::Metadata;
use crate::auth::provider::oidc::Oidc;
use crate::auth::provider::profile::Profile;
use crate::auth::provider::session::Keys;
use crate::auth::provider::source::{Context, Source};
use crate::auth::provider::uri::Uri;

/// Sources, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Source>,
    /// The one that yielded.
    found: OnceLock<usize>,
}

impl Chain {
    /// The chain in the order of the official SDKs.
    pub(super) fn official() -> Self {
        let links = vec![
            Source::Environment,
            Source::Oidc(Oidc::default()),
            Source::Profile(Profile::of_cli()),
            Source::Profile(Profile::of_credentials_file()),
            Source::Metadata(Metadata::default()),
            Source::Uri(Uri::default()),
        ];
        Self { links, found: OnceLock::new() }
    }

    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        if let Some(found) = self.found.get() {
            return self.links[*found].keys(context).await.map_err(|error| error.to_string());
        }
        let mut problems = Vec::new();
        for (position, link) in self.links.iter().enumerate() {
            match link.keys(context).await {
                Ok(keys) => {
                    self.found.get_or_init(|| position);
                    return Ok(keys);
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        Err(format!("no provider of the chain has credentials: {}", problems.join("; ")))
    }
}
