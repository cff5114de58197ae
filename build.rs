//! Tells the binary which commit and compiler it was built with, for `build_info` and `--version`,
//! and the linker which functions to keep apart.

use std::fmt::Display;
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    identify();
    lay_out()
}

fn identify() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    let revision = env::var("BUILD_REVISION")
        .ok()
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));

    let rustc = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    let version = rustc.as_deref().and_then(|line| line.split(' ').nth(1));
    println!("cargo::rustc-env=BUILD_RUSTC={}", version.unwrap_or("unknown"));
}

/// What a running exporter does not call unless it speaks TLS or HTTP/2, or has something to
/// complain of: crates, or modules and functions of them.
const SELDOM: [&str; 47] = [
    "addr2line",
    "asn1_rs",
    "bcrypt",
    "blowfish",
    "chrono::format::parse",
    "chrono::format::parsed",
    "chrono::format::scan",
    "chrono::format::strftime",
    "clap_builder::error",
    "clap_builder::output",
    "comfy_table",
    "config::builder",
    "config::path",
    "config::source",
    "der_parser",
    "gimli",
    "h2",
    "http_body_util::util",
    "humantime",
    "hyper::proto::h1::role::Server::encode_headers_with_original_case",
    "hyper_util::client::proxy",
    "ini",
    "miniz_oxide",
    "nom",
    "object",
    "parking_lot::raw_rwlock",
    "quick_xml",
    "reqwest::connect::ConnectorService::connect_local_transport",
    "reqwest::connect::ConnectorService::connect_via_proxy",
    "ring",
    "rustc_demangle",
    "rustls",
    "rustls_pki_types",
    "rustls_platform_verifier",
    "serde_core",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "shlex",
    "std::process",
    "std::thread::local",
    "strsim",
    "tokio::runtime::task::raw::shutdown",
    "tokio_rustls",
    "tracing_subscriber::fmt",
    "webpki",
    "x509_parser",
];

/// The same of the exporter: other commands than `run`, pages for people, what errors need.
const SELDOM_OF_OUR_OWN: [&str; 21] = [
    "api::error_body",
    "api::inventory",
    "auth::provider::cli_profile",
    "auth::provider::ini_profile",
    "auth::provider::sts",
    "auth::signature_v3",
    "check",
    "config::discovery",
    "config::problem::allowed",
    "config::show",
    "policy",
    "poll::account::AccountPoll::start_search",
    "poll::search",
    "poll::survey",
    "poll::trial",
    "simulator",
    "status",
    "tasks",
    "web::config",
    "web::guard::watch",
    "web::tls",
];

/// Parts of symbols that every exporter calls of these: for its TLS client, and because the compiler
/// keeps one copy of functions that are the same.
const OFTEN: [&str; 9] = [
    "4fips",
    "4name",
    "HttpsConnector",
    "MaybeHttpsStream",
    "drop_in_place$LT$alloc",
    "drop_in_place$LT$rustls..client",
    "drop_in_place$LT$rustls..webpki",
    "raw_vec",
    "with_client_cert_resolver",
];

/// Has the linker put functions that are seldom called behind all others.
///
/// Linux maps the 64 KiB around a page of a program that is touched, as far as they are in the page
/// cache. With functions in the order in which the compiler comes by them, nearly all of the program
/// becomes resident, the half of it included that is not called. This changes where functions are
/// and nothing else: one that no pattern fits stays where it was.
///
/// Only where nobody has chosen a linker: it takes one that knows `INSERT`, as GNU's and LLVM's do.
/// Not in debug builds, whose many more functions would take seconds to look through.
fn lay_out() -> io::Result<()> {
    let set = |name: &str| env::var(name).unwrap_or_default();
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || ["fuse-ld", "linker"].iter().any(|flag| set("CARGO_ENCODED_RUSTFLAGS").contains(flag));
    let target =
        ["ARCH", "OS", "ENV"].map(|part| set(&format!("CARGO_CFG_TARGET_{part}"))).join("-");
    if chosen || target != "x86_64-linux-gnu" || set("PROFILE") != "release" {
        return Ok(());
    }

    let own = env!("CARGO_PKG_NAME").replace('-', "_");
    let own = SELDOM_OF_OUR_OWN.map(|path| format!("{own}::{path}"));
    let seldom = SELDOM.into_iter().chain(own.iter().map(String::as_str));
    let seldom: String = seldom.map(|path| functions(&mangled(path))).collect();
    let often = OFTEN.map(|part| functions(&[part])).concat();
    let script = format!(
        "SECTIONS {{\n  .text.often : {{\n{often}  }}\n  \
         .text.seldom : {{\n    *libring-*:*(.text .text.*)\n{seldom}  }}\n}}\n\
         INSERT AFTER .text;\n"
    );
    let path = format!("{}/layout.ld", set("OUT_DIR"));
    fs::write(&path, script)?;
    println!("cargo::rustc-link-arg-bins=-T");
    println!("cargo::rustc-link-arg-bins={path}");
    Ok(())
}

/// How a path is spelled within symbols: of what is defined there, and, in Rust's legacy mangling, of
/// what is implemented for a type from there.
fn mangled(path: &str) -> [String; 2] {
    let defined = path.split("::").map(|part| format!("{}{part}", part.len())).collect();
    [defined, format!("[!a-z_]{}..", path.replace("::", ".."))]
}

/// The line of a linker's script for functions whose symbols contain one of these patterns; each has
/// a section of its own. Few patterns a line: GNU's linker takes minutes over a hundred.
fn functions(symbols: &[impl Display]) -> String {
    let patterns: Vec<_> = symbols.iter().map(|symbol| format!(".text.*{symbol}*")).collect();
    format!("    *({})\n", patterns.join(" "))
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
