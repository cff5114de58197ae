//! The real binary: arguments, output, exit codes, logs.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::golden::{assert_golden, root};

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"));
    // Nothing of the developer's environment may change the outcome.
    command.env_clear().stdin(Stdio::null()).current_dir(root());
    command
}

fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn help_says_what_there_is() {
    for (golden, arguments) in [
        ("help.txt", &["--help"][..]),
        ("help-run.txt", &["run", "--help"]),
        ("help-demo.txt", &["demo", "--help"]),
        ("help-simulate.txt", &["simulate", "--help"]),
        ("help-check.txt", &["check", "--help"]),
        ("help-tasks.txt", &["tasks", "--help"]),
        ("help-policy.txt", &["policy", "--help"]),
    ] {
        let output = run(arguments);
        assert_eq!((code(&output), stderr(&output)), (0, ""), "{arguments:?}");
        assert_golden(PathBuf::from("tests/golden").join(golden), stdout(&output));
    }
}

#[test]
fn version_tells_what_it_was_built_from() {
    let output = run(&["--version"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));

    let line = stdout(&output).strip_suffix('\n').unwrap();
    let rest = line.strip_prefix("aliyun-rds-import-exporter ").unwrap();
    let (version, rest) = rest.split_once(" (revision ").unwrap();
    let (revision, rustc) = rest.strip_suffix(')').unwrap().split_once(", rustc ").unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(!revision.is_empty());
    assert!(rustc.starts_with(|c: char| c.is_ascii_digit()), "{rustc}");
}

