//! The manners of the process, by the real binary: systemd, sockets, limits, lost outputs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::pipeline::binary::{Binary, until};
use crate::pipeline::prometheus::free_address;

const DEMO: [&str; 2] = ["demo", "--web.listen-address=127.0.0.1:0"];

/// The end of a socket at which systemd listens.
struct Systemd {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Systemd {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, directory }
    }

    fn path(&self) -> String {
        self.directory.path().join("notify").display().to_string()
    }

    fn heard(&self) -> String {
        let mut buffer = [0; 1024];
        let size = self.socket.recv(&mut buffer).expect("nothing was told");
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    }
}

/// The address in a line of `demo`.
fn address(demo: &mut Binary) -> String {
    let metrics = demo.told("metrics:");
    metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap().to_owned()
}

/// A request over a new connection; `None` if there is no answer.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn assert_answers(address: &str) {
    let answer = get(address, "/metrics").expect("no answer");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
}

#[test]
fn systemd_is_told_that_the_daemon_listens_and_that_it_ends() {
    let systemd = Systemd::new();
    let mut demo = Binary::start(&DEMO, &[("NOTIFY_SOCKET", &systemd.path())]);
    assert_eq!(systemd.heard(), "READY=1\n");
    assert_answers(&address(&mut demo));

    let (code, ..) = demo.stop();

    assert_eq!(code, Some(0));
    assert_eq!(systemd.heard(), "STOPPING=1\n");
}

#[test]
fn the_watchdog_is_told_again_and_again_if_it_listens() {
    let systemd = Systemd::new();
    let environment = [("NOTIFY_SOCKET", &*systemd.path()), ("WATCHDOG_USEC", "200000")];
    let _demo = Binary::start(&DEMO, &environment);
    assert_eq!(systemd.heard(), "READY=1\n");
    for _ in 0..5 {
        assert_eq!(systemd.heard(), "WATCHDOG=1\n");
    }
}

#[test]
fn a_systemd_that_does_not_listen_ends_nothing() {
    let gone = Systemd::new().path();
    let mut demo = Binary::start(&DEMO, &[("NOTIFY_SOCKET", &gone), ("WATCHDOG_USEC", "200000")]);
    assert_answers(&address(&mut demo));
    let (code, _, log) = demo.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("cannot tell systemd"), "{log}");
}

/// Hands a socket over as systemd does.
const HAND_OVER: &str = r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;

#[test]
fn a_socket_of_systemd_is_used_in_place_of_addresses() {
    for flag in ["--web.systemd-socket", "--log.level=info"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let expected = socket.local_addr().unwrap().to_string();
        // It is asked before anybody takes connections, and answered then.
        let early = TcpStream::connect(&expected).unwrap();
        let arguments = ["demo", "--web.listen-address=192.0.2.1:1", flag];
        let mut demo = Binary::in_shell(HAND_OVER, &arguments, OwnedFd::from(socket));
        assert_eq!(address(&mut demo), expected);
        let mut early = early;
        write!(early, "GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        early.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("healthy\n"), "{answer}");
        assert_eq!(demo.stop().0, Some(0));
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = socket.local_addr().unwrap().to_string();
    let line = r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=1; exec "$@""#;
    let mut demo = Binary::in_shell(line, &DEMO, OwnedFd::from(socket));
    assert_ne!(address(&mut demo), theirs);
}

/// Exit code and stderr of a binary that ends by itself.
fn ended(mut binary: Binary) -> (Option<i32>, String) {
    let mut log = String::new();
    binary.process().stderr.take().unwrap().read_to_string(&mut log).unwrap();
    (binary.process().wait().unwrap().code(), log)
}

#[test]
fn sockets_that_are_demanded_and_missing_or_of_another_kind_are_told() {
    let missing = Binary::start(&["demo", "--web.systemd-socket"], &[]);
    let (code, log) = ended(missing);
    assert_eq!(code, Some(1));
    assert!(log.contains("--web.systemd-socket is given, and systemd handed over no socket"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (code, log) = ended(Binary::in_shell(HAND_OVER, &["demo"], OwnedFd::from(connected)));
    assert_eq!(code, Some(1));
    assert!(log.contains("cannot be used: it does not listen"), "{log}");

    let directory = tempfile::tempdir().unwrap();
    let datagram = UnixDatagram::bind(directory.path().join("socket")).unwrap();
    let wrong = Binary::in_shell(HAND_OVER, &["demo"], OwnedFd::from(datagram));
    let (code, log) = ended(wrong);
    assert_eq!(code, Some(1));
    assert!(log.contains("allowed: TCP sockets (ListenStream=)"), "{log}");
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let demo = Binary::start(&["demo", "--web.listen-address", &taken], &[]);

    let (code, log) = ended(demo);

    assert_eq!(code, Some(1));
    assert!(log.contains(&format!("address {taken} is in use: stop the program")), "{log}");
}

#[test]
fn a_bad_web_configuration_keeps_the_daemon_from_starting() {
    let bad = "tests/it/web/config/bad/unknown-keys.yml";
    let argument = format!("--web.config.file={bad}");
    for arguments in [
        &["demo", &*argument][..],
        &[
            "run",
            "--config.file=tests/config/good/minimal.yaml",
            "--web.listen-address=127.0.0.1:0",
            &argument,
        ],
    ] {
        let (code, log) = ended(Binary::start(arguments, &[]));
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(&format!("{bad}:1: tls_server_confg: is an unknown key")), "{log}");
    }

    let (code, log) = ended(Binary::start(&["demo", "--web.config.file=nowhere.yml"], &[]));
    assert_eq!(code, Some(2));
    assert!(log.starts_with("nowhere.yml: cannot be read: "), "{log}");
}

#[test]
fn check_looks_at_the_web_configuration_too() {
    let good = "--config.file=tests/config/good/minimal.yaml";
    let folder = "tests/it/web/config";
    for (file, expected, told) in [
        ("good/users.yml", 0, "good/users.yml: ok, plain HTTP\n"),
        ("bad/unknown-keys.yml", 1, "bad/unknown-keys.yml: 5 problems\n"),
    ] {
        let argument = format!("--web.config.file={folder}/{file}");
        let mut check = Binary::start(&["check", good, &argument], &[]);
        let mut out = String::new();
        check.process().stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(check.process().wait().unwrap().code(), Some(expected), "{out}");
        assert!(out.ends_with(&format!("{folder}/{told}")), "{out}");
    }
}

#[test]
fn the_end_does_not_wait_for_a_password_that_is_being_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yml");
    // A hash that takes hours.
    let hash = "$2b$28$NoPasswordHasThisHasheSoThatUnknownUsersCostTheSame..";
    std::fs::write(&file, format!("basic_auth_users: {{alice: {hash}}}\n")).unwrap();
    let argument = format!("--web.config.file={}", file.display());
    let mut demo = Binary::start(&[&DEMO[..], &[&argument]].concat(), &[]);
    let address = address(&mut demo);
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nAuthorization: Basic YWxpY2U6\r\n\r\n").unwrap();
    // Another request, so that the first was seen.
    assert!(get(&address, "/").unwrap().starts_with("HTTP/1.0 401"));

    assert_eq!(demo.stop().0, Some(0));
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let line = r#"ulimit -Sn 100; ulimit -Hn 300; exec "$@""#;
    let arguments = [&DEMO[..], &["--log.level=debug"]].concat();
    let mut demo = Binary::in_shell(line, &arguments, Stdio::null());
    demo.told("metrics:");

    let id = demo.process().id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("300"), "{files}");
    let logged = demo.logged("file descriptors that may be open");
    assert!(logged.contains("limit=300") && logged.contains("level=debug"), "{logged}");
}

#[test]
fn connections_that_take_every_file_descriptor_are_survived() {
    let line = r#"ulimit -n 64; exec "$@""#;
    let mut demo = Binary::in_shell(line, &DEMO, Stdio::null());
    let address = address(&mut demo);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(&address).unwrap());
    }
    demo.logged("cannot take a connection, trying on");

    drop(held);

    assert_answers(&address);
    assert_eq!(demo.stop().0, Some(0));
}

