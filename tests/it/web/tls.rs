//! TLS: what is agreed on, who is let in by a certificate, and what ends.

use std::sync::Arc;
use std::time::Duration;

use rcgen::SanType;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::{Authority, Folder, Identity, dns, tls};
use super::{Answer, Client, Server, publish_a_large_page, within};

/// Makes connections over TLS.
pub(super) struct TlsClient {
    provider: CryptoProvider,
    roots: RootCertStore,
    identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
}

/// One connection over TLS, for a request at a time.
pub(super) struct TlsConnection {
    stream: TlsStream<TcpStream>,
}

impl TlsClient {
    pub(super) fn new(folder: &Folder) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.path("ca.pem")).unwrap()).unwrap();
        let provider = ring::default_provider();
        Self { provider, roots, identity: None, versions: rustls::ALL_VERSIONS.to_vec() }
    }

    pub(super) fn with_identity(folder: &Folder, identity: &Identity) -> Self {
        let cert = CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        Self { identity: Some((cert, key)), ..Self::new(folder) }
    }

    pub(super) async fn connect(&self, server: &Server) -> std::io::Result<TlsConnection> {
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match &self.identity {
            Some((cert, key)) => {
                builder.with_client_auth_cert(vec![cert.clone()], key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(server.address).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
        Ok(TlsConnection { stream })
    }

    /// The answer on a connection of its own, if the server gives one.
    pub(super) async fn answer(&self, server: &Server, path: &str) -> Option<Answer> {
        // Over TLS 1.3 a refused certificate shows with the first read.
        let mut connection = self.connect(server).await.ok()?;
        connection.try_get(path).await
    }
}

impl TlsConnection {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).await.expect("no answer")
    }

    async fn try_get(&mut self, path: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.ok()?;
        let mut read = Vec::new();
        loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let body = read.split_off(end + 4);
                let mut answer = Answer { head: String::from_utf8(read).unwrap(), body };
                let size: usize = answer.header("content-length").unwrap().parse().unwrap();
                while answer.body.len() < size {
                    assert!(within(self.stream.read_buf(&mut answer.body)).await.unwrap() > 0);
                }
                return Some(answer);
            }
            if within(self.stream.read_buf(&mut read)).await.ok()? == 0 {
                return None;
            }
        }
    }

    pub(super) fn server_certificate(&self) -> Vec<u8> {
        self.stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    /// Version, suite and curve by rustls' names.
    fn agreed(&self) -> (String, String, NamedGroup) {
        let connection = self.stream.get_ref().1;
        let version = format!("{:?}", connection.protocol_version().unwrap());
        let suite = format!("{:?}", connection.negotiated_cipher_suite().unwrap().suite());
        (version, suite, connection.negotiated_key_exchange_group().unwrap().name())
    }
}

