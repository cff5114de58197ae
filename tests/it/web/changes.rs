//! A web configuration that changes while the server runs.

use std::fs;
use std::os::unix::fs::symlink;

use super::authentication::basic;
use super::certificates::{ALICE, Folder, tls, users};
use super::tls::TlsClient;
use super::{Server, instance};

const PATHS: [&str; 5] = ["/", "/metrics", "/-/healthy", "/-/ready", "/nowhere"];

#[tokio::test]
async fn users_headers_and_limits_apply_with_the_next_request() {
    let folder = Folder::with("{}\n");
    let server = Server::guarded(&folder).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/metrics").await.status(), 200);

    folder.write("web.yml", &users());
    assert_eq!(client.get("/metrics").await.status(), 401);
    assert_eq!(client.request("GET", "/metrics", &basic(ALICE)).await.status(), 200);

    let other = users().replace("alice", "bob");
    folder.write("web.yml", &(other + "http_server_config: {headers: {X-XSS-Protection: '0'}}\n"));
    assert_eq!(client.request("GET", "/metrics", &basic(ALICE)).await.status(), 401);
    let answer = client.request("GET", "/metrics", &basic("bob:wonderland")).await;
    assert_eq!((answer.status(), answer.header("x-xss-protection")), (200, Some("0")));

    folder.write("web.yml", "rate_limit: {interval: 1h, burst: 1}\n");
    assert_eq!(client.get("/metrics").await.status(), 200);
    assert_eq!(client.get("/metrics").await.status(), 429);
}

#[tokio::test]
async fn a_file_gone_bad_lets_nobody_in_until_it_is_mended() {
    let folder = Folder::with(&users());
    let server = Server::guarded(&folder).await;
    server.store.publish(instance("rm-secret", 3, 7));
    let mut client = server.connect().await;
    for bad in [
        Some("basic_auth_users: {alice: no hash}\n"),
        Some("basic_auth_user: {}\n"),
        Some("basic_auth_users: [\n"),
        Some("tls_server_config: {cert_file: server.pem, key_file: server.key}\n"),
        Some("tls_server_config: {cert_file: nowhere.pem, key_file: server.key}\n"),
        // As if it were being written just now.
        Some(""),
        Some("\n\n"),
        None,
    ] {
        match bad {
            Some(text) => folder.write("web.yml", text),
            None => fs::remove_file(folder.web_yml()).unwrap(),
        }
        for path in PATHS {
            for headers in ["", basic(ALICE).as_str()] {
                let answer = client.request("GET", path, headers).await;
                assert_eq!(answer.status(), 500, "{path} with {bad:?}");
                assert_eq!(answer.text(), "the web configuration is bad: the log says why\n");
            }
        }

        folder.write("web.yml", &users());
        assert_eq!(client.get("/metrics").await.status(), 401, "mended after {bad:?}");
        assert_eq!(client.request("GET", "/metrics", &basic(ALICE)).await.status(), 200);
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_read_any_more_lets_nobody_in() {
    let folder = Folder::with("{}\n");
    let server = Server::guarded(&folder).await;
    assert_eq!(server.get("/metrics").await.status(), 200);

    fs::remove_file(folder.web_yml()).unwrap();
    fs::create_dir(folder.web_yml()).unwrap();

    assert_eq!(server.get("/metrics").await.status(), 500);
}

#[tokio::test]
async fn a_certificate_is_rotated_under_a_kept_connection() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let client = TlsClient::new(&folder);
    let mut kept = client.connect(&server).await.unwrap();
    assert_eq!(kept.get("/-/healthy").await.status(), 200);
    let before = kept.server_certificate();

    let next = folder.authority.server();
    folder.write_identity("server", &next);

    assert_eq!(kept.get("/-/healthy").await.status(), 200, "the connection is kept");
    let mut new = client.connect(&server).await.unwrap();
    assert_eq!(new.get("/-/healthy").await.status(), 200);
    assert_ne!(new.server_certificate(), before);
    assert_eq!(kept.server_certificate(), before);
}

#[tokio::test]
async fn a_certificate_gone_bad_answers_500_over_the_last_good_one() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let client = TlsClient::new(&folder);
    let mut kept = client.connect(&server).await.unwrap();
    assert_eq!(kept.get("/metrics").await.status(), 200);
    let key = fs::read_to_string(folder.path("server.key")).unwrap();
    let other = fs::read_to_string(folder.path("other.key")).unwrap();

    for bad in ["garbage", "", other.as_str()] {
        folder.write("server.key", bad);
        assert_eq!(kept.get("/metrics").await.status(), 500, "{bad}");
        let mut new = client.connect(&server).await.unwrap();
        assert_eq!(new.get("/metrics").await.status(), 500, "{bad}");

        folder.write("server.key", &key);
        assert_eq!(kept.get("/metrics").await.status(), 200);
        assert_eq!(client.connect(&server).await.unwrap().get("/metrics").await.status(), 200);
    }
}

#[tokio::test]
async fn tls_neither_comes_nor_goes_without_a_restart() {
    let folder = Folder::with(&tls(""));
    let server = Server::guarded(&folder).await;
    let client = TlsClient::new(&folder);

    folder.write("web.yml", "{}\n");

    let mut new = client.connect(&server).await.unwrap();
    assert_eq!(new.get("/metrics").await.status(), 500);
    folder.write("web.yml", &tls(""));
    assert_eq!(new.get("/metrics").await.status(), 200);
}

#[tokio::test]
async fn client_authorities_change_for_new_connections() {
    let folder = Folder::new();
    let more = "client_auth_type: RequireAndVerifyClientCert\nclient_ca_file: client_ca.pem\n";
    folder.write("web.yml", &tls(more));
    folder.write("client_ca.pem", &folder.authority.pem());
    let server = Server::guarded(&folder).await;
    let client = TlsClient::with_identity(&folder, &folder.authority.issue(&[]));
    let mut kept = client.connect(&server).await.unwrap();
    assert_eq!(kept.get("/metrics").await.status(), 200);

    folder.write("client_ca.pem", &super::certificates::Authority::new("another").pem());

    assert!(client.answer(&server, "/metrics").await.is_none(), "no longer known");
    assert_eq!(kept.get("/metrics").await.status(), 200);
}

#[tokio::test]
async fn a_swapped_symlink_is_followed() {
    // As Kubernetes replaces the files of a ConfigMap or Secret.
    let folder = Folder::new();
    for (name, text) in [("first", "{}\n".to_owned()), ("second", users())] {
        fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/web.yml"), &text);
    }
    symlink("first", folder.path("..data")).unwrap();
    symlink("..data/web.yml", folder.web_yml()).unwrap();
    let server = Server::guarded(&folder).await;
    assert_eq!(server.get("/metrics").await.status(), 200);

    symlink("second", folder.path("..data_tmp")).unwrap();
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();

    assert_eq!(server.get("/metrics").await.status(), 401);
}
