//! Reading the web configuration and what it names.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::web::config::{Source, TlsSettings, WebConfig};
use crate::web::tls::Pem;

/// Larger than any web configuration, certificate chain or list of authorities.
const MAX_BYTES: u64 = 4 << 20;

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// There is no free file descriptor to read it with, which says nothing about the file.
    NoDescriptor,
    Because(String),
}

/// The PEM texts that a configuration names, and a digest of all that it is made from.
pub(super) struct Named {
    /// `None` if it names none; or the key of the one that cannot be read.
    pub(super) pem: Result<Option<Pem>, (String, Unreadable)>,
    pub(super) digest: [u8; 32],
}

impl Unreadable {
    pub(super) fn text(&self) -> String {
        match self {
            Self::NoDescriptor => "cannot be read: too many open files".to_owned(),
            Self::Because(text) => text.clone(),
        }
    }
}

impl Named {
    /// Reads what `config` names; `text` is its own text.
    pub(super) fn by(config: &WebConfig, text: &str) -> Self {
        let mut digest = Sha256::new_with_prefix(text);
        let pem = config.tls.as_ref().map(|settings| pem(settings, &mut digest)).transpose();
        Self { pem, digest: digest.finalize().into() }
    }
}

fn pem(settings: &TlsSettings, digest: &mut Sha256) -> Result<Pem, (String, Unreadable)> {
    let mut read = |source: &Source| {
        let text = pem_text(source).map_err(|unreadable| {
            digest.update(unreadable.text());
            (source.key(), unreadable)
        })?;
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(&text);
        Ok(text)
    };
    Ok(Pem {
        cert: read(&settings.cert)?,
        key: read(&settings.key)?,
        client_ca: settings.client_ca.as_ref().map(read).transpose()?,
    })
}

fn pem_text(source: &Source) -> Result<Vec<u8>, Unreadable> {
    match source {
        Source::Inline(_, pem) => Ok(pem.expose().as_bytes().to_vec()),
        Source::File(_, path) => read(path).map_err(|unreadable| match unreadable {
            Unreadable::Because(error) => {
                Unreadable::Because(format!("{} {error}", path.display()))
            }
            Unreadable::NoDescriptor => unreadable,
        }),
    }
}

/// Reads a small file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let unreadable = |error: io::Error| match error.raw_os_error() {
        // ENFILE and EMFILE, on every Unix.
        Some(23 | 24) => Unreadable::NoDescriptor,
        _ => Unreadable::Because(format!("cannot be read: {error}")),
    };
    // A pipe would be waited for when it is opened.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Unreadable::Because("cannot be read: it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::Because(format!("is larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}
