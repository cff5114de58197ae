//! Every rule of the web configuration: files that are good, and files that are refused with a
//! message that names the key. The cases have the shape of exporter-toolkit's own.

use std::fs;
use std::path::{Path, PathBuf};

use aliyun_rds_import_exporter::check::check_web;
use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::web::Guard;

use crate::golden::{assert_golden, root};

use super::certificates::{Folder, tls, users};

const CASES: &str = "tests/it/web/config";

fn cases(kind: &str) -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(root().join(CASES).join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// What `check` says about a file among certificates; the folder's path is left out.
fn checked(folder: &Folder, file: &Path) -> (bool, String) {
    let mut out = Vec::new();
    let good = check_web(file, &mut out).unwrap();
    let prefix = format!("{}/", folder.root().display());
    (good, String::from_utf8(out).unwrap().replace(&prefix, ""))
}

fn assert_cases(kind: &str, expected: bool) {
    let folder = Folder::new();
    for case in cases(kind) {
        let name = case.file_name().unwrap().to_str().unwrap();
        let file = folder.path(name);
        fs::copy(&case, &file).unwrap();
        let (good, text) = checked(&folder, &file);
        assert_eq!(good, expected, "{kind}/{name}: {text}");
        assert_golden(Path::new(CASES).join(kind).join(name).with_extension("txt"), &text);
    }
}

#[test]
fn good_files_are_taken() {
    assert_cases("good", true);
}

#[test]
fn bad_files_are_refused_with_the_key_that_is_wrong() {
    assert_cases("bad", false);
}

#[test]
fn the_documentation_shows_every_key_and_is_taken() {
    let page = fs::read_to_string(root().join("docs/web.md")).unwrap();
    let (_, section) = page.split_once("## Every key\n").unwrap();
    let example = section.split("```").nth(1).unwrap().strip_prefix("yaml\n").unwrap();
    let folder = Folder::with(example);

    assert_eq!(checked(&folder, &folder.web_yml()), (true, "web.yml: ok, TLS\n".to_owned()));
    let every_key = fs::read_to_string(root().join(CASES).join("bad/unknown-keys.txt")).unwrap();
    for list in every_key.lines().filter_map(|line| line.split_once("allowed: ")) {
        for key in list.1.split(", ") {
            assert!(example.contains(&format!("{key}:")), "{key}");
        }
    }
}

#[test]
fn certificates_may_stand_in_the_file() {
    let folder = Folder::new();
    let server = folder.authority.server();
    let block = |key: &str, pem: &str| {
        let lines = pem.lines().map(|line| format!("    {line}\n"));
        format!("  {key}: |\n{}", lines.collect::<String>())
    };
    let text = format!(
        "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n{}{}{}",
        block("cert", &server.cert),
        block("key", &server.key),
        block("client_ca", &folder.authority.pem()),
    );
    folder.write("web.yml", &text);

    assert_eq!(checked(&folder, &folder.web_yml()), (true, "web.yml: ok, TLS\n".to_owned()));
}

#[test]
fn paths_start_from_the_file_that_names_them() {
    let folder = Folder::with(&tls(""));
    let absolute = folder.path("server.key").display().to_string();
    fs::create_dir(folder.path("below")).unwrap();
    let text = format!("tls_server_config: {{cert_file: ../server.pem, key_file: {absolute}}}\n");
    folder.write("below/web.yml", &text);

    for file in ["web.yml", "below/web.yml"] {
        let (good, text) = checked(&folder, &folder.path(file));
        assert!(good, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_to_do() {
    let folder = Folder::new();
    let (good, text) = checked(&folder, &folder.path("nowhere.yml"));
    assert!(!good);
    assert!(text.starts_with("nowhere.yml: cannot be read: "), "{text}");
    assert!(text.contains("--web.config.file"), "{text}");

    let (good, text) = checked(&folder, folder.root());
    assert!(!good && text.contains("cannot be read: it is not a file"), "{text}");
}

#[test]
fn no_secret_is_in_a_message() {
    let folder = Folder::new();
    for case in cases("bad") {
        let file = folder.path("web.yml");
        fs::copy(&case, &file).unwrap();
        let (_, text) = checked(&folder, &file);
        for secret in ["wonderland", "NoPassword", "$2y$", "c3VybmFtZQ"] {
            assert!(!text.contains(secret), "{}: {text}", case.display());
        }
    }
}

#[test]
fn no_secret_is_in_what_a_developer_prints() {
    let folder = Folder::new();
    let key = fs::read_to_string(folder.path("server.key")).unwrap();
    let lines: String = key.lines().map(|line| format!("    {line}\n")).collect();
    let tls = format!("tls_server_config:\n  cert_file: server.pem\n  key: |\n{lines}");
    folder.write("web.yml", &(tls + &users()));

    let guard = Guard::load(&folder.web_yml(), Clock::system()).unwrap();

    let printed = format!("{guard:?}");
    assert!(!printed.contains("$2b$04$") && !printed.contains(key.lines().nth(1).unwrap()));
}
