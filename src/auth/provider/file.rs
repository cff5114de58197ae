//! Small files that hold keys. They may lie on a file system that does not answer, so they are read
//! off the runtime's thread: scrapes go on.

use std::io::{self, Read as _};
use std::path::Path;

use crate::config::SecretSource;
use crate::secret::Secret;

/// Larger than any file of keys.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file cannot serve.
pub(super) enum Problem {
    /// It does not exist.
    Missing(String),
    /// It exists.
    Unusable(String),
}

impl From<Problem> for String {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Missing(text) | Problem::Unusable(text) => text,
        }
    }
}

/// The text of a file. The error tells its path.
pub(super) async fn read(path: &Path) -> Result<Secret, Problem> {
    let owned = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_now(&owned));
    // It fails only while the runtime shuts down.
    let broken_off = |error| Problem::Unusable(format!("cannot read {}: {error}", path.display()));
    reading.await.map_err(broken_off)?
}

fn read_now(path: &Path) -> Result<Secret, Problem> {
    let unreadable = |error: io::Error| {
        let text = format!("cannot read {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Problem::Missing(text),
            _ => Problem::Unusable(text),
        }
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Problem::Unusable(format!("{} is larger than 1 MiB", path.display())));
    }
    Ok(Secret::new(text))
}

/// The secret that is all of a file but a line end. `key` names what the path was given as.
pub(super) async fn read_secret(path: &Path, key: &str) -> Result<Secret, String> {
    let text = read(path).await.map_err(|problem| format!("{key}: {}", String::from(problem)))?;
    let line = text.expose().trim();
    if line.is_empty() || line.contains(char::is_whitespace) {
        return Err(format!("{key} {} must hold the secret on one line", path.display()));
    }
    Ok(Secret::new(line))
}

/// The secret that a configuration gives or names a file for.
pub(super) async fn secret(source: &SecretSource, file_key: &str) -> Result<Secret, String> {
    match source {
        SecretSource::Inline(secret) => Ok(secret.clone()),
        SecretSource::File(path) => read_secret(path, file_key).await,
    }
}