#[test]
fn a_full_disk_for_results_fails_without_a_panic() {
    for (arguments, lives) in [
        (&["check", "--config.file=tests/config/good/minimal.yaml"][..], false),
        (&DEMO, false),
        (&["simulate", "--listen=127.0.0.1:0"], false),
        (&["--help"], true),
    ] {
        let binary = Binary::in_shell(r#"exec "$@" >/dev/full"#, arguments, Stdio::null());
        let (code, log) = ended(binary);
        assert!(!log.contains("panicked"), "{arguments:?}: {log}");
        if !lives {
            assert_eq!(code, Some(1), "{arguments:?}: {log}");
            assert!(log.contains("No space left on device"), "{arguments:?}: {log}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    for redirection in ["2>/dev/full", "2>&-", ">/dev/null 2>&-", "0<&- >&- 2>&-"] {
        let address = free_address();
        let listen = format!("--web.listen-address={address}");
        let arguments = ["demo", "--log.level=debug", &listen];
        let line = format!(r#"exec "$@" {redirection}"#);
        let demo = Binary::in_shell(&line, &arguments, Stdio::null());

        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = format!("http://{address}/metrics");
        runtime.block_on(until(&url, |page| page.contains("aliyun_rds_import_task_status{")));
        assert_eq!(demo.stop().0, Some(0), "{redirection}");
    }
}

#[test]
fn a_log_whose_reader_has_gone_ends_nothing() {
    let mut demo = Binary::start(&[&DEMO[..], &["--log.level=debug"]].concat(), &[]);
    let address = address(&mut demo);
    drop(demo.process().stderr.take());
    for _ in 0..3 {
        assert_answers(&address);
    }
    let id = demo.process().id().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert_eq!(demo.process().wait().unwrap().code(), Some(0));
}

/// As when a collector of logs hangs, or somebody pauses a terminal.
#[test]
fn a_log_that_nobody_reads_holds_nothing_up_and_tells_what_it_lost() {
    let mut demo = Binary::start(&[&DEMO[..], &["--log.level=debug"]].concat(), &[]);
    let address = address(&mut demo);
    // Each of them is logged, more than a pipe and what waits for it can hold.
    for _ in 0..2_500 {
        assert!(get(&address, "/-/healthy").is_some(), "no answer any more");
    }

    // Somebody reads again.
    let lost = demo.logged("lines of the log were lost");
    assert!(lost.contains("level=warn"), "{lost}");
    assert_eq!(demo.stop().0, Some(0));
}