#[test]
fn bad_usage_exits_with_2_and_says_why() {
    for (arguments, reason) in [
        (&["--web.config.files=x"][..], "--web.config.files"),
        (&["--shard=first"], "--shard"),
        (&["--total-shards=0"], "--total-shards 0 is not allowed"),
        (&["--shard=3", "--total-shards=3"], "allowed: 0 to 2"),
        (&["--shard=1"], "allowed: 0 to 0"),
        (&["--total-shards=3"], "--shard is missing"),
        (&["polish"], "polish"),
        (&["check", "extra"], "extra"),
        (&["--log.level=loud"], "loud"),
        (&["--log.format=xml"], "xml"),
        (&["--web.listen-address=10525"], "it has no port"),
        (&["--web.telemetry-path=/-/ready"], "the exporter needs it"),
        (&["simulate", "--listen=nowhere"], "nowhere"),
    ] {
        let output = run(arguments);
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{arguments:?}");
        assert!(stderr(&output).contains(reason), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn the_shard_may_come_from_the_host_name() {
    let file = "tests/config/bad/unknown-keys.yaml";
    for (host_name, reason) in [
        // The shard is there, and so it is the configuration that is wrong.
        ("exporter-2", "is an unknown key"),
        ("exporter-3", "--shard is missing"),
        ("laptop", "the host name \"laptop\" does not end in"),
    ] {
        let arguments = ["--total-shards=3", "--config.file", file];
        let output = binary().args(arguments).env("HOSTNAME", host_name).output().unwrap();
        assert_eq!(code(&output), 2, "{host_name}");
        assert!(stderr(&output).contains(reason), "{host_name}: {}", stderr(&output));
    }
}

#[test]
fn check_shows_what_a_good_configuration_says() {
    let output = run(&["check", "--config.file", "tests/config/good/warnings.yaml"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    assert_golden("tests/golden/check-warnings.txt", stdout(&output));
}

#[test]
fn check_shows_where_instances_are_looked_for_and_what_that_costs() {
    let output = run(&["check", "--config.file", "tests/config/good/discovery.yaml"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    assert_golden("tests/golden/check-discovery.txt", stdout(&output));
}

#[test]
fn check_lists_every_problem_and_exits_with_1() {
    let file = "tests/config/bad/unknown-keys.yaml";
    let output = run(&["--config.file", file, "check"]);
    assert_eq!((code(&output), stderr(&output)), (1, ""));

    let problems =
        std::fs::read_to_string(root().join("tests/config/bad/unknown-keys.txt")).unwrap();
    let expected = problems.replace("unknown-keys.yaml", file);
    let count = problems.lines().count();
    assert_eq!(stdout(&output), format!("{expected}{file}: {count} problems\n"));
}

#[test]
fn a_bad_configuration_keeps_the_daemon_from_starting() {
    let file = "tests/config/bad/unknown-keys.yaml";
    let checked = run(&["check", "--config.file", file]);
    let (problems, _) = stdout(&checked).trim_end().rsplit_once('\n').unwrap();
    for arguments in [&["run", "--config.file", file][..], &["--config.file", file]] {
        let output = run(arguments);
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{arguments:?}");
        assert_eq!(stderr(&output), format!("{problems}\n"), "{arguments:?}");
    }
}

#[test]
fn check_sees_the_environment() {
    let output = binary()
        .args(["check", "--config.file", "tests/config/good/minimal.yaml"])
        .env("ALIYUN_RDS_IMPORT_EXPORTER__POLLING__INTERVAL", "soon")
        .env("ALIYUN_RDS_IMPORT_EXPORTER_PORT", "tcp://10.0.0.1:10525")
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    let begin = "ALIYUN_RDS_IMPORT_EXPORTER__POLLING__INTERVAL: polling.interval: \"soon\"";
    assert!(stdout(&output).starts_with(begin), "{}", stdout(&output));
}

#[test]
fn check_reads_config_yaml_where_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary().arg("check").current_dir(&folder).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).starts_with("config.yaml: cannot be read: "), "{}", stdout(&output));
}

#[test]
fn logs_are_logfmt_with_time_level_and_target() {
    let output =
        run(&["check", "--log.level=debug", "--config.file=tests/config/good/minimal.yaml"]);
    assert_eq!(code(&output), 0);
    assert!(!stderr(&output).is_empty());
    for line in stderr(&output).lines() {
        let pairs = logfmt(line);
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys[..3], ["ts", "level", "target"], "{line}");
        assert!(keys.contains(&"message"), "{line}");
    }
    assert!(stderr(&output).contains("level=debug"));
}

#[test]
fn logs_are_json_if_asked_for() {
    let arguments = ["--log.format=json", "check", "--log.level=debug"];
    let file = ["--config.file=tests/config/good/minimal.yaml"];
    let output = run(&[&arguments[..], &file].concat());
    assert_eq!(code(&output), 0);
    assert!(!stderr(&output).is_empty());
    for line in stderr(&output).lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["timestamp", "level", "target", "message"] {
            assert!(event[key].is_string(), "{key} in {line}");
        }
    }
}

#[test]
fn nothing_is_logged_below_the_level() {
    let output = run(&["check", "--config.file=tests/config/good/minimal.yaml"]);
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn a_lost_stderr_ends_nothing() {
    let check = ["check", "--log.level=debug", "--config.file=tests/config/good/minimal.yaml"];

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let broken = binary().args(check).stderr(writer).output().unwrap();
    assert_eq!(code(&broken), 0);
    assert!(stdout(&broken).contains("minimal.yaml: ok"));

    let closed = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$@\" 2>&-", env!("CARGO_BIN_EXE_aliyun-rds-import-exporter")])
        .args(check)
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(code(&closed), 0);
    assert!(stdout(&closed).contains("minimal.yaml: ok"));
}

#[test]
fn a_lost_stdout_fails_without_a_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = binary()
        .args(["check", "--config.file=tests/config/good/minimal.yaml"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[test]
fn no_secret_is_printed_or_logged() {
    for file in ["good/every-key", "good/warnings", "bad/credentials", "bad/shapes", "bad/no-space"]
    {
        for format in ["logfmt", "json"] {
            let output = binary()
                .args(["check", "--log.level=debug", "--log.format", format, "--config.file"])
                .arg(format!("tests/config/{file}.yaml"))
                .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "c4nary-id")
                .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "c4nary-secret")
                .output()
                .unwrap();
            assert!(!stdout(&output).contains("c4nary"), "{file}: {}", stdout(&output));
            assert!(!stderr(&output).contains("c4nary"), "{file}: {}", stderr(&output));
        }
    }
}

/// Splits a logfmt line into keys and values; anything else panics.
fn logfmt(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=').unwrap_or_else(|| panic!("no pair: {rest}"));
        assert!(!key.is_empty() && !key.contains([' ', '"']), "no key: {key:?} in {line}");
        let end = if let Some(quoted) = value.strip_prefix('"') {
            let mut escaped = false;
            let end = quoted.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.unwrap_or_else(|| panic!("no closing quote: {line}")) + 2
        } else {
            value.find(' ').unwrap_or(value.len())
        };
        pairs.push((key.to_owned(), value[..end].to_owned()));
        rest = value[end..].strip_prefix(' ').unwrap_or(&value[end..]);
    }
    pairs
}