#[tokio::test]
async fn http_2_is_offered_unless_it_is_turned_off() {
    for (http, options, version) in [
        ("", &["--http2"][..], "HTTP/2 200"),
        ("", &["--http1.1"], "HTTP/1.1 200"),
        ("http_server_config: {http2: true}\n", &["--http2"], "HTTP/2 200"),
        ("http_server_config: {http2: false}\n", &["--http2"], "HTTP/1.1 200"),
    ] {
        let folder = Folder::with(&(tls("") + http));
        let server = Server::guarded(&folder).await;
        for path in ["/metrics", "/-/healthy"] {
            let told = server.curl(&folder, path, options).await;
            assert!(told.starts_with(version), "{http} {options:?}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_large_page_comes_whole_over_http_2_and_several_at_once() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    publish_a_large_page(&server.store);
    let url = format!("https://127.0.0.1:{}/metrics", server.address.port());

    let mut options = vec!["--http2", "--parallel", "--fail"];
    for page in ["page0", "page1"] {
        options.extend(["--output", page, url.as_str()]);
    }
    options.extend(["--output", "page2"]);
    let told = server.curl(&folder, "/metrics", &options).await;

    assert_eq!(told.code, 0, "{}", told.error);
    for page in ["page0", "page1", "page2"] {
        let page = std::fs::read_to_string(folder.path(page)).unwrap();
        assert!(page.starts_with("HTTP/2 200"));
        assert_eq!(page.matches("\naliyun_rds_import_task_status{").count(), 40_000);
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_over_http_2_too() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    for (path, options, status) in [
        ("/nowhere", &["--http2"][..], "HTTP/2 404"),
        ("/metrics", &["--http2", "--request", "POST"], "HTTP/2 405"),
        ("/-/healthy", &["--http2", "--request", "GET", "--data", "x"], "HTTP/2 413"),
        ("/metrics", &["--http2", "--head"], "HTTP/2 200"),
    ] {
        let told = server.curl(&folder, path, options).await;
        assert!(told.starts_with(status), "{path} {options:?}: {told:?}");
    }
}

#[tokio::test]
async fn client_certificates_are_asked_for_as_the_type_says() {
    let folder = Folder::new();
    let known = folder.authority.issue(&[dns("scraper.example")]);
    let unknown = Authority::new("another").issue(&[dns("scraper.example")]);
    let ca = "client_ca_file: ca.pem\n";
    // Whether none, an unknown and a known certificate get an answer.
    for (kind, ca, none, of_another, of_ours) in [
        ("NoClientCert", "", true, true, true),
        ("RequestClientCert", "", true, true, true),
        ("RequestClientCert", ca, true, true, true),
        ("RequireAnyClientCert", "", false, true, true),
        ("RequireClientCert", ca, false, true, true),
        ("VerifyClientCertIfGiven", ca, true, false, true),
        ("RequireAndVerifyClientCert", ca, false, false, true),
    ] {
        folder.write("web.yml", &tls(&format!("client_auth_type: {kind}\n{ca}")));
        let server = Server::guarded(&folder).await;
        for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
            for (client, expected, who) in [
                (TlsClient::new(&folder), none, "without a certificate"),
                (TlsClient::with_identity(&folder, &unknown), of_another, "of another authority"),
                (TlsClient::with_identity(&folder, &known), of_ours, "of the authority"),
            ] {
                let client = TlsClient { versions: versions.to_vec(), ..client };
                let answer = client.answer(&server, "/metrics").await;
                let version = versions[0].version;
                assert_eq!(answer.is_some(), expected, "{kind} {ca}: {who}, {version:?}");
                if let Some(answer) = answer {
                    assert_eq!(answer.status(), 200);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_needs_one_of_the_allowed_names() {
    let folder = Folder::new();
    let email = SanType::Rfc822Name("scraper@example.com".try_into().unwrap());
    let uri = SanType::URI("spiffe://example/scraper".try_into().unwrap());
    let (v4, v6) = (SanType::IpAddress([10, 0, 0, 1].into()), "2001:db8::1".parse().unwrap());
    for kind in ["RequireAnyClientCert", "RequireAndVerifyClientCert"] {
        let list = "[scraper.example, 10.0.0.1, '2001:db8::1', scraper@example.com, 'spiffe://example/scraper']";
        folder.write(
            "web.yml",
            &tls(&format!(
                "client_auth_type: {kind}\nclient_ca_file: ca.pem\nclient_allowed_sans: {list}\n"
            )),
        );
        let server = Server::guarded(&folder).await;
        for (names, expected) in [
            (vec![dns("scraper.example")], true),
            (vec![dns("other.example"), dns("scraper.example")], true),
            (vec![v4.clone()], true),
            (vec![SanType::IpAddress(v6)], true),
            (vec![email.clone()], true),
            (vec![uri.clone()], true),
            (vec![dns("other.example")], false),
            (vec![dns("a.scraper.example")], false),
            (vec![dns("*.example")], false),
            (vec![SanType::IpAddress([10, 0, 0, 2].into())], false),
            (vec![SanType::URI("scraper.example".try_into().unwrap())], true),
            (vec![], false),
        ] {
            let client = TlsClient::with_identity(&folder, &folder.authority.issue(&names));
            let answer = client.answer(&server, "/metrics").await;
            assert_eq!(answer.is_some(), expected, "{kind}: {names:?}");
        }
        assert!(TlsClient::new(&folder).answer(&server, "/metrics").await.is_none());
    }
}

#[tokio::test]
async fn versions_suites_and_curves_are_those_of_the_file() {
    let folder = Folder::new();
    for (more, version, suite, group) in [
        ("", "TLSv1_3", "TLS13_AES_256_GCM_SHA384", NamedGroup::X25519),
        (
            "max_version: TLS12\ncipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\ncurve_preferences: [CurveP384]\n",
            "TLSv1_2",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            NamedGroup::secp384r1,
        ),
        (
            "min_version: TLS13\ncipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\ncurve_preferences: [CurveP256]\n",
            "TLSv1_3",
            "TLS13_AES_256_GCM_SHA384",
            NamedGroup::secp256r1,
        ),
    ] {
        folder.write("web.yml", &tls(more));
        let server = Server::guarded(&folder).await;
        let connection = TlsClient::new(&folder).connect(&server).await.unwrap();
        assert_eq!(connection.agreed(), (version.to_owned(), suite.to_owned(), group), "{more}");
    }
}

#[tokio::test]
async fn a_client_of_another_version_is_refused() {
    let folder = Folder::with(&tls("min_version: TLS13"));
    let server = Server::guarded(&folder).await;
    let old = TlsClient { versions: vec![&rustls::version::TLS12], ..TlsClient::new(&folder) };

    assert!(old.connect(&server).await.is_err());
    assert!(TlsClient::new(&folder).connect(&server).await.is_ok());
}

#[tokio::test]
async fn the_order_of_suites_is_the_servers_unless_it_is_left_to_clients() {
    let folder = Folder::new();
    let mut client = TlsClient::new(&folder);
    client.provider.cipher_suites.reverse();
    let last = format!(
        "{:?}",
        client.provider.cipher_suites.iter().rfind(|s| s.tls13().is_some()).unwrap().suite()
    );
    let first = format!(
        "{:?}",
        client.provider.cipher_suites.iter().find(|s| s.tls13().is_some()).unwrap().suite()
    );
    for (prefer, suite) in [("true", last), ("false", first)] {
        folder.write("web.yml", &tls(&format!("prefer_server_cipher_suites: {prefer}")));
        let server = Server::guarded(&folder).await;
        assert_eq!(client.connect(&server).await.unwrap().agreed().1, suite, "{prefer}");
    }
}

#[tokio::test]
async fn plain_http_gets_nothing_where_tls_is_spoken() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let mut client = server.connect().await;
    client.ask("GET", "/metrics", "").await;

    let mut read = Vec::new();
    let _ = within(client.stream.read_to_end(&mut read)).await;
    let text = String::from_utf8_lossy(&read);
    assert!(!text.contains("HTTP") && read.len() < 16, "{text}");
}

#[tokio::test]
async fn half_a_handshake_is_cut_like_half_a_head() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send("\x16\x03\x01\x02\x00\x01").await;

    for client in [&mut silent, &mut half] {
        within(async {
            loop {
                server.hands.advance(Duration::from_secs(11));
                let ended = tokio::time::timeout(Duration::from_millis(20), client.assert_ended());
                if ended.await.is_ok() {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_kept_connection_outlives_pauses_and_not_the_end_of_the_server() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let client = TlsClient::new(&folder);
    let mut kept = client.connect(&server).await.unwrap();
    for _ in 0..5 {
        assert_eq!(kept.get("/-/healthy").await.status(), 200);
        server.hands.advance(Duration::from_secs(119));
    }

    server.stop.cancel();

    let mut rest = Vec::new();
    let _ = within(kept.stream.read_to_end(&mut rest)).await;
    assert_eq!(rest.len(), 0);
    server.ended().await;
}

#[tokio::test]
async fn a_scrape_over_http_2_is_finished_when_the_server_ends() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    publish_a_large_page(&server.store);
    // Takes more than a second, of which the first piece is enough here.
    let options = ["--http2", "--limit-rate", "8M", "--no-buffer", "--output", "page"];
    let scrape = server.curl(&folder, "/metrics", &options);
    let page = folder.path("page");
    let stop = async {
        within(async {
            while std::fs::metadata(&page).map_or(0, |page| page.len()) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        server.stop.cancel();
    };

    let (told, ()) = tokio::join!(scrape, stop);

    assert_eq!(told.code, 0, "{}", told.error);
    let page = std::fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("\naliyun_rds_import_task_status{").count(), 40_000);
    server.ended().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_handshake() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let mut silent: Client = server.connect().await;
    // Its own connection, so that the silent one was taken.
    TlsClient::new(&folder).answer(&server, "/-/healthy").await.unwrap();

    server.stop.cancel();

    silent.assert_ended().await;
    server.ended().await;
}
