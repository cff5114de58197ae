//! Where an account's keys come from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::auth::Credentials;
use crate::config::{CredentialsSource, Environment, SecretSource};
use crate::secret::Secret;

const ID_VARIABLE: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET_VARIABLE: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const TOKEN_VARIABLE: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

/// Gives an account's keys, and keeps them until told that they no longer work.
#[derive(Debug)]
pub struct Provider {
    source: CredentialsSource,
    environment: EnvironmentKeys,
    current: RwLock<Option<Arc<Credentials>>>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The default chain came to its end.
    #[error(
        "no credentials: {}; set {ID_VARIABLE} and {SECRET_VARIABLE}, or give the account `credentials: {{type: access_key, ...}}`",
        match missing.as_slice() {
            [one] => format!("environment variable {one} is not set"),
            _ => "environment variables are not set".to_owned(),
        }
    )]
    NotInEnvironment {
        /// The variables that are unset or empty.
        missing: Vec<&'static str>,
    },
    /// The secret's file cannot be read.
    #[error("cannot read access_key_secret_file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The secret's file holds nothing, or more than a line.
    #[error("access_key_secret_file {} must hold the secret on one line", path.display())]
    NotOneLine {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug)]
struct EnvironmentKeys {
    id: Option<String>,
    secret: Option<Secret>,
    token: Option<Secret>,
}

impl Provider {
    /// A provider of the keys that `source` describes.
    pub fn new(source: CredentialsSource, environment: &Environment) -> Self {
        // An empty variable counts as unset, as in the official SDKs.
        let variable =
            |name| environment.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let environment = EnvironmentKeys {
            id: variable(ID_VARIABLE),
            secret: variable(SECRET_VARIABLE).map(Secret::new),
            token: variable(TOKEN_VARIABLE).map(Secret::new),
        };
        Self { source, environment, current: RwLock::default() }
    }

    /// The keys to sign with now.
    ///
    /// # Errors
    ///
    /// When the source has none; the text says where it looked and what to do.
    pub fn credentials(&self) -> Result<Arc<Credentials>, CredentialsError> {
        if let Some(current) = &*self.current.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(current));
        }
        let credentials = Arc::new(self.resolve()?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(current.insert(credentials)))
    }

    /// Forgets the keys, since the API refused them: the next call looks at the source again, so
    /// that a rotated key file is taken up without a restart.
    pub fn invalidate(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn resolve(&self) -> Result<Credentials, CredentialsError> {
        match &self.source {
            CredentialsSource::Default => self.environment.resolve(),
            CredentialsSource::AccessKey { access_key_id, access_key_secret } => Ok(Credentials {
                access_key_id: access_key_id.clone(),
                access_key_secret: match access_key_secret {
                    SecretSource::Inline(secret) => secret.clone(),
                    SecretSource::File(path) => read_secret(path)?,
                },
                security_token: None,
            }),
        }
    }
}

impl EnvironmentKeys {
    fn resolve(&self) -> Result<Credentials, CredentialsError> {
        match (&self.id, &self.secret) {
            (Some(id), Some(secret)) => Ok(Credentials {
                access_key_id: id.clone(),
                access_key_secret: secret.clone(),
                security_token: self.token.clone(),
            }),
            (id, secret) => {
                let unset = [(ID_VARIABLE, id.is_none()), (SECRET_VARIABLE, secret.is_none())];
                let missing = unset.into_iter().filter(|(_, unset)| *unset);
                let missing = missing.map(|(name, _)| name).collect();
                Err(CredentialsError::NotInEnvironment { missing })
            }
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, CredentialsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CredentialsError::Unreadable { path: path.to_owned(), source })?;
    let line = text.trim();
    if line.is_empty() || line.contains(char::is_whitespace) {
        return Err(CredentialsError::NotOneLine { path: path.to_owned() });
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(variables: &[(&str, &str)]) -> Provider {
        Provider::new(CredentialsSource::Default, &variables.iter().copied().collect())
    }

    fn from_file(path: &Path) -> Provider {
        let source = CredentialsSource::AccessKey {
            access_key_id: "id".into(),
            access_key_secret: SecretSource::File(path.to_owned()),
        };
        Provider::new(source, &Environment::default())
    }

    #[test]
    fn takes_the_environments_keys_and_token() {
        let provider = provider(&[
            (ID_VARIABLE, "id"),
            (SECRET_VARIABLE, "secret"),
            (TOKEN_VARIABLE, "token"),
        ]);

        let credentials = provider.credentials().unwrap();

        assert_eq!(credentials.access_key_id, "id");
        assert_eq!(credentials.access_key_secret.expose(), "secret");
        assert_eq!(credentials.security_token.as_ref().unwrap().expose(), "token");
    }

    #[test]
    fn names_the_variable_that_is_missing_or_empty() {
        let error = provider(&[(ID_VARIABLE, "id"), (SECRET_VARIABLE, "")]).credentials();

        let text = error.unwrap_err().to_string();
        assert!(text.contains("variable ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"), "{text}");
    }

    #[test]
    fn takes_up_a_rotated_key_file_once_the_old_key_was_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old\n").unwrap();
        let provider = from_file(file.path());
        let secret = || provider.credentials().unwrap().access_key_secret.expose().to_owned();
        assert_eq!(secret(), "old");

        std::fs::write(file.path(), "new\n").unwrap();
        assert_eq!(secret(), "old");
        provider.invalidate();
        assert_eq!(secret(), "new");
    }

    #[test]
    fn names_the_file_that_cannot_serve() {
        let missing = from_file(Path::new("/nonexistent/secret")).credentials().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/secret"), "{missing}");

        let empty = tempfile::NamedTempFile::new().unwrap();
        let error = from_file(empty.path()).credentials().unwrap_err();
        assert!(error.to_string().contains("one line"), "{error}");
    }
}
