//! Certificates, and a folder with a web configuration and what it names.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use tempfile::TempDir;

/// Whose password is `wonderland`.
pub(crate) const ALICE: &str = "alice:wonderland";

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server or a client with these names.
    pub(crate) fn issue(&self, names: &[SanType]) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Identity { cert: cert.pem(), key: key.serialize_pem() }
    }

    /// A certificate for a server on loopback.
    pub(crate) fn server(&self) -> Identity {
        self.issue(&[dns("localhost"), SanType::IpAddress([127, 0, 0, 1].into())])
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A folder in which `web.yml` and the files that it names stand.
pub(crate) struct Folder {
    directory: TempDir,
    pub(crate) authority: Authority,
}

impl Folder {
    /// With `server.pem` and `server.key`, their authority in `ca.pem`, another key in `other.key`,
    /// and `garbage.pem`.
    pub(crate) fn new() -> Self {
        let folder =
            Self { directory: tempfile::tempdir().unwrap(), authority: Authority::new("test CA") };
        folder.write("ca.pem", &folder.authority.pem());
        folder.write_identity("server", &folder.authority.server());
        folder.write("other.key", &folder.authority.server().key);
        folder.write("garbage.pem", "garbage\n");
        folder
    }

    pub(crate) fn with(web_yml: &str) -> Self {
        let folder = Self::new();
        folder.write("web.yml", web_yml);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn web_yml(&self) -> PathBuf {
        self.path("web.yml")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write_identity(&self, name: &str, identity: &Identity) {
        self.write(&format!("{name}.pem"), &identity.cert);
        self.write(&format!("{name}.key"), &identity.key);
    }
}

/// The section of the server's certificate, and more lines of it.
pub(crate) fn tls(more: &str) -> String {
    let lines = ["cert_file: server.pem", "key_file: server.key"].into_iter().chain(more.lines());
    lines.fold("tls_server_config:\n".to_owned(), |text, line| text + "  " + line + "\n")
}

/// The section of [`ALICE`].
pub(crate) fn users() -> String {
    // Cheap, since a test has no time for a good hash.
    let hash = bcrypt::hash("wonderland", 4).unwrap();
    format!("basic_auth_users:\n  alice: {hash}\n")
}
